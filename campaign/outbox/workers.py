"""Workers: who they are and when they were last seen."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text

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
    folder: str | None = None
    """Its data folder, if it can't be used at present."""
    folder_problem: str | None = None
    """Why: ``full`` or ``unwritable``."""
    folder_since: datetime | None = None


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


def seen(
    tx: Transaction, worker_id: int, *, now: datetime, folder: str | None = None, folder_problem: str | None = None
) -> None:
    """The heartbeat; a worker that was taken for dead is alive again.

    Args:
        tx: the open transaction.
        worker_id: which worker.
        now: the present moment.
        folder: its data folder, if that can't be used.
        folder_problem: why: ``full`` or ``unwritable``.
    """
    tx.execute(
        text("""
        update worker set seen_at = :now, stopped_at = null, folder = :folder,
            folder_problem = cast(:problem as varchar),
            folder_since = case when cast(:problem as varchar) is not null then coalesce(folder_since, :now) end
        where id = :id"""),
        id=worker_id,
        now=now,
        folder=folder,
        problem=folder_problem,
    )


def last_seen(tx: Transaction) -> dict[Lane, Worker]:
    """The worker of each lane that was seen last, whether or not it has ended."""
    rows = tx.execute(
        text(f"select distinct on (lane) {_COLUMNS} from worker order by lane, seen_at desc"),
    )
    return {worker.lane: worker for worker in map(_worker, rows)}


def stopped(tx: Transaction, worker_id: int, *, now: datetime) -> None:
    """Note an orderly end, or a death that was found out."""
    tx.execute(text("update worker set stopped_at = :now where id = :id and stopped_at is null"), id=worker_id, now=now)


def alive(tx: Transaction, *, since: datetime) -> list[Worker]:
    """Workers seen since a moment and not stopped."""
    rows = tx.execute(
        text(f"""
        select {_COLUMNS} from worker
        where stopped_at is null and seen_at > :since order by lane, host, pid"""),
        since=since,
    )
    return [_worker(row) for row in rows]


_COLUMNS = "id, host, pid, lane, started_at, seen_at, stopped_at, folder, folder_problem, folder_since"


def _worker(row: Row[Any]) -> Worker:
    values = row._asdict()
    return Worker(**(values | {"lane": Lane(values["lane"])}))


def purge(tx: Transaction, *, before: datetime) -> int:
    """Forget workers that ended long ago."""
    return tx.execute(text("delete from worker where seen_at < :before"), before=before).rowcount
