"""The language of an answer: ``?lang=``, else that of the signature a token belongs to, else the browser's."""

from functools import lru_cache
from urllib.parse import parse_qsl

from flask import g, request
from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

from campaign.i18n import choose_language, translations
from campaign.settings import LANGUAGES

LONGEST_HEADER = 200
"""Characters of an Accept-Language header that are read: more than a browser sends, and the longest key cached here."""

LONGEST_TAG = 35
"""Characters of a language tag that are read: longer ones are none in use (RFC 5646 section 4.4.1)."""

_OUR_QUERIES = {f"lang={code}": code for code in LANGUAGES}
"""The queries of our own links, which are nearly all that come: these need no parsing."""


@lru_cache(maxsize=512)
def preferred(header: str) -> str:
    """The one of our languages that an Accept-Language header likes best; the first one if it names none."""
    # Best first, and fa-IR counts as fa: werkzeug's own best_match would prefer a weaker but exact tag.
    for tag, quality in parse_accept_header(header, LanguageAccept):
        near = choose_language(tag, fallback="")
        # A quality of 0 means "not this one" (RFC 9110 section 12.4.2).
        if near and quality > 0:
            return near
    return LANGUAGES[0]


def wanted(query: str) -> str:
    """What the query says of the language, as Flask reads it: the first of several."""
    # Not cached by the query: visitors would fill such a cache with their own strings.
    if query in _OUR_QUERIES or "=" not in query:
        return _OUR_QUERIES.get(query, "")
    return next((value for name, value in parse_qsl(query, keep_blank_values=True) if name == "lang"), "")


def among(named: str, header: str) -> str:
    """The language of an answer: the one that the address names, if it is ours, else by the Accept-Language header."""
    return named_language(named) or preferred(header[:LONGEST_HEADER])


def named_language(named: str) -> str:
    """The one of our languages that a tag in an address names (fa-AF, prs and FA name fa); empty if none."""
    return named if named in LANGUAGES else choose_language(named[:LONGEST_TAG], fallback="")


def asked_for() -> str | None:
    """The language named in the address, if it is one of ours."""
    return named_language(request.args.get("lang", "")) or None


def language() -> str:
    """The language of this answer."""
    if "language" not in g:
        g.language = among(request.args.get("lang", ""), request.headers.get("Accept-Language", ""))
    chosen: str = g.language
    return chosen


def speak(locale: str) -> None:
    """Answer in the language of a signature, unless the address names another."""
    if asked_for() is None and locale in LANGUAGES:
        g.language = locale


def gettext(message: str, **values: object) -> str:
    """A message in the language of this answer, with its %(name)s placeholders filled."""
    text = translations(language()).ugettext(message)
    return text % values if values else text


def ngettext(singular: str, plural: str, number: int, **values: object) -> str:
    """The plural form for a number, with its %(name)s placeholders filled."""
    text = translations(language()).ungettext(singular, plural, number)
    return text % values if values else text


def lazy(message: str) -> str:
    """Mark a message for translation where it is written; :func:`gettext` translates it where it is shown."""
    return message
