"""Counting: move confirmed signatures into the cached count, and give ended ones back."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from campaign.database.connection import Transaction


@dataclass(frozen=True)
class Change:
    """What one run of the counter found for a petition."""

    petition_id: int
    before: int
    after: int
    confirmed: int
    withdrawn: int
    removed: int


def petitions_to_count(tx: Transaction) -> list[int]:
    """Petitions whose cached count is behind; reads an index that is empty when all is counted."""
    # The planner can't know that hardly any row is left uncounted, and would read the whole table every two seconds.
    tx.execute(text("set local enable_seqscan = off"))
    return list(
        tx.execute(text("select distinct petition_id from signature where (state = 'confirmed') <> counted")).scalars()
    )


def count_petition(tx: Transaction, petition_id: int, *, now: datetime) -> tuple[Change, list[datetime]]:
    """Bring the count of one petition up to date; each signature is added and taken off exactly once.

    Returns:
        The change, and the confirmation times of the added signatures in order, for the milestones.
    """
    before: int = tx.execute(
        text("select count as signatures from petition where id = :id for update"), id=petition_id
    ).scalar_one()
    added = list(
        tx.execute(
            text("""
            update signature set counted = true
            where petition_id = :id and (state = 'confirmed') <> counted and state = 'confirmed'
            returning confirmed_at"""),
            id=petition_id,
        ).scalars()
    )
    gone = list(
        tx.execute(
            text("""
            update signature set counted = false
            where petition_id = :id and (state = 'confirmed') <> counted and counted returning state"""),
            id=petition_id,
        ).scalars()
    )
    removed = sum(1 for state in gone if state == "removed")
    change = Change(petition_id, before, before + len(added) - len(gone), len(added), len(gone) - removed, removed)
    if added or gone:
        tx.execute(
            text("update petition set count = :count, counted_at = :now where id = :id"),
            id=petition_id,
            count=change.after,
            now=now,
        )
        _explain(tx, change, recounted=0, now=now)
    return change, sorted(added)


def _explain(tx: Transaction, change: Change, *, recounted: int, now: datetime) -> None:
    tx.execute(
        text("""
        insert into count_change (petition_id, at, confirmed, withdrawn, removed, recounted, count)
        values (:id, :now, :confirmed, :withdrawn, :removed, :recounted, :count)"""),
        id=change.petition_id,
        now=now,
        confirmed=change.confirmed,
        withdrawn=change.withdrawn,
        removed=change.removed,
        recounted=recounted,
        count=change.after,
    )


def recount(tx: Transaction, petition_id: int, *, now: datetime) -> int:
    """Count from the rows and compare; a drift, which should not exist, is mended, dated and returned."""
    cached: int = tx.execute(
        text("select count as signatures from petition where id = :id for update"), id=petition_id
    ).scalar_one()
    true: int = tx.execute(
        text("select count(*) from signature where petition_id = :id and counted"), id=petition_id
    ).scalar_one()
    if true != cached:
        tx.execute(text("update petition set count = :true where id = :id"), id=petition_id, true=true)
        _explain(tx, Change(petition_id, cached, true, 0, 0, 0), recounted=true - cached, now=now)
    return true - cached


def confirmed(tx: Transaction, petition_id: int) -> int:
    """The confirmed signatures in the database at this moment: what the count must equal."""
    return int(
        tx.execute(
            text("select count(*) from signature where petition_id = :id and state = 'confirmed'"), id=petition_id
        ).scalar_one()
    )
