"""What the monitor reads, each from an index, so that it stays quick with 10M messages. Counts and codes only.

================== ==========================================================================================
waiting            ix_message_due (lane, due_at, id) of planned rows, index only; of long queues: tally
                   and ix_sign_up_request_due of requests that no worker has admitted (urgent lane)
held               ix_message_blast_state (blast_id, state) of the few paused blasts, index only
scheduled/deferred ix_message_due, the part that is due later
claimed/submitting ix_message_lease: only what is in flight is in it
accepted           ix_message_settled (lane, settled_at), a bounded number of the newest; before: lane_minute
blasts             ix_message_blast_state; of long blasts: tally
troubles           ix_message_trouble (state, settled_at) of uncertain and rejected rows: troubles.py
accepted in a day  lane_minute, one row a minute and lane
workers            ix_worker_seen, and a handful of ended ones; ticks: periodic_job has a handful of rows
================== ==========================================================================================
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, text

from campaign.blasts import progress as blast_progress
from campaign.blasts.progress import rate_of
from campaign.database.connection import Transaction
from campaign.operations import relay_status
from campaign.operations.health import WORKER_SEEN, LaneHealth, PetitionCount, Stuck
from campaign.operations.standing import LaneStanding, hold_of
from campaign.outbox import depth, lanes, workers
from campaign.petitions.rules import next_goal
from campaign.settings import Settings
from campaign.signatures import request_queries
from campaign.states import Lane, MessageState

MINUTE = timedelta(minutes=1)


def note(tx: Transaction, *, now: datetime, look_back: timedelta) -> int:
    """Count what was accepted since the last noted minute, and that minute again, for it was not over.

    Running it twice, or two at once, writes the same numbers.

    Args:
        tx: the open transaction.
        now: the present moment.
        look_back: how far to look on a database that never noted anything, or not for long.

    Returns:
        How many rows were written.
    """
    return tx.execute(
        text("""
        with since as (
            select greatest(max(minute) - interval '1 minute', date_trunc('minute', cast(:oldest as timestamptz))) as at
            from lane_minute)
        insert into lane_minute (lane, minute, accepted)
        select l.lane, date_trunc('minute', m.settled_at), count(*)
        from since, unnest(enum_range(null::lane_name)) as l(lane)
        cross join lateral (
            select settled_at from message
            where lane = l.lane and state = 'accepted' and settled_at >= since.at and settled_at <= :now) as m
        group by 1, 2
        on conflict (lane, minute) do update set accepted = excluded.accepted"""),
        now=now,
        oldest=now - look_back,
    ).rowcount


def accepted(tx: Transaction, *, since: datetime) -> dict[tuple[Lane, datetime], int]:
    """Messages accepted by lane and minute; minutes without any are not there."""
    rows = tx.execute(text("select lane, minute, accepted from lane_minute where minute >= :since"), since=since)
    return {(Lane(row.lane), row.minute): row.accepted for row in rows}


def purge(tx: Transaction, *, before: datetime) -> int:
    """Delete old minutes."""
    return tx.execute(text("delete from lane_minute where minute < :before"), before=before).rowcount


PETITIONS = 200
DAY = timedelta(hours=24)


def begin(tx: Transaction) -> None:
    """Let all that follows in this transaction see one moment; nothing can be changed.

    PostgreSQL would compile these queries when millions of rows wait, which takes longer than running them. And it
    can't know that only short lanes are asked for, so at times it would read the whole ledger instead of the index.
    """
    tx.execute(text("set transaction isolation level repeatable read, read only"))
    tx.execute(text("set local jit = off"))
    tx.execute(text("set local enable_seqscan = off"))


def flows(tx: Transaction, *, now: datetime) -> tuple[LaneHealth, ...]:
    """Both lanes: what is long as it was last counted, the rest as it is."""
    waits = depth.remembered_queues(tx, now=now)
    waits |= depth.count(tx, [lane for lane in Lane if lane not in waits], now=now)
    asked = request_queries.waiting(tx, now=now)
    if asked.oldest_at is not None:
        # A request not yet admitted counts as a waiting confirmation.
        urgent = waits[Lane.URGENT]
        since = min(filter(None, (urgent.oldest_waiting_at, asked.oldest_at)))
        waits[Lane.URGENT] = replace(urgent, waiting=urgent.waiting + asked.due, oldest_waiting_at=since)
    in_flight, accepted, ended = _in_flight(tx), _accepted(tx, now), _ended(tx, now)
    in_day, last_seen = _accepted_in_day(tx, now), workers.last_seen(tx)
    return tuple(
        LaneHealth(
            lane=state.lane,
            waiting=waits[state.lane].waiting,
            oldest_waiting_at=waits[state.lane].oldest_waiting_at,
            held=waits[state.lane].held,
            scheduled=waits[state.lane].scheduled,
            deferred=waits[state.lane].deferred,
            claimed=in_flight.get((state.lane, MessageState.CLAIMED), 0),
            submitting=in_flight.get((state.lane, MessageState.SUBMITTING), 0),
            accepted_1m=accepted[state.lane].in_1m,
            accepted_5m=accepted[state.lane].in_5m,
            accepted_60m=accepted[state.lane].in_60m,
            rate=accepted[state.lane].rate,
            uncertain=ended.get((state.lane, MessageState.UNCERTAIN), 0),
            rejected_24h=ended.get((state.lane, MessageState.REJECTED), 0),
            paused_at=state.paused_at,
            paused_by=state.paused_by,
            paused_reason=state.paused_reason,
            not_before=state.not_before,
            last_answer=state.last_answer,
            last_answer_at=state.last_answer_at,
            troubled_at=state.troubled_at,
            last_relay=state.last_relay,
            last_phase=state.last_phase,
            # Minutes that are over come from lane_minute, this one and what no job has noted yet from the ledger.
            accepted_24h=max(in_day.get(state.lane, 0), accepted[state.lane].in_60m),
            first_retry_at=waits[state.lane].first_retry_at,
            last_worker_at=last_seen[state.lane].seen_at if state.lane in last_seen else None,
            last_worker_host=last_seen[state.lane].host if state.lane in last_seen else None,
        )
        for state in lanes.all_lanes(tx)
    )


def hold(
    tx: Transaction, settings: Settings, lane: Lane, *, now: datetime, is_owing: bool = True, is_served: bool = False
) -> LaneStanding | None:
    """What keeps a lane from sending, without counting anything; None if nothing does.

    Args:
        tx: the open transaction.
        settings: for the mail servers.
        lane: which lane.
        now: the present moment.
        is_owing: there is something to send.
        is_served: its workers were looked at already.
    """
    state = next(state for state in lanes.all_lanes(tx) if state.lane is lane)
    serving = [worker for worker in workers.alive(tx, since=now - WORKER_SEEN) if worker.lane is lane]
    return hold_of(
        state,
        workers=None if is_served else serving,
        relays=relay_status.look(tx, settings, now=now),
        is_owing=is_owing,
        now=now,
    )


def _in_flight(tx: Transaction) -> dict[tuple[Lane, MessageState], int]:
    rows = tx.execute(
        text("""
        select lane, state, count(*) as messages from message
        where state in ('claimed', 'submitting') group by lane, state""")
    )
    return {(Lane(row.lane), MessageState(row.state)): row.messages for row in rows}


@dataclass(frozen=True)
class _Accepted:
    in_1m: int
    in_5m: int
    in_60m: int
    rate: float


def _accepted(tx: Transaction, now: datetime) -> Mapping[Lane, _Accepted]:
    return {lane: _accepted_in(tx, lane, now) for lane in Lane}


def _accepted_in(tx: Transaction, lane: Lane, now: datetime) -> _Accepted:
    newest = blast_progress.newest(tx, lane, now=now)
    if not newest.is_cut:
        counted = _counted(tx, lane, now)
        return _Accepted(counted.in_1m, counted.in_5m, counted.in_60m, rate_of(counted.in_1m, counted.first_at, now))
    # So many that they are not counted at each look: the newest give the rate, lane_minute what was before.
    in_1m = round(newest.rate * 60)
    noted = {minute: number for (its, minute), number in accepted(tx, since=now - 61 * MINUTE).items() if its is lane}
    in_5m, in_60m = (in_1m + _within(noted, now - back * MINUTE, now - MINUTE) for back in (5, 60))
    return _Accepted(in_1m, in_5m, in_60m, newest.rate)


def _accepted_in_day(tx: Transaction, now: datetime) -> dict[Lane, int]:
    rows = tx.execute(
        text("select lane, sum(accepted) as accepted from lane_minute where minute > :since group by lane"),
        since=now - DAY,
    )
    return {Lane(row.lane): int(row.accepted) for row in rows}


def _within(noted: Mapping[datetime, int], since: datetime, until: datetime) -> int:
    """How many of what was noted by the minute fall between two moments; of a minute that is cut, its share."""
    shares = (
        number * max(min(minute + MINUTE, until) - max(minute, since), timedelta()) / MINUTE
        for minute, number in noted.items()
    )
    return round(sum(shares))


def _counted(tx: Transaction, lane: Lane, now: datetime) -> Row[Any]:
    # Minutes that are over were counted once, into lane_minute; only what came since is counted in the ledger.
    return tx.execute(
        text("""
        select a.in_1m, a.first_at, a.in_5m, cast(a.fresh + n.noted as bigint) as in_60m
        from (
            select case when max(minute) is null then cast(:hour as timestamptz)
                else least(max(minute), date_trunc('minute', cast(:five as timestamptz))) end as at
            from lane_minute where minute > :hour) as since
        cross join lateral (
            select coalesce(sum(accepted), 0) as noted from lane_minute
            where lane = :lane and minute > :hour and minute < since.at) as n
        cross join lateral (
            select count(*) filter (where m.settled_at > :minute) as in_1m,
                min(m.settled_at) filter (where m.settled_at > :minute) as first_at,
                count(*) filter (where m.settled_at > :five) as in_5m,
                count(*) as fresh
            from message m
            where m.lane = :lane and m.state = 'accepted' and m.settled_at >= since.at
                and m.settled_at > :hour and m.settled_at <= :now) as a"""),
        lane=str(lane),
        now=now,
        minute=now - MINUTE,
        five=now - 5 * MINUTE,
        hour=now - 60 * MINUTE,
    ).one()


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
