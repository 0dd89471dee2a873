"""Mail addresses: what is accepted, and the key under which two spellings are one mailbox."""

import re
import unicodedata
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Self

from email_validator import EmailNotValidError, validate_email
from email_validator.rfc_constants import CASE_INSENSITIVE_MAILBOX_NAMES

from campaign.accounts.links import find_link, find_mail_address
from campaign.accounts.spelling import limit_marks, person_key

__all__ = [
    "MAX_NAME",
    "MAX_REASON",
    "ROLE_ACCOUNTS",
    "Address",
    "Problem",
    "RuleError",
    "canonical",
    "clean_name",
    "clean_reason",
    "has_controls",
    "parse",
    "pasted",
    "person_key",
]

MAX_NAME = 200
MAX_REASON = 500

_CONTROL = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Zero-width (non-)joiners are part of correct Persian and Urdu spelling and of many emoji.
_JOINERS = frozenset({"\u200c", "\u200d"})
# What writing programs put between lines; and letters of Hangul that show nothing: a name of these would be empty.
_UNSEEN: Final = dict.fromkeys(map(ord, "\r\v\f\x85\u2028\u2029"), "\n") | dict.fromkeys(
    map(ord, "\u115f\u1160\u3164\uffa0"), ""
)


class Problem(str):
    """A problem code that may carry the word of the text that is meant; equal to the bare code."""

    __slots__ = ("word",)
    word: str

    def __new__(cls, code: str, word: str = "") -> Self:
        """Make a code."""
        problem = super().__new__(cls, code)
        problem.word = word
        return problem


class RuleError(ValueError):
    """Raised when a text breaks a rule; ``code`` names the rule, and the page words it."""

    def __init__(self, code: str, word: str = "") -> None:
        self.code = Problem(code, word)
        super().__init__(code)


def _clean(text: str, *, keep_lines: bool) -> str:
    if text.isascii() and text.isprintable():
        # Nothing to compose and nothing to take out.
        return " ".join(text.split())
    composed = unicodedata.normalize("NFC", text.replace("\r\n", "\n").translate(_UNSEEN))
    kept = [
        character
        for character in composed
        if character in _JOINERS
        or (keep_lines and character == "\n")
        or unicodedata.category(character) not in _CONTROL
        or character in "\t\n"
    ]
    # Once more: a character that was taken out may have kept a letter and its mark apart.
    joined = limit_marks("".join(kept))
    if keep_lines:
        return "\n".join(" ".join(line.split()) for line in joined.split("\n")).strip()
    return " ".join(joined.split()).strip("\u200c\u200d ")


def _refuse_links(text: str) -> None:
    mail = find_mail_address(text)
    if mail is not None:
        raise RuleError("looks_like_email", _shortened(mail))
    link = find_link(text)
    if link is not None:
        raise RuleError("looks_like_link", _shortened(link))


def _shortened(word: str) -> str:
    return word if len(word) <= 60 else f"{word[:59]}…"


def clean_name(typed: str) -> str:
    """A name fit for pages and mails: composed, one line, no control or direction-override characters.

    Raises:
        RuleError: ``missing``, ``not_a_name``, ``too_long``, or, naming the word, ``looks_like_link`` and
            ``looks_like_email`` (the name-field spam relay is a live attack).
    """
    if len(typed) > 10 * MAX_NAME:
        raise RuleError("too_long")
    name = _clean(typed, keep_lines=False)
    if not any(
        unicodedata.category(character)[0] == "L" for character in unicodedata.normalize("NFKD", person_key(name))
    ):
        raise RuleError("missing" if not name else "not_a_name")
    if len(name) > MAX_NAME:
        raise RuleError("too_long")
    _refuse_links(name)
    return name


def clean_reason(typed: str) -> str:
    """The optional reason, cleaned like a name but with its line breaks; empty if none was given.

    Raises:
        RuleError: ``too_long``, or, naming the word, ``looks_like_link`` and ``looks_like_email``.
    """
    if len(typed) > 20 * MAX_REASON:
        raise RuleError("too_long")
    reason = _clean(typed, keep_lines=True)
    if len(reason) > MAX_REASON:
        raise RuleError("too_long")
    _refuse_links(reason)
    return reason


ROLE_ACCOUNTS = frozenset({"abuse", "postmaster", "mailer-daemon", "noc", "security", "hostmaster", "webmaster"})
"""Mailboxes of RFC 2142 that never sign a petition: a confirmation to them is a sign of abuse."""

_PLAIN = re.compile(r"([A-Za-z0-9_+-]{1,64}|(?=.{1,64}@)[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)+)@([A-Za-z0-9.-]+)")
"""Nearly every address: the library's rules for what may stand before the @ are met by sight."""

