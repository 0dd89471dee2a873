"""Workers: who they are and when they were last seen."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from campaign.database.connection import Transaction
from campaign.states import Lane


@dataclass(frozen=True)
class Worker:
    """One sending process."""

    id: int
    host: str
    pid: int
    lane: Lane
    started_at: datetime
    seen_at: datetime
    stopped_at: datetime | None


def add(tx: Transaction, *, host: str, pid: int, lane: Lane) -> int:
    """Register a process; its id owns the claims it makes."""
    return int(
        tx.execute(
            text("insert into worker (host, pid, lane) values (:host, :pid, :lane) returning id"),
            host=host,
            pid=pid,
            lane=str(lane),
        ).scalar_one()
    )


def seen(tx: Transaction, worker_id: int, *, now: datetime) -> None:
    """The heartbeat; a worker that was taken for dead is alive again."""
    tx.execute(text("update worker set seen_at = :now, stopped_at = null where id = :id"), id=worker_id, now=now)


def stopped(tx: Transaction, worker_id: int, *, now: datetime) -> None:
    """Note an orderly end, or a death that was found out."""
    tx.execute(text("update worker set stopped_at = :now where id = :id and stopped_at is null"), id=worker_id, now=now)


def alive(tx: Transaction, *, since: datetime) -> list[Worker]:
    """Workers seen since a moment and not stopped."""
    rows = tx.execute(
        text("""
        select id, host, pid, lane, started_at, seen_at, stopped_at from worker
        where stopped_at is null and seen_at > :since order by lane, host, pid"""),
        since=since,
    )
    return [
        Worker(row.id, row.host, row.pid, Lane(row.lane), row.started_at, row.seen_at, row.stopped_at) for row in rows
    ]


def purge(tx: Transaction, *, before: datetime) -> int:
    """Forget workers that ended long ago."""
    return tx.execute(text("delete from worker where seen_at < :before"), before=before).rowcount
