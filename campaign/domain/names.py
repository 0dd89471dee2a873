"""Rules for what a signer types: names, reasons and countries."""

import re
import unicodedata

MAX_NAME = 60
MAX_REASON = 500

_LINK = re.compile(
    r"(?:https?:|ftp:|www\.|//|@|\w\.[^\W\d_]{2,}/|\b[\w-]+\.(?:com|net|org|info|biz|ru|cn|top|xyz|io|me|link|click|shop|site|online|de|pk|ir)\b)",
    re.IGNORECASE,
)
_CONTROL = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Zero-width (non-)joiners are part of correct Persian and Urdu spelling and of many emoji.
_JOINERS = frozenset({"\u200c", "\u200d"})


class RuleError(ValueError):
    """Raised when a text breaks a rule; ``code`` names the rule, and the page words it."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


# Arabic and Persian/Urdu keyboards write yeh, kaf and heh with different code points.
_SAME_LETTERS = str.maketrans({"ي": "ی", "ى": "ی", "ك": "ک", "ہ": "ه", "ة": "ه"})


def _clean(text: str, *, keep_lines: bool) -> str:
    if text.isascii() and text.isprintable():
        # Nothing to compose and nothing to take out.
        return " ".join(text.split())
    composed = unicodedata.normalize("NFC", text.replace("\r\n", "\n"))
    kept = [
        character
        for character in composed
        if character in _JOINERS
        or (keep_lines and character == "\n")
        or unicodedata.category(character) not in _CONTROL
        or character in "\t\n"
    ]
    # Once more: a character that was taken out may have kept a letter and its mark apart.
    joined = unicodedata.normalize("NFC", "".join(kept))
    if keep_lines:
        return "\n".join(" ".join(line.split()) for line in joined.split("\n")).strip()
    return " ".join(joined.split()).strip("\u200c\u200d ")


def _looks_like_link(text: str) -> bool:
    if text.isascii():
        return _LINK.search(text) is not None
    # Full-width and ideographic forms are folded: mail programs make links of them too.
    return _LINK.search(unicodedata.normalize("NFKC", text).replace("。", ".")) is not None


def clean_name(typed: str) -> str:
    """A name fit for pages and mails: composed, one line, no control or direction-override characters.

    Raises:
        RuleError: ``missing``, ``too_long`` or ``looks_like_link`` (the name-field spam relay is a live attack).
    """
    if len(typed) > 10 * MAX_NAME:
        raise RuleError("too_long")
    name = _clean(typed, keep_lines=False)
    if not any(unicodedata.category(character)[0] == "L" for character in unicodedata.normalize("NFKD", name)):
        raise RuleError("missing" if not name else "not_a_name")
    if len(name) > MAX_NAME:
        raise RuleError("too_long")
    if _looks_like_link(name):
        raise RuleError("looks_like_link")
    return name


def clean_reason(typed: str) -> str:
    """The optional reason, cleaned like a name but with its line breaks; empty if none was given.

    Raises:
        RuleError: ``too_long`` or ``looks_like_link``.
    """
    if len(typed) > 20 * MAX_REASON:
        raise RuleError("too_long")
    reason = _clean(typed, keep_lines=True)
    if len(reason) > MAX_REASON:
        raise RuleError("too_long")
    if _looks_like_link(reason):
        raise RuleError("looks_like_link")
    return reason


def person_key(name: str) -> str:
    """The form in which two spellings of one name are the same: compatible, caseless, without marks and spaces."""
    if name.isascii():
        return "".join(filter(str.isalnum, name.lower()))
    folded = unicodedata.normalize("NFKD", name).casefold().translate(_SAME_LETTERS)
    return "".join(character for character in folded if unicodedata.category(character)[0] in "LN")
