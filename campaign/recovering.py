"""Recovering: settle what dead workers left, by their journals and by expired leases."""

from functools import partial
from pathlib import Path

from campaign.database.connection import Transaction
from campaign.journal import Legacy, legacies
from campaign.outbox import ledger, workers
from campaign.runtime import Runtime
from campaign.states import Lane


def journal_folder(runtime: Runtime) -> Path:
    """Where the sending processes of this host keep their journals."""
    return runtime.settings.data / "journal"


def recover(runtime: Runtime) -> int:
    """Settle what dead workers left. Repeating it is harmless, as is running it on every host.

    Returns:
        How many messages were settled or planned again.
    """
    return settle_journals(runtime) + runtime.store.transact(partial(_expire_leases, runtime))


def settle_journals(runtime: Runtime) -> int:
    """Settle what dead workers of this host left, by their journals, which no other host can read.

    Returns:
        How many messages were settled or planned again.
    """
    changed = 0
    for legacy in legacies(journal_folder(runtime)):
        changed += runtime.store.transact(partial(_settle_legacy, runtime, legacy=legacy))
        legacy.path.unlink(missing_ok=True)
    return changed


def _settle_legacy(runtime: Runtime, tx: Transaction, legacy: Legacy) -> int:
    now = runtime.clock()
    held = ledger.held_by(tx, legacy.owner_id)
    verdicts = {message_id: legacy.verdict(message_id, state) for message_id, state in held.items()}
    workers.stopped(tx, legacy.owner_id, now=now)
    for lane in Lane:
        tx.nudge(lane)
    return ledger.resolve(tx, legacy.owner_id, verdicts, now=now)


def _expire_leases(runtime: Runtime, tx: Transaction) -> int:
    now = runtime.clock()
    return ledger.recover_claimed(tx, now=now) + ledger.lose_submitting(tx, now=now)
