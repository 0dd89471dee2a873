"""Messages that were refused of late, by the words of the refusal, until it is known whether they were about us."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text

from campaign.database.connection import Transaction
from campaign.states import Lane

KEPT: Final = timedelta(days=1)
"""How long a refusal may still be found to be about us."""


@dataclass(frozen=True)
class RecentRefusal:
    """A refused message. Keys are keyed hashes: of the words, the receiver (a domain), and the address."""

    message_id: int
    answer_key: bytes = field(repr=False)
    receiver_key: bytes = field(repr=False)
    address_key: bytes = field(repr=False)


def in_a_row(
    tx: Transaction, lane: Lane, answer_keys: Collection[bytes], *, since: datetime
) -> Mapping[bytes, list[RecentRefusal]]:
    """Refusals in a lane with these words since the last acceptance, by words."""
    rows = tx.execute(
        text("""
        select message_id, answer_key, receiver_key, address_key from recent_refusal
        where lane = :lane and answer_key = any(cast(:keys as bytea[])) and not over and at > :since
        order by message_id limit 10000"""),
        lane=str(lane),
        keys=sorted(answer_keys),
        since=since,
    )
    found: dict[bytes, list[RecentRefusal]] = {}
    for row in rows:
        refusal = RecentRefusal(row.message_id, bytes(row.answer_key), bytes(row.receiver_key), bytes(row.address_key))
        found.setdefault(refusal.answer_key, []).append(refusal)
    return found


def add(tx: Transaction, lane: Lane, refusals: Sequence[RecentRefusal], *, over: bool, now: datetime) -> None:
    """Remember refusals; ``over`` if mail of the lane was accepted after them."""
    tx.execute(
        text("""
        insert into recent_refusal (message_id, lane, answer_key, receiver_key, address_key, at, over)
        select r.id, :lane, r.answer_key, r.receiver_key, r.address_key, :now, :over
        from unnest(cast(:ids as bigint[]), cast(:answers as bytea[]), cast(:receivers as bytea[]),
            cast(:addresses as bytea[])) as r(id, answer_key, receiver_key, address_key)
        on conflict (message_id) do update
            set answer_key = excluded.answer_key, at = excluded.at, over = excluded.over"""),
        lane=str(lane),
        ids=[each.message_id for each in refusals],
        answers=[each.answer_key for each in refusals],
        receivers=[each.receiver_key for each in refusals],
        addresses=[each.address_key for each in refusals],
        over=over,
        now=now,
    )


def end_row(tx: Transaction, lane: Lane) -> None:
    """Mail of the lane was accepted: what was refused before it is no row any longer."""
    tx.execute(text("update recent_refusal set over = true where lane = :lane and not over"), lane=str(lane))


def undo(tx: Transaction, message_ids: Sequence[int], *, due_at: datetime, now: datetime) -> int:
    """Take back what refusals led to that were about us: the end of the message, suppressions and soft bounces.

    The message is planned again and its attempt does not count; one of a cancelled blast stays as it is.
    """
    ids = list(message_ids)
    tx.execute(
        text("""
        delete from bounce_strike s using recent_refusal r
        where r.message_id = any(:ids) and s.address_key = r.address_key
            and s.day = (r.at at time zone 'UTC')::date"""),
        ids=ids,
    )
    tx.execute(
        text("""
        update suppression set lifted_at = :now
        where message_id = any(:ids) and reason = 'bounce' and lifted_at is null"""),
        ids=ids,
        now=now,
    )
    return tx.execute(
        text("""
        update message m set state = 'planned', settled_at = null, due_at = :due_at,
            attempts = greatest(attempts - 1, 0)
        where id = any(:ids) and state = 'rejected' and not exists (
            select 1 from blast b where b.id = m.blast_id and b.cancelled_at is not null)"""),
        ids=ids,
        due_at=due_at,
    ).rowcount


def purge(tx: Transaction, *, before: datetime) -> int:
    """Forget old refusals."""
    return tx.execute(text("delete from recent_refusal where at < :before"), before=before).rowcount
