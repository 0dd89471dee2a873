"""Milestones: every threshold once per petition, whatever happens to the count later."""

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


def own_ladder(tx: Transaction, petition_id: int) -> list[int] | None:
    """The thresholds an organiser chose; None for the default ladder."""
    ladder: list[int] | None = tx.execute(
        text("select milestones from petition where id = :id"), id=petition_id
    ).scalar_one()
    return ladder
