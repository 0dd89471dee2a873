"""Running blasts: start what is due, freeze audiences, cancel what is left. Any worker may look; rows decide."""

from datetime import datetime, timedelta

from campaign.domain.blast import FIRST_SLICE
from campaign.domain.schedule import is_too_late
from campaign.domain.states import Lane
from campaign.runtime import Runtime
from campaign.store import blasts as rows
from campaign.store import petitions
from campaign.store.database import Transaction


def start_due(runtime: Runtime) -> int:
    """Start every scheduled blast whose moment has come, once, whoever looks first; returns how many started.

    A blast of another epoch (a restored backup) or one that is too late is held, with the reason, for a person.
    """
    now = runtime.clock()

    def work(tx: Transaction) -> int:
        started = 0
        for blast, epoch in rows.due(tx, now=now):
            if epoch != runtime.epoch:
                rows.hold(tx, blast.id, reason="other_epoch", now=now)
            elif blast.send_at is not None and is_too_late(blast.send_at, now, max_lateness=blast.max_lateness):
                rows.hold(tx, blast.id, reason="too_late", now=now)
            else:
                stored = petitions.by_id(tx, blast.petition_id)
                rows.start(tx, blast.id, count=stored.petition.count if stored else 0, now=now)
                started += 1
        return started

    return runtime.store.transact(work)


def freeze(runtime: Runtime, *, seconds: float = 20.0) -> int:
    """Plan the messages of started blasts, slice by slice with a checkpoint; returns how many were planned.

    A second run, or a second worker, goes on where the checkpoint stands; a unique index forbids doubles.
    """
    until = runtime.clock() + timedelta(seconds=seconds)
    total = 0
    for blast_id in runtime.store.transact(rows.freezing):
        while runtime.clock() < until:
            now = runtime.clock()

            def work(tx: Transaction, blast_id: int = blast_id, now: datetime = now) -> rows.Slice | None:
                made = rows.freeze_slice(tx, blast_id, limit=FIRST_SLICE, now=now)
                tx.nudge(Lane.BULK)
                return made

            made = runtime.store.transact(work)
            if made is None or made.done:
                break
            total += made.planned
    return total


def look(runtime: Runtime) -> int:
    """The periodic look: start what is due and freeze audiences."""
    start_due(runtime)
    return freeze(runtime)


def cancel_open(runtime: Runtime, blast_id: int) -> int:
    """Cancel the planned messages of a cancelled blast, in slices; running it again is harmless."""
    total = 0
    while True:
        done = runtime.store.transact(
            lambda tx: rows.cancel_messages(tx, blast_id, limit=FIRST_SLICE, now=runtime.clock())
        )
        total += done
        if done < FIRST_SLICE:
            return total
