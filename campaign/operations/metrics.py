"""The snapshot, and what is counted, in the text format of Prometheus (exposition format 0.0.4).

Counts, row ids and words of ours only. Nothing is counted here: the ledger may hold ten million messages.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4 as CONTENT_TYPE
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from campaign.database import counters
from campaign.database.counters import Counted
from campaign.errors import StoreUnavailableError
from campaign.operations.diagnosis import judge
from campaign.operations.health import Code, LaneHealth, Level, Snapshot
from campaign.operations.standing import Standing
from campaign.runtime import Runtime

__all__ = ["CONTENT_TYPE", "exposition", "read_counts"]

Sample = tuple[tuple[object, ...], float]
"""The values of the labels, in their order, and the value."""


Counts = Mapping[str, Mapping[tuple[str, ...], float]]
"""What :func:`campaign.database.counters.read` gives."""


def read_counts(runtime: Runtime) -> Counts:
    """What was counted by all processes; nothing while the database is away, so that no counter seems to start anew."""
    try:
        return runtime.store.transact(lambda tx: counters.read(tx.connection))
    except StoreUnavailableError:
        return {}


def exposition(snapshot: Snapshot, counts: Counts) -> bytes:
    """All metrics as text; what is not known has no sample."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_SnapshotCollector(snapshot))
    registry.register(_CountsCollector(counts))
    return generate_latest(registry)


@dataclass(frozen=True, eq=False)
class _SnapshotCollector(Collector):
    """The metrics of one snapshot; a registry holds one for the length of one answer."""

    snapshot: Snapshot

    def collect(self) -> Iterator[Metric]:
        yield from _whole(self.snapshot)
        if self.snapshot.database_ok:
            yield from _lanes(self.snapshot)
        yield from _things(self.snapshot)


@dataclass(frozen=True, eq=False)
class _CountsCollector(Collector):
    """What was counted since the first start; a registry holds it for the length of one answer."""

    counts: Counts

    def collect(self) -> Iterator[Metric]:
        for what in counters.ALL:
            yield (_histogram if what.bounds else _counter)(what, self.counts.get(what.name, {}))


def _counter(what: Counted, sums: Mapping[tuple[str, ...], float]) -> Metric:
    family = CounterMetricFamily(f"countersign_{what.name}", what.about, labels=what.labels)
    for labels, value in sums.items():
        family.add_metric(labels, value)
    return family


def _histogram(what: Counted, sums: Mapping[tuple[str, ...], float]) -> Metric:
    family = HistogramMetricFamily(f"countersign_{what.name}", what.about, labels=what.labels)
    for one in counters.histograms(what, sums):
        family.add_metric(one.labels, buckets=list(one.buckets), sum_value=one.seconds)
    return family


def _gauge(name: str, about: str, labels: tuple[str, ...], samples: Iterable[Sample]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"countersign_{name}", about, labels=labels)
    for values, value in samples:
        family.add_metric([str(label) for label in values], value)
    return family


def _single(name: str, about: str, value: float | None) -> GaugeMetricFamily:
    return _gauge(name, about, (), () if value is None else [((), value)])


def _whole(snapshot: Snapshot) -> Iterator[Metric]:
    verdict, broker, tick = judge(snapshot), snapshot.broker, snapshot.last_tick_at
    age = None if tick is None else max((snapshot.at - tick).total_seconds(), 0.0)
    codes = [((code,), code is verdict.code) for code in Code]
    levels = [((level,), level is verdict.level) for level in Level]
    depths = [((queue,), depth) for queue, depth in broker.depths.items()]
    yield _gauge("sentence", "1 for what the monitor's sentence says.", ("code",), codes)
    yield _gauge("level", "1 for how the sentence is meant: good, warning or bad.", ("level",), levels)
    yield _single("database_up", "1 if PostgreSQL answers.", snapshot.database_ok)
    yield _single("database_writable", "1 if PostgreSQL takes writes.", _is_writable(snapshot))
    yield _single("redis_up", "1 if Redis answers.", broker.ok)
    yield _gauge("redis_wakeups", "Wake-ups in the queues of Redis; not messages.", ("queue",), depths)
    yield _single("last_tick_age_seconds", "Time since a worker last looked for due work.", age)


