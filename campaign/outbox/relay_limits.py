"""What relays limit, as each process learned it and all know it, and how many connections each process has open.

Ages are told by the database's clock. A relay is known by host and port, as in :mod:`campaign.outbox.relays`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import text

from campaign.database.connection import Transaction
from campaign.states import Lane, LimitKind

SEEN: Final = 30
"""Seconds after which a process that did not tell of its connections has none."""

WANTED: Final = 3
"""Seconds for which a connection that urgent mail asked for in vain is kept free."""


@dataclass(frozen=True)
class StoredLimit:
    """One limit of a relay. ``value`` is in messages a session, connections, or mails a second."""

    relay: str
    kind: LimitKind
    value: float
    pause: float
    """Seconds, from the last sign, for which nothing is sent."""
    words: str
    """What the relay said, without any address."""
    since: datetime
    """When it was first taught."""
    at: datetime
    """The last sign."""
    age: float
    """Seconds since the last sign."""


def limits(tx: Transaction, relays: Sequence[str]) -> list[StoredLimit]:
    """What these relays limit, as far as they said so."""
    rows = tx.execute(
        text("""
        select relay, kind, value, pause, words, since, at, extract(epoch from clock_timestamp() - at) as age
        from relay_limit where relay = any(cast(:relays as text[])) order by relay, kind"""),
        relays=list(relays),
    )
    return [
        StoredLimit(
            row.relay, LimitKind(row.kind), row.value, row.pause, row.words, row.since, row.at, max(0.0, float(row.age))
        )
        for row in rows
    ]


def lock(tx: Transaction, relay: str) -> None:
    """Wait until no other process changes what is known of a relay; until the end of the transaction."""
    tx.execute(text("select pg_advisory_xact_lock(hashtext('countersign.relay.' || :relay))"), relay=relay)


def keep(tx: Transaction, relay: str, kind: LimitKind, *, value: float, pause: float, words: str, age: float) -> None:
    """Store a limit; ``age`` is in seconds since the last sign."""
    tx.execute(
        text("""
        insert into relay_limit (relay, kind, value, pause, words, since, at)
        values (:relay, :kind, :value, :pause, :words, clock_timestamp(),
            clock_timestamp() - make_interval(secs => :age))
        on conflict (relay, kind) do update
            set value = excluded.value, pause = excluded.pause, words = excluded.words, at = excluded.at"""),
        relay=relay,
        kind=str(kind),
        value=value,
        pause=pause,
        words=words[:200],
        age=age,
    )


def hurry_deferred(tx: Transaction, words: str, *, now: datetime) -> int:
    """Send at once what was deferred for the same words before they were known to be the relay's."""
    return tx.execute(
        text("""
        update message set due_at = :now, attempts = greatest(attempts - 1, 0)
        where state = 'planned' and due_at > :now and reason = :words and attempts > 0"""),
        words=words,
        now=now,
    ).rowcount


@dataclass(frozen=True)
class OpenConnections:
    """What processes other than one's own have open to a relay."""

    urgent: int
    bulk: int
    bulk_processes: int
    urgent_waits: bool
    """True if urgent mail asked for a connection in vain lately."""

    @property
    def total(self) -> int:
        """Of both lanes."""
        return self.urgent + self.bulk


def others(tx: Transaction, relay: str, holder: int) -> OpenConnections:
    """What other processes have open, as they told within so many seconds."""
    row = tx.execute(
        text("""
        select coalesce(sum(open) filter (where lane = 'urgent'), 0) as urgent,
            coalesce(sum(open) filter (where lane = 'bulk'), 0) as bulk,
            count(*) filter (where lane = 'bulk') as bulk_processes,
            coalesce(bool_or(wanted_at > clock_timestamp() - make_interval(secs => :wanted)), false) as urgent_waits
        from relay_connection
        where relay = :relay and holder <> :holder
            and seen_at > clock_timestamp() - make_interval(secs => :within)"""),
        relay=relay,
        holder=holder,
        within=SEEN,
        wanted=WANTED,
    ).one()
    return OpenConnections(int(row.urgent), int(row.bulk), int(row.bulk_processes), bool(row.urgent_waits))


def tell(tx: Transaction, relay: str, holder: int, *, lane: Lane, number: int, waits: bool = False) -> None:
    """Tell how many connections a process has open, or is about to; and whether urgent mail waits for one."""
    tx.execute(
        text("""
        insert into relay_connection (relay, holder, lane, open, seen_at, wanted_at)
        values (:relay, :holder, :lane, :number, clock_timestamp(), case when :waits then clock_timestamp() end)
        on conflict (relay, holder) do update
            set open = excluded.open, seen_at = excluded.seen_at, wanted_at = excluded.wanted_at"""),
        relay=relay,
        holder=holder,
        lane=str(lane),
        number=number,
        waits=waits,
    )


def purge(tx: Transaction) -> int:
    """Forget limits that were not said for two weeks, and processes that ended."""
    tx.execute(text("delete from relay_connection where seen_at < clock_timestamp() - interval '1 hour'"))
    return tx.execute(text("delete from relay_limit where at < clock_timestamp() - interval '14 days'")).rowcount
