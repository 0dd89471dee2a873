"""Running blasts: start what is due, freeze audiences, cancel what is left. Any worker may look; rows decide."""

from datetime import datetime, timedelta

from campaign.blasts import audience, queries
from campaign.blasts.rules import FIRST_SLICE, is_too_late
from campaign.database.connection import Transaction
from campaign.petitions import queries as petition_queries
from campaign.runtime import Runtime
from campaign.states import Lane


def start_due(runtime: Runtime) -> int:
    """Start every due blast; each starts once, however many workers call this. Returns how many started.

    A blast of another epoch (a restored backup) or one that is too late is held, with the reason.
    """
    now = runtime.clock()

    def work(tx: Transaction) -> int:
        started = 0
        for blast, epoch in queries.due(tx, now=now):
            if epoch != runtime.epoch:
                queries.hold(tx, blast.id, reason="other_epoch", now=now)
            elif blast.send_at is not None and is_too_late(blast.send_at, now, max_lateness=blast.max_lateness):
                queries.hold(tx, blast.id, reason="too_late", now=now)
            else:
                stored = petition_queries.by_id(tx, blast.petition_id)
                queries.start(tx, blast.id, count=stored.petition.count if stored else 0, now=now)
                started += 1
        return started

    return runtime.store.transact(work)


def freeze(runtime: Runtime, *, seconds: float = 20.0) -> int:
    """Plan the messages of started blasts, slice by slice with a checkpoint; returns how many were planned.

    A second run, or a second worker, continues from the checkpoint; a unique index forbids doubles.
    """
    until = runtime.clock() + timedelta(seconds=seconds)
    total = 0
    for blast_id in runtime.store.transact(audience.freezing):
        while runtime.clock() < until:
            now = runtime.clock()

            def work(tx: Transaction, blast_id: int = blast_id, now: datetime = now) -> audience.Slice | None:
                made = audience.freeze_slice(tx, blast_id, limit=FIRST_SLICE, now=now)
                tx.nudge(Lane.BULK)
                return made

            made = runtime.store.transact(work)
            if made is None or made.done:
                break
            total += made.planned
    return total


def look(runtime: Runtime) -> int:
    """The periodic look: start what is due, freeze audiences, and cancel what cancelled blasts have left."""
    start_due(runtime)
    cancel_left(runtime)
    return freeze(runtime)


def cancel_slice(runtime: Runtime, blast_id: int) -> int:
    """Cancel the next planned messages of a cancelled blast; returns how many. Running it again is harmless."""
    return runtime.store.transact(
        lambda tx: queries.cancel_messages(tx, blast_id, limit=FIRST_SLICE, now=runtime.clock())
    )


def cancel_left(runtime: Runtime, *, seconds: float = 20.0) -> int:
    """Cancel what cancelled blasts still have planned; returns how many.

    That is what a large blast had beyond its first slice, what a process that died in between left behind, and what a
    worker held while the blast was cancelled and the mail server then put off.
    """
    until = runtime.clock() + timedelta(seconds=seconds)
    total = 0
    for blast_id in runtime.store.transact(queries.cancelled_with_rest):
        done = FIRST_SLICE
        while done == FIRST_SLICE and runtime.clock() < until:
            done = cancel_slice(runtime, blast_id)
            total += done
    return total
