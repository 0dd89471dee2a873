"""The DNS records that receivers look up before they take our mail, as lines of a zone file (RFC 1035 section 5)."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from campaign.mail.dkim import DkimKey

STRING: Final = 255
"""Bytes of one string of a TXT record, at most (RFC 1035 section 3.3.14); receivers join them without blanks."""

INCLUDES: Final = {
    "amazonaws.com": "amazonses.com",
    "brevo.com": "spf.brevo.com",
    "mailgun.org": "mailgun.org",
    "postmarkapp.com": "spf.mtasv.net",
    "sendgrid.net": "sendgrid.net",
}
"""What the documentation of a provider asks to include in SPF, by the domain of its relays."""


def records(
    *, host: str, sender: str, back: str, keys: Sequence[DkimKey], relays: Iterable[str], local: frozenset[str]
) -> Iterator[str]:
    """Records for mail of one installation, ready to paste; a comment begins with a semicolon.

    Args:
        host: name of the site.
        sender: domain of the From address.
        back: domain of return addresses.
        keys: DKIM keys that sign.
        relays: host names of the mail servers that send.
        local: names of this machine; such a relay sends from ``host``.
    """
    yield f"; SPF (RFC 7208): which servers send with return addresses of {back}. See what your relay asks to include;"
    yield "; ~all becomes -all once a test mail has passed."
    yield f"{back}. IN TXT {quoted(_spf(host, relays, local))}"
    yield f"; The server that takes what comes back. Change it if that is another one than {host}."
    yield f"{back}. IN MX 10 {host}."
    yield "; DKIM: the public halves of the keys that sign (RFC 6376)."
    for key in keys:
        yield f"{key.selector}._domainkey.{key.domain}. IN TXT {quoted(key.dns_record())}"
    yield "; DMARC (RFC 7489): p=quarantine once the reports are clean; add rua=mailto:<address> to receive them."
    yield f"_dmarc.{sender}. IN TXT {quoted('v=DMARC1; p=none')}"


def _spf(host: str, relays: Iterable[str], local: frozenset[str]) -> str:
    terms = []
    for relay in relays:
        included = next((spf for domain, spf in INCLUDES.items() if relay.endswith(f".{domain}")), None)
        term = f"include:{included}" if included else f"a:{host if relay in local else relay}"
        if term not in terms:
            terms.append(term)
    return " ".join(["v=spf1", *terms, "~all"])


def quoted(text: str) -> str:
    """A text as strings of a TXT record, each of at most 255 bytes; ours have neither quotation mark nor backslash."""
    parts = [text[start : start + STRING] for start in range(0, len(text), STRING)]
    strings = " ".join(f'"{part}"' for part in parts)
    return strings if len(parts) == 1 else f"( {strings} )"
