"""What the monitor reads, each from an index, so that it stays quick with 10M messages. Counts and codes only.

================== ==========================================================================================
waiting            ix_message_due (lane, due_at, id) of planned rows, index only
held               ix_message_blast_state (blast_id, state) of the few paused blasts, index only
scheduled/deferred ix_message_due, the part that is due later
claimed/submitting ix_message_lease: only what is in flight is in it
accepted           ix_message_settled (lane, settled_at) of the last minutes, index only; before: lane_minute
troubles           ix_message_trouble (state, settled_at) of uncertain and rejected rows: troubles.py
workers            ix_worker_seen; ticks: periodic_job has a handful of rows
================== ==========================================================================================
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, text

from campaign.domain.flow import LaneFlow, PetitionCount, Stuck, rate_of
from campaign.domain.goals import next_goal
from campaign.domain.states import Lane, MessageState
from campaign.store import lanes
from campaign.store.database import Transaction

PETITIONS = 200
DAY = timedelta(hours=24)

_LANES = "unnest(enum_range(null::lane_name)) as l(lane)"


def begin(tx: Transaction) -> None:
    """Let all that follows in this transaction see one moment; nothing can be changed.

    PostgreSQL would compile these queries when millions of rows wait, which takes longer than running them.
    """
    tx.execute(text("set transaction isolation level repeatable read, read only"))
    tx.execute(text("set local jit = off"))


@dataclass(frozen=True)
class _Due:
    waiting: int
    oldest_at: datetime | None
    held: int


def flows(tx: Transaction, *, now: datetime) -> tuple[LaneFlow, ...]:
    """Both lanes."""
    blasts = _held_blasts(tx)
    later, due = _later(tx, blasts, now), {}
    held = _held(tx, blasts)
    for lane, row in _due(tx, blasts, now).items():
        # Blasts are bulk mail; what of theirs is due later is deferred, and is counted there.
        here = max(held - later[lane].held, 0) if lane is Lane.BULK else 0
        due[lane] = _Due(max(row.due - here, 0), row.oldest_at, here)
    in_flight, accepted, ended = _in_flight(tx), _accepted(tx, now), _ended(tx, now)
    return tuple(
        LaneFlow(
            lane=state.lane,
            waiting=due[state.lane].waiting,
            oldest_waiting_at=due[state.lane].oldest_at,
            held=due[state.lane].held,
            scheduled=later[state.lane].scheduled,
            deferred=later[state.lane].deferred,
            claimed=in_flight.get((state.lane, MessageState.CLAIMED), 0),
            submitting=in_flight.get((state.lane, MessageState.SUBMITTING), 0),
            accepted_1m=accepted[state.lane].in_1m,
            accepted_5m=accepted[state.lane].in_5m,
            accepted_60m=accepted[state.lane].in_60m,
            rate=rate_of(accepted[state.lane].in_1m, accepted[state.lane].first_at, now),
            uncertain=ended.get((state.lane, MessageState.UNCERTAIN), 0),
            rejected_24h=ended.get((state.lane, MessageState.REJECTED), 0),
            paused_at=state.paused_at,
            paused_by=state.paused_by,
            paused_reason=state.paused_reason,
            not_before=state.not_before,
            last_answer=state.last_answer,
            last_answer_at=state.last_answer_at,
        )
        for state in lanes.all_lanes(tx)
    )


def _by_lane(rows: Sequence[Row[Any]]) -> Mapping[Lane, Row[Any]]:
    return {Lane(row.lane): row for row in rows}


def _held_blasts(tx: Transaction) -> list[int]:
    return list(
        tx.execute(
            text("""
            select id from blast
            where started_at is not null and (paused_at is not null or cancelled_at is not null)""")
        ).scalars()
    )


def _due(tx: Transaction, held_blasts: list[int], now: datetime) -> Mapping[Lane, Row[Any]]:
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


def _later(tx: Transaction, held_blasts: list[int], now: datetime) -> Mapping[Lane, Row[Any]]:
    return _by_lane(
        tx.execute(
            text(f"""
            select l.lane, s.scheduled, s.deferred, s.held from {_LANES}
            cross join lateral (
                select count(*) filter (where m.attempts = 0) as scheduled,
                    count(*) filter (where m.attempts > 0) as deferred,
                    count(*) filter (where m.blast_id = any(cast(:held as int[]))) as held
                from message m where m.lane = l.lane and m.state = 'planned' and m.due_at > :now) s"""),
            now=now,
            held=held_blasts,
        ).all()
    )


def _in_flight(tx: Transaction) -> dict[tuple[Lane, MessageState], int]:
    rows = tx.execute(
        text("""
        select lane, state, count(*) as messages from message
        where state in ('claimed', 'submitting') group by lane, state""")
    )
    return {(Lane(row.lane), MessageState(row.state)): row.messages for row in rows}


def _accepted(tx: Transaction, now: datetime) -> Mapping[Lane, Row[Any]]:
    # Minutes that are over were counted once, into lane_minute; only what came since is counted in the ledger.
    return _by_lane(
        tx.execute(
            text(f"""
            select l.lane, a.in_1m, a.first_at, a.in_5m, cast(a.fresh + n.noted as bigint) as in_60m from {_LANES}
            cross join (
                select case when max(minute) is null then cast(:hour as timestamptz)
                    else least(max(minute), date_trunc('minute', cast(:five as timestamptz))) end as at
                from lane_minute where minute > :hour) as since
            cross join lateral (
                select coalesce(sum(accepted), 0) as noted from lane_minute
                where lane = l.lane and minute > :hour and minute < since.at) as n
            cross join lateral (
                select count(*) filter (where m.settled_at > :minute) as in_1m,
                    min(m.settled_at) filter (where m.settled_at > :minute) as first_at,
                    count(*) filter (where m.settled_at > :five) as in_5m,
                    count(*) as fresh
                from message m
                where m.lane = l.lane and m.state = 'accepted' and m.settled_at >= since.at
                    and m.settled_at > :hour and m.settled_at <= :now) as a"""),
            now=now,
            minute=now - timedelta(minutes=1),
            five=now - timedelta(minutes=5),
            hour=now - timedelta(minutes=60),
        ).all()
    )


def _ended(tx: Transaction, now: datetime) -> dict[tuple[Lane, MessageState], int]:
    rows = tx.execute(
        text("""
        select lane, state, count(*) as messages from message
        where state = 'uncertain' or (state = 'rejected' and settled_at > :since) group by lane, state"""),
        since=now - DAY,
    )
    return {(Lane(row.lane), MessageState(row.state)): row.messages for row in rows}


def stuck(tx: Transaction, *, now: datetime) -> Stuck | None:
    """The claimed or submitting message whose lease ran out longest ago."""
    row = tx.execute(
        text("""
        select m.id, m.lane, m.state, m.lease_until, m.owner_id, w.host, w.pid
        from message m left join worker w on w.id = m.owner_id
        where m.state in ('claimed', 'submitting') and m.lease_until < :now order by m.lease_until, m.id limit 1"""),
        now=now,
    ).one_or_none()
    if row is None:
        return None
    return Stuck(row.id, Lane(row.lane), MessageState(row.state), row.lease_until, row.owner_id, row.host, row.pid)


def petitions(tx: Transaction) -> tuple[PetitionCount, ...]:
    """Published petitions with their public counts, the newest first."""
    rows = tx.execute(
        text("""
        select id, slug, state, count as signatures, fixed_goal from petition
        where state <> 'draft' order by published_at desc, id desc limit :limit"""),
        limit=PETITIONS,
    )
    return tuple(
        PetitionCount(row.id, row.slug, row.state, row.signatures, next_goal(row.signatures, fixed=row.fixed_goal))
        for row in rows
    )
