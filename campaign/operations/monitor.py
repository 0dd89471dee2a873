"""The monitor: one snapshot, which the page, the command, the JSON and /metrics show alike."""

from dataclasses import asdict
from datetime import UTC, datetime, tzinfo
from typing import Any

from campaign.blasts import progress as blast_progress
from campaign.database import jobs as database_jobs
from campaign.database.connection import Transaction
from campaign.errors import StoreUnavailableError
from campaign.operations import broker, queries, relay_status
from campaign.operations import snapshot as operations_snapshot
from campaign.operations.health import WORKER_SEEN, Snapshot, WorkerStatus, judge
from campaign.operations.status_line import sentence
from campaign.outbox import workers
from campaign.runtime import Runtime
from campaign.settings import Settings
from campaign.signatures import funnel, request_queries

JOBS = (
    "blasts.start_due",
    "feedback.apply",
    "feedback.purge",
    "feedback.read_mailbox",
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
            workers=tuple(
                WorkerStatus(row.id, row.host, row.pid, row.lane, row.started_at, row.seen_at)
                for row in workers.alive(tx, since=now - WORKER_SEEN)
            ),
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
        )

    try:
        return runtime.store.transact(work)
    except StoreUnavailableError:
        return Snapshot(at=now, database_ok=False, broker=seen)


def take_without_database(settings: Settings, *, now: datetime) -> Snapshot:
    """What can be said when no runtime can be built, for the database does not answer."""
    seen = broker.look(settings.redis_url, prefix=settings.redis_prefix)
    return Snapshot(at=now, database_ok=False, broker=seen)


def document(snapshot: Snapshot, locale: str = "en", *, zone: tzinfo | None = None) -> dict[str, Any]:
    """The snapshot as plain JSON with stable keys: moments in ISO 8601 (UTC), ages in seconds."""
    verdict = judge(snapshot)
    said = {"code": str(verdict.code), "level": str(verdict.level), "text": sentence(snapshot, locale, zone=zone)}
    plain: dict[str, Any] = _plain(asdict(snapshot))
    plain["sentence"] = said | {"lane": str(verdict.lane.lane) if verdict.lane is not None else None}
    for flow, lane in zip(snapshot.lanes, plain["lanes"], strict=True):
        waited = flow.waiting_time(snapshot.at)
        lane["oldest_waiting_seconds"] = None if waited is None else round(waited.total_seconds(), 1)
        lane["finish_at"] = _plain(flow.finish_at(snapshot.at))
        lane["rate"] = round(flow.rate, 2)
    for blast, look in zip(snapshot.blasts, plain["blasts"], strict=True):
        look |= {"finish_at": _plain(blast.finish_at(snapshot.at)), "rate": round(blast.rate, 2)}
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
