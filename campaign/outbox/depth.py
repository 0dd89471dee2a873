"""What waits in each lane, counted from ix_message_due; what is long is counted by a job and remembered.

Counting a million rows takes a second, and a monitor is looked at most while a million rows wait. So a periodic job
counts queues and blasts of more than :data:`MANY` rows and keeps the result in ``tally``, which is read instead
while it is fresh, and counts only what is short.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, text

from campaign.database.connection import Transaction
from campaign.states import Lane, MessageState

MANY = 50_000
"""Rows that are counted at each look; more are counted by the job. An index gives so many in some 20 ms."""

FRESH = timedelta(seconds=60)
"""A remembered count that is older, for the job did not run, is not believed: then everything is counted."""

_LANES = "unnest(cast(:lanes as lane_name[])) as l(lane)"


@dataclass(frozen=True)
class Queue:
    """The planned messages of a lane; each is in exactly one of these."""

    waiting: int
    oldest_waiting_at: datetime | None
    held: int
    scheduled: int
    deferred: int
    first_retry_at: datetime | None = None
    """When the first of the deferred ones is tried again."""


def count(tx: Transaction, lanes: Collection[Lane], *, now: datetime) -> dict[Lane, Queue]:
    """Count the queues of some lanes."""
    if not lanes:
        return {}
    held_blasts = _held_blasts(tx)
    due, later = _due(tx, lanes, held_blasts, now), _later(tx, lanes, held_blasts, now)
    held = _held(tx, held_blasts) if Lane.BULK in lanes else 0
    found = {}
    for lane in lanes:
        # Blasts are bulk mail; what of theirs is due later is deferred, and is counted there.
        here = max(held - later[lane].held, 0) if lane is Lane.BULK else 0
        found[lane] = Queue(
            max(due[lane].due - here, 0),
            due[lane].oldest_at,
            here,
            later[lane].scheduled,
            later[lane].deferred,
            later[lane].first_retry_at,
        )
    return found


def _by_lane(rows: Sequence[Row[Any]]) -> Mapping[Lane, Row[Any]]:
    return {Lane(row.lane): row for row in rows}


def _names(lanes: Collection[Lane]) -> list[str]:
    return [str(lane) for lane in lanes]


def _held_blasts(tx: Transaction) -> list[int]:
    return list(
        tx.execute(
            text("""
            select id from blast
            where started_at is not null and (paused_at is not null or cancelled_at is not null)""")
        ).scalars()
    )


def _due(tx: Transaction, lanes: Collection[Lane], held_blasts: list[int], now: datetime) -> Mapping[Lane, Row[Any]]:
    return _by_lane(
        tx.execute(
            text(f"""
            select l.lane, d.due, o.due_at as oldest_at from {_LANES}
            cross join lateral (
                select count(*) as due from message m
                where m.lane = l.lane and m.state = 'planned' and m.due_at <= :now) d
            left join lateral (
                select m.due_at from message m
                where m.lane = l.lane and m.state = 'planned' and m.due_at <= :now
                    and (m.blast_id is null or m.blast_id <> all(cast(:held as int[])))
                order by m.due_at, m.id limit 1) o on true"""),
            lanes=_names(lanes),
            now=now,
            held=held_blasts,
        ).all()
    )


def _held(tx: Transaction, blasts: list[int]) -> int:
    return int(
        tx.execute(
            text("select count(*) from message m where m.blast_id = any(:held) and m.state = 'planned'"), held=blasts
        ).scalar_one()
    )


def _later(tx: Transaction, lanes: Collection[Lane], held_blasts: list[int], now: datetime) -> Mapping[Lane, Row[Any]]:
    return _by_lane(
        tx.execute(
            text(f"""
            select l.lane, s.scheduled, s.deferred, s.held, s.first_retry_at from {_LANES}
            cross join lateral (
                select count(*) filter (where m.attempts = 0) as scheduled,
                    count(*) filter (where m.attempts > 0) as deferred,
                    min(m.due_at) filter (where m.attempts > 0) as first_retry_at,
                    count(*) filter (where m.blast_id = any(cast(:held as int[]))) as held
                from message m where m.lane = l.lane and m.state = 'planned' and m.due_at > :now) s"""),
            lanes=_names(lanes),
            now=now,
            held=held_blasts,
        ).all()
    )


def long_lanes(tx: Transaction) -> list[Lane]:
    """The lanes in which more than :data:`MANY` messages are planned; no more than those are read to know."""
    rows = tx.execute(
        text("""
        select l.lane from unnest(enum_range(null::lane_name)) as l(lane)
        where (select count(*) from (
            select 1 from message m where m.lane = l.lane and m.state = 'planned' limit :most) few) = :most"""),
        most=MANY + 1,
    )
    return [Lane(row.lane) for row in rows]


def long_blasts(tx: Transaction, blast_ids: Sequence[int]) -> list[int]:
    """Of these blasts, those of more than :data:`MANY` messages."""
    rows = tx.execute(
        text("""
        select b.id from unnest(cast(:ids as int[])) as b(id)
        where (select count(*) from (
            select 1 from message m where m.blast_id = b.id limit :most) few) = :most"""),
        ids=list(blast_ids),
        most=MANY + 1,
    )
    return list(rows.scalars())


def remember_queue(tx: Transaction, lane: Lane, queue: Queue, *, at: datetime) -> None:
    """Keep what was counted in a lane."""
    moments = {name: moment and moment.isoformat() for name, moment in _moments(queue).items()}
    _remember(tx, str(lane), asdict(queue) | moments, at)


def _moments(queue: Queue) -> dict[str, datetime | None]:
    return {"oldest_waiting_at": queue.oldest_waiting_at, "first_retry_at": queue.first_retry_at}


def remember_blast(tx: Transaction, blast_id: int, states: Mapping[MessageState, int], *, at: datetime) -> None:
    """Keep what was counted of a blast."""
    _remember(tx, f"blast {blast_id}", {str(state): number for state, number in states.items()}, at)


def _remember(tx: Transaction, subject: str, counts: Mapping[str, object], at: datetime) -> None:
    tx.execute(
        text("""
        insert into tally (subject, at, counts) values (:subject, :at, cast(:counts as jsonb))
        on conflict (subject) do update set at = excluded.at, counts = excluded.counts"""),
        subject=subject,
        at=at,
        counts=json.dumps(counts),
    )


def forget_before(tx: Transaction, at: datetime) -> None:
    """Forget what was counted before a moment: what was long then is short now."""
    tx.execute(text("delete from tally where at < :at"), at=at)


def forget_blast(tx: Transaction, blast_id: int) -> None:
    """Delete the cached counts of a blast and of its lane after a bulk change, so that they are counted anew."""
    tx.execute(text("delete from tally where subject in ('bulk', :subject)"), subject=f"blast {blast_id}")


def remembered_queues(tx: Transaction, *, now: datetime) -> dict[Lane, Queue]:
    """The long queues, as the job last counted them."""
    found = {}
    for lane in Lane:
        counts = _recall(tx, [str(lane)], now).get(str(lane))
        if counts is not None:
            # An older release does not note the first retry.
            written = {name: counts.get(name) for name in ("oldest_waiting_at", "first_retry_at")}
            moments = {name: moment and datetime.fromisoformat(moment) for name, moment in written.items()}
            found[lane] = Queue(**(counts | moments))
    return found


def remembered_blasts(
    tx: Transaction, blast_ids: Sequence[int], *, now: datetime
) -> dict[int, dict[MessageState, int]]:
    """The states of those of these blasts that are long, as the job last counted them."""
    known = _recall(tx, [f"blast {blast_id}" for blast_id in blast_ids], now)
    return {
        int(subject.removeprefix("blast ")): {MessageState(state): number for state, number in counts.items()}
        for subject, counts in known.items()
    }


def _recall(tx: Transaction, subjects: Sequence[str], now: datetime) -> dict[str, dict[str, Any]]:
    rows = tx.execute(
        text("select subject, counts from tally where subject = any(:subjects) and at > :since"),
        subjects=list(subjects),
        since=now - FRESH,
    )
    return {row.subject: row.counts for row in rows}
