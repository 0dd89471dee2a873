"""The monitor: one snapshot, which the page, the command, the JSON and /metrics show alike."""

import os
import platform
from dataclasses import asdict, replace
from datetime import UTC, datetime, tzinfo
from typing import Any

from campaign.blasts import progress as blast_progress
from campaign.database import jobs as database_jobs
from campaign.database import write_checks
from campaign.database.connection import Transaction
from campaign.errors import Cause, StoreUnavailableError
from campaign.operations import broker, queries, relay_status, site
from campaign.operations import snapshot as operations_snapshot
from campaign.operations.diagnosis import judge
from campaign.operations.health import WORKER_SEEN, Snapshot, WorkerStatus
from campaign.operations.standing import LaneStanding
from campaign.operations.status_line import others, sentence
from campaign.outbox import workers
from campaign.outbox.workers import Worker
from campaign.runtime import Runtime
from campaign.settings import Settings
from campaign.signatures import funnel, request_queries
from campaign.states import Lane

JOBS = (
    "acts.carry_out",
    "acts.forget",
    "blasts.start_due",
    "feedback.apply",
    "feedback.purge",
    "feedback.read_mailbox",
    "handover.make_packs",
    "lanes.watch_health",
    "mail.recover_leases",
    "personal_data.erase_expired",
    "queues.count",
    "records.purge_expired",
    "signatures.count",
    "signatures.expire",
    "signatures.forget",
    "signatures.measure_funnel",
    "signatures.recount",
    "signatures.rekey",
    "signatures.remind",
    "throughput.record",
)
"""The periodic jobs of tasks/app.py, which this package must not import; a test compares the two.

Rows with other names come from another release, whose workers may still run: they are not shown, and never late.
"""


def take(runtime: Runtime) -> Snapshot:
    """Look at everything once: Redis within a second, then the database in one transaction.

    A database that does not answer is part of the picture, not an error.
    """
    now = runtime.clock()
    # Redis first: no transaction is open while the network answers.
    seen = broker.look(runtime.settings.redis_url, prefix=runtime.settings.redis_prefix)
    proxy_not_set = seen.ok and runtime.networks.is_proxy_noted()

    def work(tx: Transaction) -> Snapshot:
        operations_snapshot.begin(tx)
        held = request_queries.waiting(tx, now=now)
        return Snapshot(
            at=now,
            database_ok=True,
            broker=seen,
            lanes=operations_snapshot.flows(tx, now=now),
            workers=tuple(map(_worker, workers.alive(tx, since=now - WORKER_SEEN))),
            last_tick_at=database_jobs.last_tick(tx),
            stuck=operations_snapshot.stuck(tx, now=now),
            petitions=operations_snapshot.petitions(tx),
            troubles=queries.groups(tx, since=now - operations_snapshot.DAY, now=now),
            blasts=blast_progress.unfinished(tx, now=now),
            jobs=database_jobs.jobs(tx, JOBS),
            relays=relay_status.look(tx, runtime.settings, now=now),
            held_by_networks=held.held,
            held_until=held.last_at,
            confirmations=funnel.last_days(tx, now=now),
            unconfirmed=tuple(low.now.mail_provider for low in funnel.alarms(tx, now=now)),
            proxy_not_set=proxy_not_set,
            switches=tuple(site.switches_on(tx).values()),
        )

    try:
        snapshot = runtime.store.transact(work)
    except StoreUnavailableError as error:
        return Snapshot(at=now, database_ok=False, broker=seen, database_problem=error.cause)
    return replace(snapshot, database_problem=_write_problem(runtime, now))


def _write_problem(runtime: Runtime, now: datetime) -> Cause | None:
    """Why the database takes no writes; None if it does. Nothing is changed."""
    try:
        runtime.store.transact(lambda tx: write_checks.rehearse(tx, now=now))
    except StoreUnavailableError as error:
        return error.cause
    return None


def check_writing(runtime: Runtime) -> None:
    """Write a row of this process, at most once a second however many ask.

    Raises:
        StoreUnavailableError: the database does not answer, or takes no writes; its cause says why.
    """
    host, pid = platform.node(), os.getpid()

    def write() -> StoreUnavailableError | None:
        now = runtime.clock()
        try:
            runtime.store.transact(lambda tx: write_checks.note(tx, host=host, pid=pid, now=now))
        except StoreUnavailableError as error:
            return error
        return None

    problem = runtime.cache.get(("write check",), write)
    if problem is not None:
        raise StoreUnavailableError(str(problem), cause=problem.cause)


def _worker(row: Worker) -> WorkerStatus:
    return WorkerStatus(
        row.id,
        row.host,
        row.pid,
        row.lane,
        row.started_at,
        row.seen_at,
        row.folder,
        row.folder_problem,
        row.folder_since,
    )


def take_without_database(settings: Settings, *, now: datetime, cause: Cause | None = None) -> Snapshot:
    """What can be said when no runtime can be built, for the database does not answer."""
    seen = broker.look(settings.redis_url, prefix=settings.redis_prefix)
    return Snapshot(at=now, database_ok=False, broker=seen, database_problem=cause)


def bulk_hold(runtime: Runtime, *, is_owing: bool) -> LaneStanding | None:
    """What keeps bulk mail from being sent for the whole site; None if nothing does.

    Args:
        runtime: the runtime.
        is_owing: there is something to send.
    """
    now = runtime.clock()
    return runtime.store.transact(
        lambda tx: operations_snapshot.hold(tx, runtime.settings, Lane.BULK, is_owing=is_owing, now=now)
    )


def document(snapshot: Snapshot, locale: str = "en", *, zone: tzinfo | None = None) -> dict[str, Any]:
    """The snapshot as plain JSON with stable keys: moments in ISO 8601 (UTC), ages in seconds."""
    verdict = judge(snapshot)
    said = {"code": str(verdict.code), "level": str(verdict.level), "text": sentence(snapshot, locale, zone=zone)}
    plain: dict[str, Any] = _plain(asdict(snapshot))
    plain["sentence"] = said | {"lane": str(verdict.lane.lane) if verdict.lane is not None else None}
    plain["others"] = list(others(snapshot, locale, zone=zone))
    for flow, lane in zip(snapshot.lanes, plain["lanes"], strict=True):
        waited = flow.waiting_time(snapshot.at)
        lane["oldest_waiting_seconds"] = None if waited is None else round(waited.total_seconds(), 1)
        lane["finish_at"] = _plain(snapshot.finish_of(flow))
        lane["standing"] = str(snapshot.stand(flow).code)
        lane["rate"] = round(flow.rate, 2)
    for blast, look in zip(snapshot.blasts, plain["blasts"], strict=True):
        look |= {"finish_at": _plain(snapshot.finish_of_blast(blast)), "rate": round(blast.rate, 2)}
    for trouble, group in zip(snapshot.troubles, plain["troubles"], strict=True):
        # What `countersign messages retry --group` takes.
        group["key"] = trouble.key
    return plain


def _plain(value: object) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return value
