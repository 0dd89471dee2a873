"""What a drill reads of an installation to judge it, and the one thing it changes: waits that would take too long."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import text

from campaign.database.connection import Transaction


@dataclass(frozen=True)
class Signer:
    """A signature with its secrets still sealed."""

    id: int
    state: str
    wants_updates: bool
    nonce: bytes = field(repr=False)
    address: bytes | None = field(repr=False)
    name: bytes | None = field(repr=False)


def signers(tx: Transaction, petition_id: int) -> list[Signer]:
    """The signatures of a petition in the order of their ids."""
    rows = tx.execute(
        text("select id, state, wants_updates, nonce, address, name from signature where petition_id = :id order by 1"),
        id=petition_id,
    )
    return [Signer(**row._asdict()) for row in rows]


def at_address(tx: Transaction, petition_id: int, address_index: bytes) -> int | None:
    """The newest signature of a petition at a mailbox."""
    found: int | None = tx.execute(
        text("select max(id) from signature where petition_id = :petition_id and address_index = :address_index"),
        petition_id=petition_id,
        address_index=address_index,
    ).scalar_one()
    return found


def signatures(tx: Transaction) -> list[tuple[int, int, str, bool, bool]]:
    """Id, petition, state, wish for updates, and whether it was erased, of every signature."""
    rows = tx.execute(
        text("select id, petition_id, cast(state as text), wants_updates, address is null from signature order by id")
    )
    return [tuple(row) for row in rows]


def messages(tx: Transaction) -> list[tuple[int, str, str, str, str | None, int | None, int | None, str | None]]:
    """Id, kind, lane, state, reason, blast, signature, and what came back, of every message."""
    rows = tx.execute(
        text("""
        select id, cast(kind as text), cast(lane as text), cast(state as text), reason, blast_id, signature_id,
            cast(came_back as text)
        from message order by id""")
    )
    return [tuple(row) for row in rows]


def requests(tx: Transaction) -> list[tuple[int, str, str, str | None]]:
    """Id, kind, state and reason of every request."""
    rows = tx.execute(
        text("select id, cast(kind as text), cast(state as text), reason from sign_up_request order by id")
    )
    return [tuple(row) for row in rows]


def undecided(tx: Transaction) -> int:
    """How many requests are not decided yet."""
    return int(tx.execute(text("select count(*) from sign_up_request where state = 'asked'")).scalar_one())


def open_messages(tx: Transaction) -> int:
    """How many messages have something still to come."""
    return int(
        tx.execute(
            text("select count(*) from message where state in ('planned', 'claimed', 'submitting')")
        ).scalar_one()
    )


def unapplied(tx: Transaction) -> int:
    """How much has come back and was not applied yet."""
    return int(tx.execute(text("select count(*) from delivery_event where applied_at is null")).scalar_one())


def uncounted(tx: Transaction) -> int:
    """How many signatures the counter has still to look at."""
    return int(tx.execute(text("select count(*) from signature where (state = 'confirmed') <> counted")).scalar_one())


def unfrozen_blasts(tx: Transaction) -> int:
    """How many scheduled blasts have not planned all their messages yet."""
    return int(
        tx.execute(
            text("""
            select count(*) from blast where send_at is not null and frozen_at is null and cancelled_at is null""")
        ).scalar_one()
    )


def waiting(tx: Transaction) -> dict[str, bool]:
    """For each lane, whether something is due that no worker has taken."""
    rows = tx.execute(
        text("""
        select cast(lane as text) as lane, bool_or(due_at <= now()) as due from message
        where state = 'planned' group by lane""")
    )
    found = {row.lane: bool(row.due) for row in rows}
    return {lane: found.get(lane, False) for lane in ("urgent", "bulk")}


def holders(tx: Transaction) -> set[int]:
    """The process ids of the workers that hold messages."""
    rows = tx.execute(
        text("""
        select distinct w.pid from message m join worker w on w.id = m.owner_id
        where m.state in ('claimed', 'submitting')""")
    )
    return set(rows.scalars())


def equations(tx: Transaction) -> list[tuple[int, bool, int, dict[str, int]]]:
    """For each blast whether its audience is frozen, its rows, and its rows by state, all of one moment."""
    rows = tx.execute(
        text("""
        with states as (
            select blast_id, cast(state as text) as state, count(*) as messages from message
            where blast_id is not null group by 1, 2)
        select b.id, b.frozen_at is not null,
            (select count(*) from message m join signature s on s.id = m.signature_id where m.blast_id = b.id),
            (select coalesce(jsonb_object_agg(state, messages), '{}') from states where states.blast_id = b.id)
        from blast b where b.started_at is not null order by 1""")
    )
    return [tuple(row) for row in rows]


def counts(tx: Transaction) -> list[tuple[int, int, int]]:
    """For each petition its cached count and its confirmed signatures."""
    rows = tx.execute(
        text("""
        select p.id, p.count, (select count(*) from signature s where s.petition_id = p.id and s.state = 'confirmed')
        from petition p order by 1""")
    )
    return [tuple(row) for row in rows]


def milestones(tx: Transaction) -> list[tuple[int, int, str, int | None, int]]:
    """Petition, threshold, decision and blast of each milestone, and how many blasts announce it."""
    rows = tx.execute(
        text("""
        select m.petition_id, m.threshold, cast(m.decision as text), m.blast_id,
            (select count(*) from blast b where b.petition_id = m.petition_id and b.threshold = m.threshold)
        from milestone m order by 1, 2""")
    )
    return [tuple(row) for row in rows]


SLOW_FOR: Final = 10.0
"""Seconds after which a drill lets a domain that asked for less mail have as much as before."""


def hurry(tx: Transaction, *, lanes: Sequence[str]) -> int:
    """Let deferred messages of some lanes, and the lanes themselves, try again now: a drill waits out no back-off.

    Nor the hour that a domain may take to be as fast as before: it is slow for :data:`SLOW_FOR`.

    Returns:
        How many messages were brought forward.
    """
    tx.execute(text("update lane set not_before = null where cast(name as text) = any(:lanes)"), lanes=list(lanes))
    tx.execute(text("delete from slow_domain where since < now() - make_interval(secs => :limit)"), limit=SLOW_FOR)
    return tx.execute(
        text("""
        update message set due_at = now()
        where id in (
            select id from message where state = 'planned' and due_at > now() and cast(lane as text) = any(:lanes)
            for update skip locked)"""),
        lanes=list(lanes),
    ).rowcount
