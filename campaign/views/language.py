"""The language of an answer: ``?lang=``, else that of the signature a token belongs to, else the browser's."""

from functools import lru_cache
from urllib.parse import parse_qsl

from flask import g, request
from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

from campaign.i18n import choose_language, translations
from campaign.settings import LANGUAGES


@lru_cache(maxsize=512)
def _preferred(header: str) -> str:
    # Best first, and fa-IR counts as fa: werkzeug's own best_match would prefer a weaker but exact tag.
    for tag, _quality in parse_accept_header(header[:200], LanguageAccept):
        near = choose_language(tag, fallback="")
        if near:
            return near
    return LANGUAGES[0]


@lru_cache(maxsize=512)
def wanted(query: str) -> str:
    """What the query says of the language, as Flask reads it: the first of several."""
    if "=" not in query:
        return ""
    return next((value for name, value in parse_qsl(query, keep_blank_values=True) if name == "lang"), "")


def among(named: str, header: str) -> str:
    """The language of an answer: the one that the address names, if it is ours, else by the Accept-Language header."""
    return named if named in LANGUAGES else _preferred(header)


def asked_for() -> str | None:
    """The language named in the address, if it is one of ours."""
    named = request.args.get("lang", "")
    return named if named in LANGUAGES else None


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
