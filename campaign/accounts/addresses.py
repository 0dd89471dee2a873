"""Mail addresses: what is accepted, and the key under which two spellings are one mailbox."""

import re
import unicodedata
from dataclasses import dataclass, field
from functools import lru_cache

from email_validator import EmailNotValidError, validate_email
from email_validator.rfc_constants import CASE_INSENSITIVE_MAILBOX_NAMES

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


ROLE_ACCOUNTS = frozenset({"abuse", "postmaster", "mailer-daemon", "noc", "security", "hostmaster", "webmaster"})
"""Mailboxes of RFC 2142 that never sign a petition: a confirmation to them is a sign of abuse."""

_PLAIN = re.compile(r"([A-Za-z0-9_+-]{1,64}|(?=.{1,64}@)[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)+)@([A-Za-z0-9.-]+)")
"""Nearly every address: the library's rules for what may stand before the @ are met by sight."""

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


def parse(typed: str, *, gmail_rules: bool = False) -> Address:
    """Check an address by syntax only; no DNS query is made during a request.

    Args:
        typed: the address as the person wrote it.
        gmail_rules: compare Gmail addresses without dots and +tags.

    Raises:
        RuleError: ``missing``, ``invalid`` or ``role``.
    """
    text = typed.strip()
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


def has_controls(text: str, *, lines: bool = False) -> bool:
    """True for control characters, lone surrogates, line separators and direction overrides.

    Args:
        text: as typed.
        lines: line ends and tabs are fine.
    """
    fine = frozenset("\n\r\t") if lines else frozenset()
    return any(
        character not in fine and (character in _OVERRIDES or unicodedata.category(character) in _NEVER)
        for character in text
    )
