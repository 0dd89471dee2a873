"""Domains that asked for less mail, by keyed hash, and how much bulk mail went today."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text

from campaign.database.connection import Transaction
from campaign.domain.pace import HELD, RECOVERY, Slowness, first_sign, held


def slowed(tx: Transaction, *, now: datetime) -> dict[bytes, Slowness]:
    """The domains that are slowed at present, by key; a handful."""
    rows = tx.execute(text("select key, factor, since from slow_domain where since > :oldest"), oldest=now - _LONGEST)
    return {bytes(row.key): Slowness(row.factor, row.since) for row in rows}


_LONGEST = RECOVERY * 13
"""After this even a held domain has recovered: 1/4096 doubled twelve times."""
assert 2**12 * HELD == 1  # noqa: S101 - the two numbers belong together


def slow_down(tx: Transaction, keys: Sequence[bytes], *, now: datetime) -> None:
    """Slow domains that asked for it."""
    for key in sorted(keys):
        row = tx.execute(
            text("select factor, since from slow_domain where key = :key for update"), key=key
        ).one_or_none()
        _store(tx, key, first_sign(now) if row is None else Slowness(row.factor, row.since).asked_again(now))


def hold(tx: Transaction, keys: Sequence[bytes], *, now: datetime) -> None:
    """Hold domains that refuse our mail for our own sake."""
    for key in sorted(keys):
        _store(tx, key, held(now))


def _store(tx: Transaction, key: bytes, slower: Slowness) -> None:
    tx.execute(
        text("""
        insert into slow_domain (key, factor, since) values (:key, :factor, :since)
        on conflict (key) do update set factor = excluded.factor, since = excluded.since"""),
        key=key, factor=slower.factor, since=slower.since,
    )  # fmt: skip


def forget(tx: Transaction, *, now: datetime) -> int:
    """Delete domains that have recovered; returns how many."""
    return tx.execute(text("delete from slow_domain where since <= :oldest"), oldest=now - _LONGEST).rowcount


def sent_since(tx: Transaction, *, since: datetime) -> int:
    """Bulk mails that the mail server took, or may have taken, since a moment, and those on their way to it.

    Whoever asks, to claim by the answer, waits for the transaction of whoever asked before.
    """
    tx.execute(text("select pg_advisory_xact_lock(hashtext('countersign.warm_up'))"))
    return int(
        tx.execute(
            text("""
            select (select count(*) from message where lane = 'bulk' and state = 'accepted' and settled_at >= :since)
                + (select count(*) from message where lane = 'bulk' and state = 'uncertain' and settled_at >= :since)
                + (select count(*) from message where lane = 'bulk' and state in ('claimed', 'submitting'))"""),
            since=since,
        ).scalar_one()
    )