_QUOTED = re.compile(r'"[^"]*"@[^"]+')

_KNOWN_DOMAINS = 4096

_GMAIL = frozenset({"gmail.com", "googlemail.com"})


@dataclass(frozen=True)
class Address:
    """A checked address. ``typed`` is where mail goes; ``canonical`` is what is compared. Neither shows in logs."""

    typed: str = field(repr=False)
    canonical: str = field(repr=False)

    @property
    def is_ascii(self) -> bool:
        """False if the local part needs SMTPUTF8 (RFC 6531)."""
        return self.typed.rpartition("@")[0].isascii()

    @property
    def masked(self) -> str:
        """As typed, recognisable to its owner only: z•••@example.org."""
        local, _, domain = self.typed.rpartition("@")
        return f"{local[:1]}•••@{domain}"


_BRACKETED: Final = tuple(
    map(
        re.compile,
        (
            # Name <address>, Name (address), address (Name), [address](mailto:address)
            r"(?:\"[^\"]*\"\s*|[^<>@\"]*|[^<>\"]*)<\s*([^<>\s]+@[^<>\s]+)\s*>",
            r"(?:[^@()\[\]]*\s)?[(\[]\s*([^()\[\]\s]+@[^()\[\]\s]+)\s*[)\]]",
            r"([^()\s]+@[^()\s]+)\s*\([^@()]*\)",
            r"\[\s*([^()\[\]\s]+@[^()\[\]\s]+)\s*\]\(mailto:[^()]*\)",
        ),
    )
)
_LABEL: Final = re.compile(r"\A(?:[^@:\"]*:\s+|(?:e-?mail|smtp)\s*:)(?=[^:@]+@)", re.IGNORECASE)
"""What stands before an address in a list or a signature: "Email: "."""

_BULLET: Final = re.compile(r"\A[-–—*+#>|]\s+(?=\S)")
_SIGNS: Final = frozenset("!#$%&*+-/=?^_|~.@")
"""Signs that stay at the beginning, for a mailbox may begin with them, or they are a mistake to tell."""

_EMPHASIS: Final = re.compile(r"([*_~]{1,2})(.+)\1")
_AROUND: Final = " \t\r\n<>()[]{}\"'“”„‟‘’‚‛«»‹›`´,;:،؛"
_TYPED_FOR: Final = {first + value: str(value) for first in (0x0660, 0x06F0) for value in range(10)} | dict.fromkeys(
    map(ord, "‘’ʼ′"), "'"
)
"""What keyboards and writing programs put for plain signs: digits of another script, curly apostrophes."""

_HYPHENS: Final = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63"
_INVISIBLE: Final = dict.fromkeys(map(ord, "\u034f\u115f\u1160\u3164\u180e\ufe0e\ufe0f\uffa0"))


def pasted(typed: str) -> str:
    """An address without what people paste with it.

    Invisible marks anywhere (direction, zero width, soft hyphen, byte order), blanks at the ends and around the @,
    ``mailto:`` with its question, a name or a label beside it, quotes, brackets, bullets and stars around it, and what
    ends a sentence; full-width signs, curly apostrophes and the hyphens of writing programs become plain ones. Persian
    and Arabic digits become plain ones in a part that is ASCII but for them: a Persian or Urdu keyboard types them
    where the mailbox has ASCII digits, while providers give out either wholly ASCII mailboxes or, rarely, names in the
    letters of one script; those stay as they are.
    """
    if _PLAIN.fullmatch(typed) and typed[-1].isalnum():
        return typed
    text = typed.translate(_INVISIBLE)
    if not text.isascii():
        text = "".join(_width_folded(one) for one in text if unicodedata.category(one) != "Cf")
    text = text.strip().replace("\t", " ")
    if text.count("@") > 2 or len(text) > 1000 or any(unicodedata.category(one) == "Cc" for one in text):
        # A list or lines of something else, not an address that was pasted.
        return text
    while (rest := _once_cleaned(text)) != text:
        text = rest
    return text


def _once_cleaned(text: str) -> str:
    text = _without_company(text)
    if text[:7].lower() == "mailto:":
        text = _bare(text[7:].lstrip("/").partition("?")[0].replace("%40", "@"))
    return _made_plain(re.sub(r" *@ *", "@", text))


def _without_company(text: str) -> str:
    """An address without the name, label or list sign beside it, and without the signs around it."""
    text = _LABEL.sub("", _BULLET.sub("", text, count=1), count=1)
    ended = text.rstrip(".,; ")
    bracketed = next(filter(None, (form.fullmatch(ended) for form in _BRACKETED)), None)
    return _bare(bracketed[1] if bracketed else text)


