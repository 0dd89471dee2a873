"""Tries of six-digit codes, counted whether or not the address has signed, so that a code can't be guessed.

Strangers can't use up the tries of others: each page after signing has tries of its own, and where the address is
typed they are counted for each network. The keys are hashes that nothing in the database leads back from.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import text

from campaign.database.connection import Transaction


@dataclass(frozen=True)
class Limit:
    """How many wrong codes are allowed under a key."""

    key: bytes = field(repr=False)
    most: int


def count(tx: Transaction, limits: Sequence[Limit], *, now: datetime, expires_at: datetime) -> bool:
    """Count one try under some keys; returns False if one of them has no try left.

    Holds the rows until the transaction ends, so that tries under one key are made one after the other.
    """
    ordered = sorted(limits, key=lambda limit: limit.key)
    rows = tx.execute(
        text("""
        insert into code_guess as t (key, tries, expires_at)
        select key, 1, :expires_at from unnest(cast(:keys as bytea[])) as o(key)
        on conflict (key) do update set
            tries = case when t.expires_at <= :now then 1 else least(t.tries + 1, 30000) end,
            expires_at = case when t.expires_at <= :now then excluded.expires_at else t.expires_at end
        returning key, tries"""),
        keys=[limit.key for limit in ordered],
        now=now,
        expires_at=expires_at,
    )
    tries = {bytes(row.key): row.tries for row in rows}
    return all(tries[limit.key] <= limit.most for limit in limits)


def reset(tx: Transaction, limits: Sequence[Limit]) -> None:
    """Let the tries under some keys start from none again: the right code is no guess."""
    tx.execute(text("delete from code_guess where key = any(:keys)"), keys=[limit.key for limit in limits])


def purge(tx: Transaction, *, now: datetime) -> int:
    """Delete tries that no longer limit anything; returns how many."""
    tx.execute(text("delete from code_try where expires_at < :now"), now=now)
    return tx.execute(text("delete from code_guess where expires_at < :now"), now=now).rowcount
