"""What large and small receivers do, as tables: for rehearsals, drills and `countersign faults --mix`.

The replies are those of the providers' own pages in 2026; the odds are those of a healthy sender with a list that is a
few months old, unless a mix says otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from campaign.errors import SettingsError
from campaign.local.mailserver.script import Fault, Script


@dataclass(frozen=True)
class ProviderProfile:
    """A kind of receiver. ``domain`` is where it lives in :func:`realistic`; None: it has no part there."""

    about: str
    faults: tuple[Fault, ...]
    domain: str | None = None


MIXES: Final[Mapping[str, ProviderProfile]] = {
    "gmail": ProviderProfile(
        "a large receiver: unknown and full mailboxes, now and then 421 4.7.28",
        (
            Fault("rcpt", "550 5.1.1 The account does not exist", odds=0.004),
            Fault("rcpt", "452 4.2.2 The inbox is out of storage space", odds=0.003),
            Fault("dot", "421 4.7.28 Unusual rate of mail", odds=0.002),
        ),
        domain="gmail.test",
    ),
    "outlook": ProviderProfile(
        "a large receiver: mailboxes unavailable, a busy server, a connection lost after the final dot",
        (
            Fault("rcpt", "550 5.5.0 Requested action not taken: mailbox unavailable", odds=0.006),
            Fault("data", "451 4.7.500 Server busy", odds=0.001),
            Fault("dot", "drop", odds=0.0005),
        ),
        domain="outlook.test",
    ),
    "yahoo": ProviderProfile(
        "a large receiver: defers unexpected volume, refuses single mails for policy",
        (
            Fault("rcpt", "554 5.7.9 Not accepted for policy reasons", odds=0.0005),
            Fault("rcpt", "421 4.7.0 Temporarily deferred due to unexpected volume", odds=0.01),
        ),
        domain="yahoo.test",
    ),
    "small": ProviderProfile(
        "a small and shaky server: greylists a third, loses connections, falls silent",
        (
            Fault("rcpt", "450 4.2.0 Greylisted, try again in five minutes", odds=0.3),
            Fault("accepted", "drop", odds=0.001),
            Fault("data", "hang", odds=0.0005),
        ),
        domain="small.test",
    ),
    "corporate": ProviderProfile(
        "a strict company: its filter refuses some content, knows who left, scans slowly",
        (
            Fault("rcpt", "550 5.1.10 Recipient not found", odds=0.02),
            Fault("rcpt", "550 5.7.1 Service unavailable, client host blocked", odds=0.001),
            Fault("dot", "554 5.6.0 Message refused by content filter", odds=0.002),
            Fault("dot", "451 4.3.2 Please try again later, content scanner busy", odds=0.005),
        ),
        domain="corporate.test",
    ),
    "greylisting": ProviderProfile(
        "the first attempt for each recipient is deferred, the second is taken",
        (Fault("rcpt", "450 4.2.0 Greylisted, try again in five minutes", each=1),),
    ),
    "throttling": ProviderProfile(
        "more than 20 recipients a second of one domain are answered 421 4.7.28",
        (Fault("rcpt", "421 4.7.28 Unusual rate of mail from your address", above=20.0),),
    ),
    "unauthenticated": ProviderProfile(
        "what a sender without SPF, DKIM and DMARC gets from outlook, yahoo and everybody else",
        (
            Fault("rcpt", "550 5.7.515 Access denied, sending domain does not meet the level", domain="outlook.test"),
            Fault("dot", "554 5.7.9 Not accepted for policy reasons", domain="yahoo.test"),
            Fault("rcpt", "550 5.7.26 This mail has been blocked because the sender is unauthenticated"),
        ),
    ),
    "outage": ProviderProfile(
        "a server that goes down: half of the connections are refused, a tenth of the mails is lost or uncertain",
        (
            Fault("banner", "421 4.3.2 Going down", odds=0.5),
            Fault("rcpt", "drop", odds=0.05),
            Fault("accepted", "drop", odds=0.05),
        ),
    ),
}

EVERYBODY: Final = "providers"
"""The mix of all receivers that have a domain, each at its own."""


def realistic(*, seed: int) -> Script:
    """All receivers that have a domain, each at its own, such as gmail.test."""
    faults = (
        replace(fault, domain=mix.domain) for mix in MIXES.values() if mix.domain is not None for fault in mix.faults
    )
    return Script(faults=tuple(faults), seed=seed)


def script_of(name: str, *, seed: int) -> Script:
    """A mix by name, for recipients of any domain, or :data:`EVERYBODY`.

    Raises:
        SettingsError: there is no such mix.
    """
    if name == EVERYBODY:
        return realistic(seed=seed)
    if name not in MIXES:
        raise SettingsError([f"there is no mix {name}; it is one of {', '.join([*MIXES, EVERYBODY])}"])
    return Script(faults=MIXES[name].faults, seed=seed)
