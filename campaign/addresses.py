"""Mail addresses: what is accepted, and the key under which two spellings are one mailbox."""

import unicodedata
from dataclasses import dataclass, field

from email_validator import EmailNotValidError, validate_email

from campaign.domain.names import RuleError

ROLE_ACCOUNTS = frozenset({"abuse", "postmaster", "mailer-daemon", "noc", "security", "hostmaster", "webmaster"})
"""Mailboxes of RFC 2142 that never sign a petition: a confirmation to them is a sign of abuse."""

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
    try:
        checked = validate_email(text, check_deliverability=False, test_environment=True, strict=True)
    except (EmailNotValidError, UnicodeError):
        raise RuleError("invalid") from None
    domain = checked.ascii_domain.lower()
    local = unicodedata.normalize("NFC", checked.local_part)
    key = local.casefold()
    if key in ROLE_ACCOUNTS:
        raise RuleError("role")
    if gmail_rules and domain in _GMAIL:
        key, domain_key = key.split("+")[0].replace(".", ""), "gmail.com"
    else:
        domain_key = domain
    return Address(typed=f"{local}@{domain}", canonical=f"{key}@{domain_key}")
