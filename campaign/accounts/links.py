"""Web and mail addresses in what people type as a name or a reason."""

import re
import unicodedata
from typing import Final

from campaign.accounts.top_level_domains import TOP_LEVEL_DOMAINS

_SCHEME = re.compile(
    r"(?:\b(?:https?|hxxps?|ftp|mailto)\s?:|[a-z][a-z0-9+.-]*://|//(?=\w)|\bwww\d?\.(?=\w))\S*", re.IGNORECASE
)
_MAIL = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+@[\w-]+(?:\.[\w-]+)*\.[^\W\d_]{2,}")
_HOST = re.compile(r"(?<![\w.@-])@?(?P<labels>[\w-]+(?:\.[\w-]+)+)(?P<path>[/:?#]\w)?")
_OBFUSCATED = re.compile(r"[\[({]\s?\.\s?[\])}]")
_INVISIBLE: Final = dict.fromkeys(map(ord, "\u200c\u200d\u034f\ufe0e\ufe0f\u115f\u1160\u3164\u180b\u180c\u180d"))
_DOTS: Final = str.maketrans({"。": ".", "｡": ".", "．": "."})

_BEGIN_SENTENCES: Final = frozenset(
    """
    ad am an as at baby be black blue by ca call care da de do education es et family free gives god help how il
    im in is it je justice kids la le life live love me men mr ms my news no now one open please pm pr prof read save
    school so st to today us vote watch we women work world yes you
    """.split()  # noqa: SIM905 - words of a text
)
"""Top-level domains that are words or titles too: capitalised behind a full stop they begin a sentence."""

_TITLES: Final = frozenset(
    {"Adv", "Dr", "Drs", "Engr", "Hon", "Ing", "Ir", "Mr", "Mrs", "Md", "Mohd", "Ms", "Prof", "Rev", "St"}
)

_PARTICLES: Final = frozenset({"al", "da", "de", "do", "el", "la", "le", "st", "te"})
"""Top-level domains that are parts of family names too."""

_NEXT_NAME: Final = re.compile(r"\s+(?:(?:de[mnr]|el|la|las|los)\s+)*([^\W\d_])")


def find_link(text: str) -> str | None:
    """The first word that a mail program would make a link of, as it was typed; None if there is none.

    A word is one if it has a scheme, begins with ``www.``, or is a host whose last label is a known top-level domain,
    in full-width and ideographic forms too. Initials and degrees ("J.de Vries", "M.Sc") and the end of a sentence
    without a blank behind it ("my family.Me and my children") are none.
    """
    folded = _folded(text)
    found = _SCHEME.search(folded)
    if found is not None:
        return found[0].rstrip(".,;!)")
    if "." not in folded:
        return None
    return next((host for match in _HOST.finditer(folded) if (host := _host_in(match, folded)) is not None), None)


def find_mail_address(text: str) -> str | None:
    """The first mail address in a text; None if there is none."""
    folded = _folded(text)
    found = _MAIL.search(folded) if "@" in folded else None
    return None if found is None else found[0]


def _folded(text: str) -> str:
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text.translate(_INVISIBLE)).translate(_DOTS)
    return _OBFUSCATED.sub(".", plain)


def _host_in(match: re.Match[str], text: str) -> str | None:
    """The host that a row of labels is or holds. Where a capitalised word follows a small letter, a sentence ends."""
    labels, path = match["labels"].split("."), match["path"]
    begin = 0
    for end in range(1, len(labels) + 1):
        if end < len(labels) and not _breaks(labels[end - 1], labels[end]):
            continue
        part, is_last = labels[begin:end], end == len(labels)
        if len(part) > 1 and part[-1].lower() in TOP_LEVEL_DOMAINS:
            rest = text[match.end("labels") :] if is_last else ""
            if (path and is_last) or not _is_part_of_name(part, rest):
                return ".".join(part)
        begin = end
    if path and len(labels) > 1 and labels[-1].lower() in TOP_LEVEL_DOMAINS:
        return match["labels"]
    return None


def _breaks(before: str, after: str) -> bool:
    """True if a full stop between two labels ends a sentence, or an abbreviation before a name."""
    if not (before[-1:].islower() and after[:1].isupper() and (after[1:].islower() or len(after) == 1)):
        return False
    return after.lower() not in TOP_LEVEL_DOMAINS or after.lower() in _BEGIN_SENTENCES or after == "Ir"


def _is_part_of_name(labels: list[str], rest: str) -> bool:
    first, last = labels[:-1], labels[-1]
    if all(len(letter) == 1 and letter.isupper() for label in first for letter in label.strip("-").split("-")):
        # Initials and degrees: J.de Vries, K.-H.de Boer, M.Sc, B.Com, Ph.D.
        return len(last) == 2 or (last[:1].isupper() and last[1:].islower())
    if len(first) > 1 and len(last) == 2 and all(len(label) == 1 and label.isalpha() for label in first):
        # Abbreviations before a word: u.a.in Kabul, a.m.to
        return True
    if first[0] in _TITLES and len(first) == 1:
        return True
    name = _NEXT_NAME.match(rest)
    follows_name = name is not None and name[1].isupper()
    short = all(len(label) <= 3 and label.istitle() for label in first)
    return short and follows_name and last.lower() in _PARTICLES
