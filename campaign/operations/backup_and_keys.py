"""After a backup was restored nothing is mailed by itself: what went out since the backup is unknown."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial

from campaign.accounts import audit
from campaign.accounts import queries as account_queries
from campaign.blasts import queries as blast_queries
from campaign.database import instance
from campaign.database.connection import Store, Transaction
from campaign.operations.lanes import CLI
from campaign.outbox import lanes as outbox_lanes
from campaign.petitions import queries as petition_queries
from campaign.petitions.retention import KEY_PLACE
from campaign.runtime import ACCOUNT_PLACE, STABLE_PLACE, Runtime
from campaign.states import Lane


@dataclass(frozen=True)
class Restored:
    """What was held back."""

    lanes: int
    blasts: int
    sessions: int


def declare_restored(store: Store, *, now: datetime) -> Restored:
    """Give the installation a new epoch, pause both lanes and all updates that were running, and sign everybody out.

    Updates that were scheduled before are held once they are due, for they carry the old epoch. Running it
    again does no harm. The processes must be started after it, for they keep the epoch that they began with. It needs
    no keys: a database that is restored before its keys are brought back sends no mail either.
    """

    def work(tx: Transaction) -> Restored:
        epoch = instance.new_epoch(tx)
        paused = sum(outbox_lanes.pause(tx, lane, by=CLI, reason=outbox_lanes.RESTORED, now=now) for lane in Lane)
        running = [blast for blast in blast_queries.unfinished(tx) if blast.started_at is not None]
        held = sum(blast_queries.hold(tx, blast.id, reason="other_epoch", now=now) for blast in running)
        ended = account_queries.end_all_sessions(tx)
        audit.add(
            tx,
            action="instance.restored",
            subject="instance",
            subject_id=1,
            actor="cli",
            detail={"epoch": str(epoch), "lanes": paused, "blasts": held},
        )
        return Restored(paused, held, ended)

    return store.transact(work)


SLICE = 100


def rewrap(runtime: Runtime) -> int:
    """Wrap all data keys anew that are not under the newest instance key; what they encrypt stays as it is.

    In slices, so that it may be stopped and run again at any time; a second run finds nothing to do. The keys of the
    installation come last: once they are under the newest key everything is, and no process starts without that key.

    Returns:
        How many keys were wrapped anew.

    Raises:
        DecryptionError: a key that is needed is not listed in COUNTERSIGN_KEYS.
    """
    total, last = 0, 0
    while True:
        last, changed = runtime.store.transact(partial(_slice, runtime, after=last))
        total += changed
        if not last:
            break
    return total + runtime.store.transact(partial(_instance, runtime))


def _slice(runtime: Runtime, tx: Transaction, *, after: int) -> tuple[int, int]:
    found = petition_queries.wrapped_otherwise(tx, key_id=runtime.keyring.newest, after=after, limit=SLICE)
    for petition_id, sealed in found:
        fresh = runtime.keyring.rewrap(sealed, KEY_PLACE)
        if fresh is not None:
            petition_queries.rewrap(tx, petition_id, fresh)
    return (found[-1][0] if found else 0), len(found)


def _instance(runtime: Runtime, tx: Transaction) -> int:
    stored = instance.find(tx, lock=True)
    if stored is None:
        return 0
    stable = runtime.keyring.rewrap(stored.stable, STABLE_PLACE)
    accounts = runtime.keyring.rewrap(stored.accounts, ACCOUNT_PLACE)
    if stable is None and accounts is None:
        return 0
    instance.rewrap(tx, instance.Instance(stored.epoch, stable or stored.stable, accounts or stored.accounts))
    return sum(fresh is not None for fresh in (stable, accounts))
