"""The last hour of each lane, minute by minute: noted by a periodic job, drawn by the monitor."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from campaign.domain.states import Lane
from campaign.runtime import Runtime
from campaign.store import minutes as rows
from campaign.store.database import Transaction

HOUR = 60
KEEP = timedelta(days=7)

Minutes = tuple[tuple[datetime, int], ...]
"""Pairs of a minute and the messages accepted in it, the oldest first; every minute is there."""


def note(runtime: Runtime) -> int:
    """Note what was accepted in the last minutes, and forget last week; repeating it is harmless."""
    now = runtime.clock()

    def work(tx: Transaction) -> int:
        rows.purge(tx, before=now - KEEP)
        return rows.note(tx, now=now, look_back=timedelta(minutes=HOUR))

    return runtime.store.transact(work)


def accepted(runtime: Runtime) -> Mapping[Lane, Minutes]:
    """Messages accepted in each of the last 60 minutes, by lane."""
    last = runtime.clock().replace(second=0, microsecond=0)
    shown = [last - timedelta(minutes=back) for back in range(HOUR - 1, -1, -1)]
    found = runtime.store.transact(lambda tx: rows.accepted(tx, since=shown[0]))
    return {lane: tuple((minute, found.get((lane, minute), 0)) for minute in shown) for lane in Lane}
