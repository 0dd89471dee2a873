"""Mail addresses: what is accepted, and the key under which two spellings are one mailbox."""

import re
import unicodedata
from dataclasses import dataclass, field
from functools import lru_cache

from email_validator import EmailNotValidError, validate_email
from email_validator.rfc_constants import CASE_INSENSITIVE_MAILBOX_NAMES

from campaign.domain.names import RuleError

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
    """Check an address by syntax only; no name server is asked while a person waits.

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
