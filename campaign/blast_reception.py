"""Reception: a blast that too many servers refuse, or too many people complain of, pauses by itself (F15, F49)."""

import logging
from collections.abc import Iterable
from datetime import datetime

from campaign.accounts import audit
from campaign.database.connection import Transaction
from campaign.runtime import Runtime
from campaign.store import blasts, receptions

log = logging.getLogger(__name__)


def watch(runtime: Runtime) -> int:
    """Look at the blasts that complaints came in about, whoever recorded them; returns how many paused.

    Looking again changes nothing, and any worker may.
    """
    now = runtime.clock()
    return runtime.store.transact(lambda tx: look(tx, receptions.complained_of(tx), now=now))


def look(tx: Transaction, blast_ids: Iterable[int], *, now: datetime) -> int:
    """Pause those of the blasts that pass a limit; returns how many. Looking again changes nothing.

    To be called in the transaction that recorded a rejection, a bounce or a complaint. A person may let the blast go
    on; then only what comes after counts.
    """
    paused = 0
    for blast_id in sorted(set(blast_ids)):
        found = receptions.of_blast(tx, blast_id)
        reason = found.reason_to_pause()
        if reason is None or not blasts.hold(tx, blast_id, reason=reason, now=now):
            continue
        paused += 1
        log.warning("blast %d paused itself: %s", blast_id, reason)
        audit.add(
            tx, action="blast.pause", subject="blast", subject_id=blast_id, detail={
                "reason": reason, "accepted": found.accepted, "rejected": found.rejected,
                "complained": found.complained, "same_refusals": found.same_refusals,
            },
        )  # fmt: skip
    return paused
