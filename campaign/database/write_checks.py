"""Whether the database takes writes, as a process that only reads would not find out (SQLSTATE 25006, 53100).

A row that is updated in place needs no new disk space. So a check also lets a small result spill to a temporary file,
which fails with 53100 once the disk is full, and costs a millisecond, no lock and no row.
"""

from datetime import datetime, timedelta

from sqlalchemy import text

from campaign.database.connection import Transaction

KEPT = timedelta(days=1)
"""How long the row of a process that has ended is kept."""


def note(tx: Transaction, *, host: str, pid: int, now: datetime) -> None:
    """Write the row of this process, and use some disk."""
    tx.execute(
        text("""
        insert into write_check (host, pid, checked_at) values (:host, :pid, :now)
        on conflict (host, pid) do update set checked_at = excluded.checked_at"""),
        host=host[:253],
        pid=pid,
        now=now,
    )
    use_disk(tx)


def use_disk(tx: Transaction) -> None:
    """Write some 110 KB to a temporary file, which is gone with the statement.

    It lies in the default tablespace of the database, or in that of ``temp_tablespaces``.
    """
    tx.execute(text("set local work_mem = '64kB'"))
    tx.execute(text("select count(*) from generate_series(1, 8000)"))


def rehearse(tx: Transaction, *, now: datetime) -> None:
    """Write a row and take it back, and use some disk: for those that only look."""
    with tx.connection.begin_nested() as savepoint:
        note(tx, host="", pid=0, now=now)
        savepoint.rollback()


def purge(tx: Transaction, *, before: datetime) -> int:
    """Delete the rows of processes that have ended."""
    return tx.execute(text("delete from write_check where checked_at < :before"), before=before).rowcount
