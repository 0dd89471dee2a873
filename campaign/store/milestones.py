"""Milestones: every threshold once per petition, whatever happens to the count later."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from campaign.store.database import Transaction


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


def thresholds(tx: Transaction, petition_id: int) -> list[int]:
    """The thresholds recorded for a petition, smallest first."""
    return list(
        tx.execute(
            text("select threshold from milestone where petition_id = :id order by threshold"), id=petition_id
        ).scalars()
    )


def decide(tx: Transaction, petition_id: int, threshold: int, *, decision: str, blast_id: int | None = None) -> None:
    """Note what became of a recorded milestone."""
    tx.execute(
        text("""
        update milestone set decision = :decision, blast_id = coalesce(:blast_id, blast_id)
        where petition_id = :petition_id and threshold = :threshold"""),
        petition_id=petition_id, threshold=threshold, decision=decision, blast_id=blast_id,
    )  # fmt: skip


def decline(tx: Transaction, blast_id: int) -> None:
    """Note that an organiser did not want a milestone announced."""
    tx.execute(text("update milestone set decision = 'declined' where blast_id = :id"), id=blast_id)


def approve(tx: Transaction, blast_id: int) -> None:
    """Note that an organiser approved an announcement."""
    tx.execute(text("update milestone set decision = 'announced' where blast_id = :id"), id=blast_id)


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


def policy(tx: Transaction, petition_id: int) -> str:
    """``announce``, ``approve`` (an organiser must say yes first) or ``record`` only."""
    return str(tx.execute(text("select milestone_policy from petition where id = :id"), id=petition_id).scalar_one())


def own_ladder(tx: Transaction, petition_id: int) -> list[int] | None:
    """The thresholds an organiser chose; None for the default ladder."""
    ladder: list[int] | None = tx.execute(
        text("select milestones from petition where id = :id"), id=petition_id
    ).scalar_one()
    return ladder
