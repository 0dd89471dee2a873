"""Addresses as they go on the wire: checked against injection, domains in ASCII, non-ASCII local parts flagged."""

import re
from dataclasses import dataclass

from email_validator import EmailNotValidError, validate_email

from campaign.errors import MailValueError

_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ASCII = re.compile(rf"(?=[^@]{{1,64}}@){_ATEXT}(?:\.{_ATEXT})*@{_LABEL}(?:\.{_LABEL})*")
_NON_ASCII_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\u00a0-\ud7ff\uf900-\ufdcf\ufdf0-\uffef\U00010000-\U000efffd]+"
_UTF8 = re.compile(rf"{_NON_ASCII_ATEXT}(?:\.{_NON_ASCII_ATEXT})*@{_LABEL}(?:\.{_LABEL})*")


@dataclass(slots=True)  # not frozen: one is made per message
class WireAddress:
    """An address for an envelope and a To header.

    ``utf8`` is True if the local part is not ASCII: then the message may only go to a server that offers SMTPUTF8
    (RFC 6531), and its headers are in UTF-8 (RFC 6532).
    """

    address: str
    utf8: bool = False


def is_wire_address(address: str, *, utf8: bool = False) -> bool:
    """True if ``address`` may stand in an SMTP command: one dot-atom mailbox, no quotes, blanks, or line ends.

    Quoted local parts are refused: hardly anybody has one, and each was a way to smuggle in a second command.
    """
    if _ASCII.fullmatch(address):
        return len(address) <= 254
    return utf8 and len(address.encode("utf-8", "surrogatepass")) <= 254 and _UTF8.fullmatch(address) is not None


_PLAIN = re.compile(r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@[A-Za-z0-9]+(?:[.-][A-Za-z0-9]+)*")


def are_wire_addresses(one: str, other: str) -> bool:
    """True if :func:`is_wire_address` certainly holds for both: the short way for nearly all. False: look closer."""
    return len(one) <= 64 and len(other) <= 64 and bool(_PLAIN.fullmatch(one)) and bool(_PLAIN.fullmatch(other))


def wire_address(address: str) -> WireAddress:
    """Turn an address as typed into the form for the wire: the domain as A-labels (IDNA 2008), the local part as typed.

    Raises:
        MailValueError: when it is no address that can be mailed.
    """
    if is_wire_address(address):
        return WireAddress(address)
    return _international(address)


def _international(address: str) -> WireAddress:
    try:
        # Reserved domains such as .test are ours to accept or refuse at the sign-up form, not here.
        checked = validate_email(address, check_deliverability=False, test_environment=True, strict=True)
    except EmailNotValidError:
        raise MailValueError({"address": "address"}) from None
    local = address.rpartition("@")[0]
    found = WireAddress(f"{local}@{checked.ascii_domain}", utf8=not local.isascii())
    if not is_wire_address(found.address, utf8=found.utf8):
        raise MailValueError({"address": "address"})
    return found
