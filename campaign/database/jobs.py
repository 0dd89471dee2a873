"""Periodic jobs: any number of tickers look, one of them starts a job."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text

from campaign.database.connection import Transaction

TICK_LATE = timedelta(seconds=30)
"""Some periodic job is due every ten seconds; three of them missed mean that no ticker looks."""


@dataclass(frozen=True)
class JobStatus:
    """A periodic job."""

    name: str
    next_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    outcome: str | None
    failing_since: datetime | None = None
    """Since when each of its runs has failed; None if the last one ended well."""
    error: str | None = None
    """The last error in words, without any value."""

    def is_late(self, now: datetime) -> bool:
        """True if it fails, or has not been started although it has been due for longer than :data:`TICK_LATE`."""
        return self.failing_since is not None or now - self.next_at > TICK_LATE


def claim_due(tx: Transaction, intervals: dict[str, timedelta], *, now: datetime) -> list[str]:
    """The names of the due jobs whose turn this caller got, in one statement."""
    rows = tx.execute(
        text("""
        insert into periodic_job as j (name, next_at, started_at, waiting_since)
        select o.name, cast(:now as timestamptz) + o.every, :now, :now
        from unnest(cast(:names as text[]), cast(:intervals as interval[])) as o(name, every)
        on conflict (name) do update set next_at = excluded.next_at, started_at = excluded.started_at,
            waiting_since = coalesce(j.waiting_since, excluded.waiting_since)
        where j.next_at <= :now
        returning j.name"""),
        names=list(intervals),
        intervals=list(intervals.values()),
        now=now,
    )
    return list(rows.scalars())


def begun(tx: Transaction, name: str) -> None:
    """Note that a worker has begun a job."""
    tx.execute(text("update periodic_job set waiting_since = null where name = :name"), name=name)


def take_over(tx: Transaction, names: Sequence[str], *, waiting_before: datetime) -> list[str]:
    """The names of jobs that were sent to the workers before a moment and that none has begun; one caller gets each."""
    rows = tx.execute(
        text("""
        update periodic_job set waiting_since = null
        where name = any(cast(:names as text[])) and waiting_since < :before
        returning name"""),
        names=list(names),
        before=waiting_before,
    )
    return sorted(rows.scalars())


def finished(tx: Transaction, name: str, *, outcome: str, now: datetime) -> None:
    """Note how a job ended."""
    tx.execute(
        text("""
        update periodic_job set finished_at = :now, outcome = :outcome, failing_since = null, error = null
        where name = :name"""),
        name=name,
        outcome=outcome,
        now=now,
    )


def failed(tx: Transaction, name: str, *, error: str, now: datetime) -> None:
    """Note that a run of a job failed, and why; the moment of the first of several failures stays."""
    tx.execute(
        text("""
        update periodic_job set failing_since = coalesce(failing_since, :now), error = :error where name = :name"""),
        name=name,
        error=error,
        now=now,
    )


def last_tick(tx: Transaction) -> datetime | None:
    """When any ticker last started a job."""
    moment: datetime | None = tx.execute(text("select max(started_at) from periodic_job")).scalar_one()
    return moment


def jobs(tx: Transaction, names: Sequence[str]) -> tuple[JobStatus, ...]:
    """The jobs of these names that were ever started, by name."""
    rows = tx.execute(
        text("""
        select name, next_at, started_at, finished_at, outcome, failing_since, error from periodic_job
        where name = any(cast(:names as text[])) order by name"""),
        names=list(names),
    )
    return tuple(JobStatus(**row._asdict()) for row in rows)


def failing(tx: Transaction) -> tuple[JobStatus, ...]:
    """The jobs of which the last run failed, by name."""
    rows = tx.execute(
        text("""
        select name, next_at, started_at, finished_at, outcome, failing_since, error from periodic_job
        where failing_since is not null order by name""")
    )
    return tuple(JobStatus(**row._asdict()) for row in rows)


def only_one(tx: Transaction, lock: int) -> bool:
    """True for one transaction at a time; the others need not wait, for the work is being done."""
    return bool(tx.execute(text("select pg_try_advisory_xact_lock(:lock)"), lock=lock).scalar_one())
