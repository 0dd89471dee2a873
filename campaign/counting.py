"""The counter: one at a time, exact by construction, cheap whatever the size of a petition."""

import logging
from functools import partial

from campaign.database import jobs as database_jobs
from campaign.database.connection import Transaction
from campaign.milestones import announce_crossed
from campaign.petitions import queries as petition_queries
from campaign.runtime import Runtime
from campaign.signatures import counts
from campaign.states import PetitionState

log = logging.getLogger(__name__)

LOCK = 0x_C0_57_17
"""Advisory lock: whoever finds it taken need not wait, for the count is being brought up to date."""


def count_signatures(runtime: Runtime) -> int:
    """Add what was confirmed since the last run, take off what ended, and record each milestone crossed, once.

    Running it twice, or from two hosts at once, is harmless: a row is counted when its flag says it is not, under a
    lock, in the transaction that writes the petition's count.

    Returns:
        How many petitions changed.
    """
    now = runtime.clock()

    def work(tx: Transaction) -> int:
        if not database_jobs.only_one(tx, LOCK):
            return 0
        changed = counts.petitions_to_count(tx)
        for petition_id in changed:
            change, added = counts.count_petition(tx, petition_id, now=now)
            announce_crossed(runtime, tx, change, added)
        return len(changed)

    return runtime.store.transact(work)


def recount(runtime: Runtime) -> int:
    """Count every petition from its rows and mend a drift, with a dated entry; returns the sum of the drifts."""
    found = runtime.store.transact(lambda tx: petition_queries.in_states(tx, list(PetitionState)))
    drift = 0
    for stored in found:
        petition_id = stored.petition.id
        difference = runtime.store.transact(partial(counts.recount, petition_id=petition_id, now=runtime.clock()))
        if difference:
            log.error("recount: petition %d was off by %d", petition_id, difference)
        drift += abs(difference)
    return drift
