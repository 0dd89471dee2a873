"""After a backup was restored nothing is mailed by itself: nobody knows what went out since the backup was taken."""

from dataclasses import dataclass

from campaign.accounts import audit
from campaign.accounts import queries as account_queries
from campaign.blasts import queries as blast_queries
from campaign.database import instance
from campaign.database.connection import Transaction
from campaign.lanes import CLI
from campaign.outbox import lanes as outbox_lanes
from campaign.runtime import Runtime
from campaign.states import Lane

REASON = "A backup was restored: look at what waits before you resume."


@dataclass(frozen=True)
class Restored:
    """What was held back."""

    lanes: int
    blasts: int
    sessions: int


def declare_restored(runtime: Runtime) -> Restored:
    """Give the installation a new epoch, pause both lanes and all updates that were running, and sign everybody out.

    Updates that were scheduled before are held for a person once they are due, for they carry the old epoch. Running it
    again does no harm. The processes must be started after it, for they keep the epoch that they began with.
    """
    now = runtime.clock()

    def work(tx: Transaction) -> Restored:
        epoch = instance.new_epoch(tx)
        paused = sum(outbox_lanes.pause(tx, lane, by=CLI, reason=REASON, now=now) for lane in Lane)
        running = [blast for blast in blast_queries.unfinished(tx) if blast.started_at is not None]
        held = sum(blast_queries.hold(tx, blast.id, reason="other_epoch", now=now) for blast in running)
        ended = account_queries.end_all_sessions(tx)
        audit.add(
            tx, action="instance.restored", subject="instance", subject_id=1, actor="cli",
            detail={"epoch": str(epoch), "lanes": paused, "blasts": held},
        )  # fmt: skip
        return Restored(paused, held, ended)

    return runtime.store.transact(work)