def _bare(text: str) -> str:
    """A text without the signs around it that no address begins or ends with."""
    if _QUOTED.fullmatch(text):
        return text
    text = text.strip(_AROUND)
    if (stressed := _EMPHASIS.fullmatch(text)) is not None:
        text = stressed[2]
    begin, end = 0, len(text)
    while begin < end and not _is_letter(text[begin]) and text[begin] not in _SIGNS:
        begin += 1
    while end > begin and not _is_letter(text[end - 1]):
        end -= 1
    return text[begin:end] or text


def _is_letter(character: str) -> bool:
    return unicodedata.category(character)[0] in "LNM"


def _made_plain(text: str) -> str:
    if text.isascii():
        return text
    local, at, domain = text.rpartition("@")
    parts = ((part.translate(_TYPED_FOR), part) for part in (local, domain))
    return at.join(folded if folded.isascii() else part for folded, part in parts)


def _width_folded(character: str) -> str:
    if character in "。｡":
        return "."
    if character in _HYPHENS:
        return "-"
    if unicodedata.category(character) == "Zs":
        return " "
    full = "\uff01" <= character <= "\uff5e" or character in "﹫﹒"
    return unicodedata.normalize("NFKC", character) if full else character


def parse(typed: str, *, gmail_rules: bool = False) -> Address:
    """Check an address by syntax only; no DNS query is made during a request.

    What comes with an address that is pasted is dropped first: see :func:`pasted`.

    Args:
        typed: the address as the person wrote it.
        gmail_rules: compare Gmail addresses without dots and +tags.

    Raises:
        RuleError: ``missing``, ``invalid`` or ``role``.
    """
    if len(typed) > 20 * 254:
        raise RuleError("invalid")
    text = pasted(typed)
    if not text:
        raise RuleError("missing")
    if len(text) > 254:
        raise RuleError("invalid")
    local, domain = _parts(text)
    return Address(typed=f"{local}@{domain}", canonical=_key(local, domain, gmail_rules))


def canonical(typed: str, *, gmail_rules: bool = False) -> str:
    """The canonical form of an address that :func:`parse` has let pass before; cheaper, for it is asked per mail.

    Raises:
        RuleError: as :func:`parse`.
    """
    return _key(*_parts(typed), gmail_rules)


def _key(local: str, domain: str, gmail_rules: bool) -> str:  # noqa: FBT001 - private
    key = local.casefold()
    if key in ROLE_ACCOUNTS:
        raise RuleError("role")
    if gmail_rules and domain in _GMAIL:
        return f"{key.split('+')[0].replace('.', '')}@gmail.com"
    return f"{key}@{domain}"


def _parts(text: str) -> tuple[str, str]:
    """Local part and domain, checked. The short way gives what the long way would: tests compare them."""
    plain = _PLAIN.fullmatch(text)
    if plain is not None and plain[1].lower() not in CASE_INSENSITIVE_MAILBOX_NAMES and "xn--" not in plain[2].lower():
        domain = _checked_domain(plain[2])
        if domain is not None:
            return plain[1], domain
    return _checked(text)


def _checked(text: str) -> tuple[str, str]:
    try:
        checked = validate_email(text, check_deliverability=False, test_environment=True, strict=True)
    except (EmailNotValidError, UnicodeError):
        raise RuleError("invalid") from None
    return unicodedata.normalize("NFC", checked.local_part), checked.ascii_domain.lower()


@lru_cache(maxsize=_KNOWN_DOMAINS)
def _checked_domain(domain: str) -> str | None:
    """A domain in the form for the wire; None if the library refuses it. Most people share a few domains."""
    try:
        return _checked(f"a@{domain}")[1]
    except RuleError:
        return None


_NEVER = frozenset({"Cc", "Cs", "Zl", "Zp"})
# Marks that turn the reading direction of what follows them around: a title could show what it does not say.
_OVERRIDES = frozenset("\u202a\u202b\u202c\u202d\u202e")
# Stands for what could not be read of a form, such as NUL.
_UNREADABLE = "\ufffd"


def has_controls(text: str, *, lines: bool = False) -> bool:
    """True for control characters, lone surrogates, line separators and direction overrides.

    Args:
        text: as typed.
        lines: line ends and tabs are fine.
    """
    fine = frozenset("\n\r\t") if lines else frozenset()
    return any(
        character not in fine
        and (character in _OVERRIDES or character == _UNREADABLE or unicodedata.category(character) in _NEVER)
        for character in text
    )
