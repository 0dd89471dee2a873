"""Milestones as policy: every threshold recorded once, only the largest announced, never twice."""

from datetime import datetime, timedelta

from campaign.accounts import audit
from campaign.accounts.accounts import Account
from campaign.database.connection import Transaction
from campaign.domain.blast import UNDO, BlastKind
from campaign.errors import ConflictError
from campaign.petitions import queries as petition_queries
from campaign.petitions.rules import LADDER, crossed, thresholds_up_to
from campaign.runtime import Runtime
from campaign.signatures.counts import Change
from campaign.states import PetitionState
from campaign.store import blasts, milestones

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
    ladder = milestones.own_ladder(tx, petition_id) or [*LADDER, *thresholds_up_to(change.after)]
    new = []
    for threshold in crossed(change.before, change.after, sorted(set(ladder))):
        # The signature that reached it; when others left in the same run, the last one is the safe answer.
        position = min(max(threshold - change.before - 1, 0), len(added) - 1)
        reached_at = added[position]
        if milestones.record(tx, petition_id, threshold=threshold, reached_at=reached_at, decision="recorded"):
            new.append((threshold, reached_at))
    if not new:
        return
    for threshold, _ in new[:-1]:
        milestones.record_decision(tx, petition_id, threshold, decision="merged")
    largest, reached_at = new[-1]
    _announce(runtime, tx, petition_id, largest, reached_at)


def _announce(runtime: Runtime, tx: Transaction, petition_id: int, threshold: int, reached_at: datetime) -> None:
    policy = milestones.policy_of(tx, petition_id)
    stored = petition_queries.by_id(tx, petition_id)
    now = runtime.clock()
    if policy == "record" or stored is None:
        return
    if stored.petition.state is not PetitionState.LIVE or reached_at < now - FRESH:
        milestones.record_decision(tx, petition_id, threshold, decision="late")
        return
    blast_id = blasts.add(
        tx, petition_id=petition_id, kind=BlastKind.MILESTONE, request_key=f"milestone.{petition_id}.{threshold}",
        threshold=threshold,
    )  # fmt: skip
    if policy == "approve":
        milestones.record_decision(tx, petition_id, threshold, decision="waiting", blast_id=blast_id)
        return
    blasts.schedule(
        tx, blast_id, send_at=now, time_zone="UTC", max_lateness=runtime.settings.max_lateness, epoch=runtime.epoch,
        now=now, by=None,
    )  # fmt: skip
    milestones.record_decision(tx, petition_id, threshold, decision="announced", blast_id=blast_id)


def list_of(runtime: Runtime, petition_id: int) -> list[milestones.Milestone]:
    """The milestones a petition reached, largest first, each with what became of it."""
    return runtime.store.transact(lambda tx: milestones.of_petition(tx, petition_id))


def approve(runtime: Runtime, petition_id: int, threshold: int, *, by: Account) -> datetime:
    """Say yes to an announcement that waits; returns the moment it goes out, after the time to think again.

    Only one of two organisers who press at once gets here: the decision moves from ``waiting`` once (P8).

    Raises:
        ConflictError: it does not wait (any more), or the petition is not live.
    """
    now = runtime.clock()

    def work(tx: Transaction) -> datetime:
        stored = petition_queries.by_id(tx, petition_id)
        if stored is None or stored.petition.state is not PetitionState.LIVE:
            raise ConflictError("a closed petition announces no milestones")
        blast_id = milestones.settle_waiting(tx, petition_id, threshold, decision="announced")
        if blast_id is None:
            raise ConflictError("this milestone does not wait for an answer any more")
        scheduled = blasts.schedule(
            tx, blast_id, send_at=now + UNDO, time_zone=by.time_zone, max_lateness=runtime.settings.max_lateness,
            epoch=runtime.epoch, now=now, by=by.id,
        )  # fmt: skip
        if not scheduled:
            raise ConflictError("this announcement was cancelled")
        _audit(tx, "milestone.approve", petition_id, threshold, by)
        return now + UNDO

    return runtime.store.transact(work)


def decline(runtime: Runtime, petition_id: int, threshold: int, *, by: Account) -> None:
    """Say no to an announcement that waits; the milestone stays on record and is never asked about again.

    Raises:
        ConflictError: it does not wait (any more).
    """
    now = runtime.clock()

    def work(tx: Transaction) -> None:
        blast_id = milestones.settle_waiting(tx, petition_id, threshold, decision="declined")
        if blast_id is None:
            raise ConflictError("this milestone does not wait for an answer any more")
        blasts.cancel(tx, blast_id, now=now)
        _audit(tx, "milestone.decline", petition_id, threshold, by)

    runtime.store.transact(work)


def take_back(runtime: Runtime, petition_id: int, threshold: int, *, by: Account) -> None:
    """Undo a yes before the announcement has started: it waits again.

    Raises:
        ConflictError: it has started, or nobody approved it.
    """

    def work(tx: Transaction) -> None:
        blast_id = milestones.blast_of(tx, petition_id, threshold)
        if blast_id is None or not blasts.unschedule(tx, blast_id):
            raise ConflictError("this announcement has started")
        milestones.record_decision(tx, petition_id, threshold, decision="waiting")
        _audit(tx, "milestone.take_back", petition_id, threshold, by)

    runtime.store.transact(work)


def _audit(tx: Transaction, action: str, petition_id: int, threshold: int, by: Account) -> None:
    audit.add(
        tx, action=action, subject="milestone", subject_id=None, petition_id=petition_id, account_id=by.id,
        detail={"threshold": threshold},
    )  # fmt: skip