def _is_writable(snapshot: Snapshot) -> bool:
    return snapshot.database_ok and snapshot.database_problem is None


def _lanes(snapshot: Snapshot) -> Iterator[Metric]:
    lanes, now, lane = snapshot.lanes, snapshot.at, ("lane",)
    states = [
        ((flow.lane, state), getattr(flow, state))
        for flow in lanes
        for state in ("waiting", "held", "scheduled", "deferred", "claimed", "submitting", "uncertain")
    ]
    waited = [((flow.lane,), age.total_seconds()) for flow in lanes if (age := flow.waiting_time(now))]
    left = [((flow.lane,), (end - now).total_seconds()) for flow in lanes if (end := snapshot.finish_of(flow))]
    codes = {flow.lane: snapshot.stand(flow).code for flow in lanes}
    standing = [((flow.lane, code), codes[flow.lane] is code) for flow in lanes for code in Standing]
    paused = [((flow.lane,), flow.paused_at is not None) for flow in lanes]
    circuit = [((flow.lane,), codes[flow.lane] is Standing.MAIL_SERVER) for flow in lanes]
    seen = [((flow.lane,), sum(worker.lane is flow.lane for worker in snapshot.workers)) for flow in lanes]
    yield _gauge("messages", "Messages by lane and state; each is counted once.", ("lane", "state"), states)
    yield _gauge("oldest_waiting_seconds", "Time for which the oldest message of a lane has been due.", lane, waited)
    yield _gauge("rate_per_second", "Messages accepted by the mail server, lately.", lane, _each(lanes, "rate"))
    yield _gauge("accepted_last_hour", "Messages accepted in the last 60 minutes.", lane, _each(lanes, "accepted_60m"))
    yield _gauge("rejected_last_day", "Messages rejected in the last 24 hours.", lane, _each(lanes, "rejected_24h"))
    yield _gauge("finish_seconds", "Time until a lane is empty at its present rate.", lane, left)
    yield _gauge("lane", "1 for the standing of a lane.", ("lane", "standing"), standing)
    yield _gauge("lane_paused", "1 if a lane is paused, by an admin or by itself.", lane, paused)
    yield _gauge("circuit_open", "1 while a lane waits because the mail server can't be used.", lane, circuit)
    yield _gauge("workers", "Processes seen lately.", lane, seen)


def _each(lanes: Iterable[LaneHealth], name: str) -> list[Sample]:
    return [((flow.lane,), getattr(flow, name)) for flow in lanes]


def _things(snapshot: Snapshot) -> Iterator[Metric]:
    blasts = [
        ((look.id, state), getattr(look, state))
        for look in snapshot.blasts
        for state in ("open", "accepted", "rejected", "uncertain")
    ]
    late = [((job.name,), job.is_late(snapshot.at)) for job in snapshot.jobs]
    failing = [((job.name,), job.failing_since is not None) for job in snapshot.jobs]
    counts = [((found.id,), found.count) for found in snapshot.petitions]
    yield _gauge("blast_messages", "Messages of unfinished blasts by state.", ("blast", "state"), blasts)
    steps = [
        ((step.mail_provider, name), value)
        for step in snapshot.confirmations
        for name in ("asked", "accepted", "delivered", "opened", "confirmed")
        if (value := getattr(step, name)) is not None
    ]
    low = [((step.mail_provider,), step.mail_provider in snapshot.unconfirmed) for step in snapshot.confirmations]
    yield _gauge(
        "confirmations", "Sign-ups of today and yesterday by mail provider and step.", ("provider", "step"), steps
    )
    yield _gauge("confirmations_low", "1 if fewer confirm than usual with a mail provider.", ("provider",), low)
    yield _gauge("job_failing", "1 if the last run of a periodic job failed.", ("job",), failing)
    yield _gauge("job_late", "1 if a periodic job fails, or was not started in time.", ("job",), late)
    yield _gauge("signatures", "Public count of a petition, by its id.", ("petition",), counts)
