"""Milestones: every threshold once per petition, whatever happens to the count later."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from campaign.database.connection import Transaction


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


def thresholds_of(tx: Transaction, petition_id: int) -> list[int]:
    """The thresholds recorded for a petition, smallest first."""
    return list(
        tx.execute(
            text("select threshold from milestone where petition_id = :id order by threshold"), id=petition_id
        ).scalars()
    )


def record_decision(
    tx: Transaction, petition_id: int, threshold: int, *, decision: str, blast_id: int | None = None
) -> None:
    """Note what became of a recorded milestone."""
    tx.execute(
        text("""
        update milestone set decision = :decision, blast_id = coalesce(:blast_id, blast_id)
        where petition_id = :petition_id and threshold = :threshold"""),
        petition_id=petition_id, threshold=threshold, decision=decision, blast_id=blast_id,
    )  # fmt: skip


def settle_waiting(tx: Transaction, petition_id: int, threshold: int, *, decision: str) -> int | None:
    """Answer a milestone that waits, once; returns its blast, or None if it does not wait (any more)."""
    found: int | None = tx.execute(
        text("""
        update milestone set decision = :decision
        where petition_id = :petition_id and threshold = :threshold and decision = 'waiting' returning blast_id"""),
        petition_id=petition_id, threshold=threshold, decision=decision,
    ).scalar_one_or_none()  # fmt: skip
    return found


def blast_of(tx: Transaction, petition_id: int, threshold: int) -> int | None:
    """The announcement of an announced milestone; the row is locked, so that two answers come one after the other."""
    found: int | None = tx.execute(
        text("""
        select blast_id from milestone
        where petition_id = :petition_id and threshold = :threshold and decision = 'announced' for update"""),
        petition_id=petition_id, threshold=threshold,
    ).scalar_one_or_none()  # fmt: skip
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
