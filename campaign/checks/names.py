"""Checks of DNS: what receivers look up before they take our mail. Each question has seconds, and all run at once."""

import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final

import dns.exception
import dns.resolver

from campaign.checks.findings import Finding, Level, fine, unknown
from campaign.checks.mail import WHY_DKIM, dkim_keys
from campaign.errors import SettingsError
from campaign.mail.dkim import DkimKey
from campaign.settings import Settings

TIMEOUT: Final = 3.0
"""Seconds for one question, all tries together."""

LOOKUPS: Final = 10
"""Terms of an SPF record that need DNS, at most (RFC 7208 section 4.6.4)."""

WHY_SPF: Final = "Gmail, Yahoo and Outlook require SPF, DKIM and DMARC of bulk senders."
_LOOKUP = re.compile(r"[+?~-]?(include:|a\b|mx\b|ptr\b|exists:)|redirect=")


class NoAnswerError(Exception):
    """No name server answered, or none is known here; ``str`` says so in words."""


@dataclass(frozen=True)
class NameServer:
    """Asks for records; ``address`` names one server (``host`` or ``host:port``), else those of this system."""

    address: str = ""

    def ask(self, name: str, kind: str) -> list[str]:
        """The records of a name as text; none if there is no such name or record.

        Raises:
            NoAnswerError: nobody could tell.
        """
        try:
            resolver = dns.resolver.Resolver(configure=not self.address)
            if self.address:
                host, _, port = self.address.partition(":")
                resolver.nameservers, resolver.port = [host], int(port or 53)
            answer = resolver.resolve(name, kind, lifetime=TIMEOUT, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except (dns.exception.DNSException, OSError, ValueError) as error:
            raise NoAnswerError(f"no name server answered for {name} ({type(error).__name__})") from None
        if kind == "TXT":
            # The strings of a record are one text without blanks between (RFC 7208 section 3.3).
            return [b"".join(record.strings).decode("utf-8", "replace") for record in answer]
        return [record.to_text() for record in answer]


def check_all(settings: Settings, server: NameServer) -> list[Finding]:
    """All checks of DNS for the domains of the settings."""
    if settings.is_local:
        return [unknown("dns", "the site is for this machine alone, and its domain is not in DNS")]
    try:
        keys: Sequence[DkimKey] = dkim_keys(settings)
    except SettingsError:
        keys = ()
    back, sender = settings.return_domain, settings.mail_domain
    checks: Mapping[str, Callable[[], Finding]] = {
        f"dkim.dns.{key.selector}": partial(_dkim, server, key) for key in keys
    } | {
        "spf": partial(_spf, server, back),
        "dmarc": partial(_dmarc, server, sender),
        "mx.return": partial(_mx, server, back, check="mx.return", for_what="what comes back (bounces)"),
        "mx.from": partial(_mx, server, sender, check="mx.from", for_what="replies to our emails"),
    }
    with ThreadPoolExecutor(max_workers=len(checks)) as pool:
        return list(pool.map(_guarded, checks, checks.values()))


def _guarded(name: str, check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except NoAnswerError as error:
        return unknown(name, str(error))


def _dkim(server: NameServer, key: DkimKey) -> Finding:
    check, place = f"dkim.dns.{key.selector}", f"{key.selector}._domainkey.{key.domain}"
    remedy = f"Publish as TXT of {place}: {key.dns_record()}"
    found = server.ask(place, "TXT")
    if not found:
        return Finding(check, Level.STOP, f"DNS has no DKIM record {place}.", WHY_DKIM, remedy)
    if _public_key(found[0]) != _public_key(key.dns_record()):
        return Finding(
            check,
            Level.STOP,
            f"The DKIM record {place} is of another key than the one that signs.",
            "Receivers take each signature for forged.",
            remedy,
        )
    return fine(check, f"The DKIM record {place} is that of our key.")


def _public_key(record: str) -> str:
    tags = dict(part.strip().partition("=")[::2] for part in record.split(";"))
    return re.sub(r"\s", "", tags.get("p", ""))


def _spf(server: NameServer, domain: str) -> Finding:
    check, found = "spf", _spf_records(server, domain)
    if not found:
        return Finding(
            check,
            Level.LOOK,
            f"The domain of return addresses, {domain}, has no SPF record.",
            WHY_SPF,
            f'Publish a TXT record for {domain}, such as "v=spf1 include:<domain of your mail relay> -all".',
        )
    if problem := _spf_problem(server, domain, found):
        return Finding(check, Level.LOOK, problem, WHY_SPF, "Correct the TXT record (RFC 7208).")
    return fine(check, f"{domain} has an SPF record. Whether it names the relay only an email that arrived can tell.")


def _spf_records(server: NameServer, domain: str) -> list[str]:
    return [text for text in server.ask(domain, "TXT") if re.match(r"v=spf1( |$)", text, re.IGNORECASE)]


def _spf_problem(server: NameServer, domain: str, found: Sequence[str]) -> str:
    if len(found) > 1:
        return f"{domain} has {len(found)} SPF records, so that none counts (RFC 7208 section 4.5)."
    terms = found[0].lower().split()[1:]
    if "+all" in terms or "all" in terms:
        return f"The SPF record of {domain} ends with +all: it lets everybody send in its name."
    if sum(bool(_LOOKUP.match(term)) for term in terms) > LOOKUPS:
        return f"The SPF record of {domain} needs more than {LOOKUPS} lookups, so that it does not count."
    for term in terms:
        target = term.partition("include:")[2] or term.partition("redirect=")[2]
        if target and "%" not in target and not _spf_records(server, target):
            return f"The SPF record of {domain} includes {target}, which has none."
    return ""


def _dmarc(server: NameServer, domain: str) -> Finding:
    check = "dmarc"
    # A record of the domain itself counts, else that of a domain above it (RFC 9989: the tree walk).
    labels = domain.split(".")
    for place in (".".join(labels[start:]) for start in range(max(1, len(labels) - 1))):
        found = [text for text in server.ask(f"_dmarc.{place}", "TXT") if text.upper().startswith("V=DMARC1")]
        if len(found) == 1:
            return fine(check, f"_dmarc.{place} says: {found[0][:120]}")
        if found:
            return Finding(
                check,
                Level.LOOK,
                f"_dmarc.{place} has {len(found)} records, so that none counts.",
                WHY_SPF,
                "Leave one of them.",
            )
    return Finding(
        check,
        Level.LOOK,
        f"The domain our emails come from, {domain}, has no DMARC record.",
        WHY_SPF,
        f'Publish as TXT of _dmarc.{domain}: "v=DMARC1; p=none", and a stricter policy once reports are good.',
    )


def _mx(server: NameServer, domain: str, *, check: str, for_what: str) -> Finding:
    found = server.ask(domain, "MX")
    # "0 ." is the null MX: a domain that takes no mail (RFC 7505).
    hosts = [record.split()[-1].rstrip(".") for record in found]
    if any(hosts):
        return fine(check, f"{', '.join(sorted(filter(None, hosts)))} takes email for {domain}.")
    if not found and (server.ask(domain, "A") or server.ask(domain, "AAAA")):
        return fine(check, f"{domain} has no MX record; mail for it goes to its address (RFC 5321 section 5.1).")
    return Finding(
        check,
        Level.LOOK,
        f"Nothing takes email for {domain}.",
        f"It is where {for_what} arrive; many receivers refuse email from a domain that takes none.",
        f"Publish an MX record for {domain}.",
    )
