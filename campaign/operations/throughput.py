"""What the monitor does not count at each look: a job notes each minute of the lanes, and what waits in long queues."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from campaign.blasts import progress as blast_progress
from campaign.blasts import queries as blast_queries
from campaign.database.connection import Transaction
from campaign.operations import snapshot
from campaign.outbox import depth
from campaign.runtime import Runtime
from campaign.states import Lane, MessageState

HOUR = 60
KEEP = timedelta(days=7)

Minutes = tuple[tuple[datetime, int], ...]
"""Pairs of a minute and the messages accepted in it, the oldest first; every minute is there."""


def note(runtime: Runtime) -> int:
    """Note what was accepted in the last minutes, and forget last week; repeating it is harmless."""
    now = runtime.clock()

    def work(tx: Transaction) -> int:
        snapshot.purge(tx, before=now - KEEP)
        return snapshot.note(tx, now=now, look_back=timedelta(minutes=HOUR))

    return runtime.store.transact(work)


def tally(runtime: Runtime) -> int:
    """Count the queues and blasts that are too long to be counted at each look; returns how many. It may run twice.

    All in one snapshot of the database: the numbers of a blast add up (P6).
    """
    now = runtime.clock()

    def look(tx: Transaction) -> tuple[dict[Lane, depth.Queue], dict[int, dict[MessageState, int]]]:
        snapshot.begin(tx)
        running = depth.long_blasts(tx, [blast.id for blast in blast_queries.unfinished(tx)])
        return depth.count(tx, depth.long_lanes(tx), now=now), blast_progress.states(tx, running)

    lanes, by_blast = runtime.store.transact(look)

    def keep(tx: Transaction) -> int:
        for lane, queue in lanes.items():
            depth.remember_queue(tx, lane, queue, at=now)
        for blast_id, states in by_blast.items():
            depth.remember_blast(tx, blast_id, states, at=now)
        depth.forget_before(tx, now)
        return len(lanes) + len(by_blast)

    return runtime.store.transact(keep)


def accepted(runtime: Runtime) -> Mapping[Lane, Minutes]:
    """Messages accepted in each of the last 60 minutes, by lane."""
    last = runtime.clock().replace(second=0, microsecond=0)
    shown = [last - timedelta(minutes=back) for back in range(HOUR - 1, -1, -1)]
    found = runtime.store.transact(lambda tx: snapshot.accepted(tx, since=shown[0]))
    return {lane: tuple((minute, found.get((lane, minute), 0)) for minute in shown) for lane in Lane}
