"""Milestones as policy: every threshold recorded once, only the largest announced, never twice."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import text

from campaign.accounts import audit
from campaign.accounts.accounts import Account
from campaign.blasts import queries
from campaign.blasts.rules import UNDO, BlastKind
from campaign.database import jobs as database_jobs
from campaign.database.connection import Transaction
from campaign.errors import ConflictError
from campaign.petitions import queries as petition_queries
from campaign.petitions.rules import LADDER, crossed, thresholds_up_to
from campaign.runtime import Runtime
from campaign.signatures import counts
from campaign.signatures.counts import Change
from campaign.site.current import SwitchName, site_of
from campaign.states import PetitionState


def record(tx: Transaction, petition_id: int, *, threshold: int, reached_at: datetime, decision: str) -> bool:
    """Record a threshold; False if it was recorded before, so that nothing repeats it."""
    return (
        tx.execute(
            text("""
            insert into milestone (petition_id, threshold, reached_at, decision)
            values (:petition_id, :threshold, :reached_at, :decision)
            on conflict (petition_id, threshold) do nothing"""),
            petition_id=petition_id,
            threshold=threshold,
            reached_at=reached_at,
            decision=decision,
        ).rowcount
        == 1
    )


def record_decision(
    tx: Transaction, petition_id: int, threshold: int, *, decision: str, blast_id: int | None = None
) -> None:
    """Note what became of a recorded milestone."""
    tx.execute(
        text("""
        update milestone set decision = :decision, blast_id = coalesce(:blast_id, blast_id)
        where petition_id = :petition_id and threshold = :threshold"""),
        petition_id=petition_id,
        threshold=threshold,
        decision=decision,
        blast_id=blast_id,
    )


def settle_waiting(tx: Transaction, petition_id: int, threshold: int, *, decision: str) -> int | None:
    """Answer a milestone that waits, once; returns its blast, or None if it is not waiting."""
    found: int | None = tx.execute(
        text("""
        update milestone set decision = :decision
        where petition_id = :petition_id and threshold = :threshold and decision = 'waiting' returning blast_id"""),
        petition_id=petition_id,
        threshold=threshold,
        decision=decision,
    ).scalar_one_or_none()
    return found


def blast_of(tx: Transaction, petition_id: int, threshold: int) -> int | None:
    """The announcement of an announced milestone; the row is locked, so that two answers come one after the other."""
    found: int | None = tx.execute(
        text("""
        select blast_id from milestone
        where petition_id = :petition_id and threshold = :threshold and decision = 'announced' for update"""),
        petition_id=petition_id,
        threshold=threshold,
    ).scalar_one_or_none()
    return found


@dataclass(frozen=True)
class Milestone:
    """A threshold that a petition reached."""

    threshold: int
    reached_at: datetime
    decision: str
    blast_id: int | None


def of_petition(tx: Transaction, petition_id: int) -> list[Milestone]:
    """The recorded milestones, largest first."""
    rows = tx.execute(
        text("""
        select threshold, reached_at, decision, blast_id from milestone
        where petition_id = :id order by threshold desc"""),
        id=petition_id,
    )
    return [Milestone(row.threshold, row.reached_at, row.decision, row.blast_id) for row in rows]


def policy_of(tx: Transaction, petition_id: int) -> str:
    """``announce``, ``approve`` (an organiser must say yes first) or ``record`` only."""
    return str(tx.execute(text("select milestone_policy from petition where id = :id"), id=petition_id).scalar_one())


def own_ladder(tx: Transaction, petition_id: int) -> list[int] | None:
    """The thresholds an organiser chose; None for the default ladder."""
    ladder: list[int] | None = tx.execute(
        text("select milestones from petition where id = :id"), id=petition_id
    ).scalar_one()
    return ladder


FRESH = timedelta(hours=24)
"""A milestone that was reached longer ago (an import, a long outage) is recorded but no news."""


def announce_crossed(runtime: Runtime, tx: Transaction, change: Change, added: list[datetime]) -> None:
    """Record the thresholds a change of the count crossed, and plan the announcement of the largest.

    The unique pair of petition and threshold makes every repetition harmless: a count that falls and rises again, a
    recount, a second run of the counter.

    Args:
        runtime: the runtime.
        tx: the counter's transaction.
        change: what the counter found for one petition.
        added: when the added signatures were confirmed, in order.
    """
    petition_id = change.petition_id
    ladder = own_ladder(tx, petition_id) or [*LADDER, *thresholds_up_to(change.after)]
    new = []
    for threshold in crossed(change.before, change.after, sorted(set(ladder))):
        # The signature that reached it; when others left in the same run, the last one is the safe answer.
        position = min(max(threshold - change.before - 1, 0), len(added) - 1)
        reached_at = added[position]
        if record(tx, petition_id, threshold=threshold, reached_at=reached_at, decision="recorded"):
            new.append((threshold, reached_at))
    if not new:
        return
    for threshold, _ in new[:-1]:
        record_decision(tx, petition_id, threshold, decision="merged")
    largest, reached_at = new[-1]
    _announce(runtime, tx, petition_id, largest, reached_at)


def _announce(runtime: Runtime, tx: Transaction, petition_id: int, threshold: int, reached_at: datetime) -> None:
    policy = policy_of(tx, petition_id)
    stored = petition_queries.by_id(tx, petition_id)
    now = runtime.clock()
    if policy == "record" or stored is None:
        return
    if stored.petition.state is not PetitionState.LIVE or reached_at < now - FRESH:
        record_decision(tx, petition_id, threshold, decision="late")
        return
    blast_id = queries.add(
        tx,
        petition_id=petition_id,
        kind=BlastKind.MILESTONE,
        request_key=f"milestone.{petition_id}.{threshold}",
        threshold=threshold,
    )
    if policy == "approve":
        record_decision(tx, petition_id, threshold, decision="waiting", blast_id=blast_id)
        return
    queries.schedule(
        tx,
        blast_id,
        send_at=now,
        time_zone="UTC",
        max_lateness=runtime.settings.max_lateness,
        epoch=runtime.epoch,
        now=now,
        by=None,
    )
    record_decision(tx, petition_id, threshold, decision="announced", blast_id=blast_id)


def list_of(runtime: Runtime, petition_id: int) -> list[Milestone]:
    """The milestones a petition reached, largest first, each with what became of it."""
    return runtime.store.transact(lambda tx: of_petition(tx, petition_id))


def approve(runtime: Runtime, petition_id: int, threshold: int, *, by: Account) -> datetime:
    """Say yes to an announcement that waits; returns the moment it goes out, after the time to think again.

    Only one of two organisers who press at once gets here: the decision moves from ``waiting`` once (P8).

    Raises:
        ConflictError: it is not waiting, or the petition is not live.
    """
    now = runtime.clock()

    def work(tx: Transaction) -> datetime:
        stored = petition_queries.by_id(tx, petition_id)
        if stored is None or stored.petition.state is not PetitionState.LIVE:
            raise ConflictError("a closed petition announces no milestones")
        blast_id = settle_waiting(tx, petition_id, threshold, decision="announced")
        if blast_id is None:
            raise ConflictError("this milestone does not wait for an answer any more")
        scheduled = queries.schedule(
            tx,
            blast_id,
            send_at=now + UNDO,
            time_zone=by.time_zone,
            max_lateness=runtime.settings.max_lateness,
            epoch=runtime.epoch,
            now=now,
            by=by.id,
        )
        if not scheduled:
            raise ConflictError("this announcement was cancelled")
        _audit(tx, "milestone.approve", petition_id, threshold, by)
        return now + UNDO

    return runtime.store.transact(work)


def decline(runtime: Runtime, petition_id: int, threshold: int, *, by: Account) -> None:
    """Say no to an announcement that waits; the milestone stays on record and is never asked about again.

    Raises:
        ConflictError: it is not waiting.
    """
    now = runtime.clock()

    def work(tx: Transaction) -> None:
        blast_id = settle_waiting(tx, petition_id, threshold, decision="declined")
        if blast_id is None:
            raise ConflictError("this milestone does not wait for an answer any more")
        queries.cancel(tx, blast_id, now=now)
        _audit(tx, "milestone.decline", petition_id, threshold, by)

    runtime.store.transact(work)


def take_back(runtime: Runtime, petition_id: int, threshold: int, *, by: Account) -> None:
    """Undo a yes before the announcement has started: it waits again.

    Raises:
        ConflictError: it has started, or was not approved.
    """

    def work(tx: Transaction) -> None:
        blast_id = blast_of(tx, petition_id, threshold)
        if blast_id is None or not queries.unschedule(tx, blast_id):
            raise ConflictError("this announcement has started")
        record_decision(tx, petition_id, threshold, decision="waiting")
        _audit(tx, "milestone.take_back", petition_id, threshold, by)

    runtime.store.transact(work)


def _audit(tx: Transaction, action: str, petition_id: int, threshold: int, by: Account) -> None:
    audit.add(
        tx,
        action=action,
        subject="milestone",
        subject_id=None,
        petition_id=petition_id,
        account_id=by.id,
        detail={"threshold": threshold},
    )


log = logging.getLogger(__name__)

LOCK = 0x_C0_57_17
"""Advisory lock: if it is taken, another worker is updating the counts, so there is no need to wait."""


def count_signatures(runtime: Runtime) -> int:
    """Add what was confirmed since the last run, take off what ended, and record each milestone crossed, once.

    Running it twice, or from two hosts at once, is harmless: a row is counted when its flag says it is not, under a
    lock, in the transaction that writes the petition's count.

    Returns:
        How many petitions changed; none while an admin has paused counting.
    """
    if SwitchName.COUNTING in site_of(runtime).switches:
        return 0
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
    """Count every petition from its rows and mend a drift, with a dated entry; returns the sum of the drifts.

    Nothing is changed while an admin has paused counting.
    """
    if SwitchName.COUNTING in site_of(runtime).switches:
        return 0
    found = runtime.store.transact(lambda tx: petition_queries.in_states(tx, list(PetitionState)))
    drift = 0
    for stored in found:
        petition_id = stored.petition.id
        difference = runtime.store.transact(partial(counts.recount, petition_id=petition_id, now=runtime.clock()))
        if difference:
            log.error("recount: petition %d was off by %d", petition_id, difference)
        drift += abs(difference)
    return drift
