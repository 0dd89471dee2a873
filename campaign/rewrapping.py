"""Rewrapping: put every stored data key under the newest instance key, so that an old one can be taken off the list."""

from functools import partial

from campaign.database import instance
from campaign.database.connection import Transaction
from campaign.petitions import queries as petition_queries
from campaign.petitions.petitions import KEY_PLACE
from campaign.runtime import ACCOUNT_PLACE, STABLE_PLACE, Runtime

SLICE = 100


def rewrap(runtime: Runtime) -> int:
    """Wrap all data keys anew that are not under the newest instance key; what they encrypt stays as it is.

    In slices, so that it may be stopped and run again at any time; a second run finds nothing to do. The keys of the
    installation come last: once they are under the newest key everything is, and no process starts without that key.

    Returns:
        How many keys were wrapped anew.

    Raises:
        VaultError: a key that is needed is not listed in COUNTERSIGN_KEYS.
    """
    total, last = 0, 0
    while True:
        last, changed = runtime.store.transact(partial(_slice, runtime, after=last))
        total += changed
        if not last:
            break
    return total + runtime.store.transact(partial(_instance, runtime))


def _slice(runtime: Runtime, tx: Transaction, *, after: int) -> tuple[int, int]:
    found = petition_queries.wrapped_otherwise(tx, key_id=runtime.vault.newest, after=after, limit=SLICE)
    for petition_id, sealed in found:
        fresh = runtime.vault.rewrap(sealed, KEY_PLACE)
        if fresh is not None:
            petition_queries.rewrap(tx, petition_id, fresh)
    return (found[-1][0] if found else 0), len(found)


def _instance(runtime: Runtime, tx: Transaction) -> int:
    stored = instance.find(tx, lock=True)
    if stored is None:
        return 0
    stable = runtime.vault.rewrap(stored.stable, STABLE_PLACE)
    accounts = runtime.vault.rewrap(stored.accounts, ACCOUNT_PLACE)
    if stable is None and accounts is None:
        return 0
    instance.rewrap(tx, instance.Instance(stored.epoch, stable or stored.stable, accounts or stored.accounts))
    return sum(fresh is not None for fresh in (stable, accounts))
