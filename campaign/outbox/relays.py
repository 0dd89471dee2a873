"""What the mail servers offer, as each said in its last EHLO (RFC 5321 section 4.1.1.1), for what must be known before.

A server is known by host and port: after SMTP_URL has changed nothing is known of the new one until its first session.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import parse_qs, urlsplit

from sqlalchemy import text

from campaign.database.connection import Transaction
from campaign.runtime import Runtime
from campaign.states import Lane, LimitKind
from campaign.variables import RELAY_PORTS

NOTED_EVERY: Final = timedelta(hours=1)
"""How often what a server offers is written down again, so that its time is right; a change is at once."""

KEPT: Final = timedelta(days=30)
"""How long something is known of a server that is not used."""


@dataclass(frozen=True)
class RelayLimit:
    """What a mail server limits, as its replies taught us."""

    kind: LimitKind
    value: float | None
    """Messages in a session, connections, or mails a second, as tried at present; None: a quota."""
    words: str
    """What it said, without any address."""
    since: datetime
    last_at: datetime
    waits_until: datetime | None = None
    """Nothing is sent to it before this moment."""
    setting: str | None = None
    """The option of SMTP_URL that is used instead."""


@dataclass(frozen=True)
class RelayOffer:
    """What a mail server offered at its last session; nothing is known of one without ``seen_at``."""

    name: str
    smtputf8: bool | None = None
    """It takes addresses that are not ASCII before the @ (RFC 6531)."""
    seen_at: datetime | None = None
    limits: tuple[RelayLimit, ...] = ()


class Offers:
    """What this process heard from mail servers and has not written down yet. Used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._heard: dict[str, bool] = {}
        self._written: dict[str, tuple[bool, datetime]] = {}

    def hear(self, name: str, *, smtputf8: bool) -> None:
        """A session with a server has begun."""
        with self._lock:
            self._heard[name] = smtputf8

    def unwritten(self, now: datetime) -> dict[str, bool]:
        """What is new, or was written long ago."""
        with self._lock:
            return {name: offer for name, offer in self._heard.items() if self._is_news(name, offer, now)}

    def written(self, offers: Mapping[str, bool], now: datetime) -> None:
        """What :meth:`unwritten` gave is committed."""
        with self._lock:
            self._written |= {name: (offer, now) for name, offer in offers.items()}
            for name, offer in offers.items():
                if self._heard.get(name) is offer:
                    del self._heard[name]

    def _is_news(self, name: str, offer: bool, now: datetime) -> bool:  # noqa: FBT001 - private
        known = self._written.get(name)
        return known is None or known[0] is not offer or now - known[1] >= NOTED_EVERY


def note(tx: Transaction, offers: Mapping[str, bool], *, now: datetime) -> None:
    """Write down what servers offer, by their names."""
    tx.execute(
        text("""
        insert into relay (name, smtputf8, seen_at)
        select o.name, o.smtputf8, :now
        from unnest(cast(:names as text[]), cast(:offers as boolean[])) as o(name, smtputf8) order by o.name
        on conflict (name) do update set smtputf8 = excluded.smtputf8, seen_at = excluded.seen_at"""),
        names=list(offers),
        offers=list(offers.values()),
        now=now,
    )


def offers(tx: Transaction, names: Sequence[str]) -> tuple[RelayOffer, ...]:
    """What is known of these servers, in their order."""
    rows = tx.execute(
        text("select name, smtputf8, seen_at from relay where name = any(cast(:names as text[]))"), names=list(names)
    )
    found = {row.name: RelayOffer(row.name, row.smtputf8, row.seen_at) for row in rows}
    return tuple(found.get(name, RelayOffer(name)) for name in names)


def purge(tx: Transaction, *, before: datetime) -> int:
    """Forget servers that were not used since a moment."""
    return tx.execute(text("delete from relay where seen_at < :before"), before=before).rowcount


def relay_names(smtp_url: str, lane: Lane | None = None) -> tuple[str, ...]:
    """Names (host:port) of the servers in SMTP_URL, or of those that serve a lane."""
    found: dict[str, None] = {}
    for url in smtp_url.split():
        parts = urlsplit(url)
        if lane is None or parse_qs(parts.query).get("lane", [lane])[-1] == lane:
            found[f"{parts.hostname}:{parts.port or RELAY_PORTS[parts.scheme]}"] = None
    return tuple(found)


def lacks_smtputf8(runtime: Runtime) -> bool:
    """True if a server that urgent mail may go to said that it takes only ASCII addresses; False if nothing is known.

    Raises:
        StoreUnavailableError: the database does not answer.
    """
    names = relay_names(runtime.settings.smtp_url, Lane.URGENT)
    return any(known.smtputf8 is False for known in runtime.store.transact(lambda tx: offers(tx, names)))
