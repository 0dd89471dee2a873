"""Tries of six-digit codes, counted for each mailbox of a petition, whether or not it has signed."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import text

from campaign.database.connection import Transaction

Place = tuple[int, bytes]
"""A petition's id and the blind index of a mailbox there."""


def count(tx: Transaction, place: Place, *, now: datetime, expires_at: datetime) -> int:
    """Count one try of a code for a mailbox of a petition, whether or not it has signed; returns which try it is.

    Holds the row until the transaction ends, so that tries for one mailbox are made one after the other.
    """
    return int(
        tx.execute(
            text("""
            insert into code_try as t (petition_id, address_index, tries, expires_at)
            values (:petition_id, :address_index, 1, :expires_at)
            on conflict (petition_id, address_index) do update set
                tries = case when t.expires_at <= :now then 1 else least(t.tries + 1, 30000) end,
                expires_at = case when t.expires_at <= :now then excluded.expires_at else t.expires_at end
            returning tries"""),
            petition_id=place[0],
            address_index=place[1],
            now=now,
            expires_at=expires_at,
        ).scalar_one()
    )


def grant(tx: Transaction, places: Iterable[Place]) -> None:
    """Let the tries of some mailboxes start from none again."""
    chosen = sorted(places)
    tx.execute(
        text("""
        delete from code_try t using (
            select t.petition_id, t.address_index from code_try t
            join unnest(cast(:petitions as int[]), cast(:addresses as bytea[])) as o(petition_id, address_index)
                on t.petition_id = o.petition_id and t.address_index = o.address_index
            order by 1, 2 for update of t) o
        where t.petition_id = o.petition_id and t.address_index = o.address_index"""),
        petitions=[petition_id for petition_id, _ in chosen],
        addresses=[address_index for _, address_index in chosen],
    )


def purge(tx: Transaction, *, now: datetime) -> int:
    """Delete tries that no longer limit anything; returns how many."""
    return tx.execute(text("delete from code_try where expires_at < :now"), now=now).rowcount
