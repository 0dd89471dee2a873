"""The snapshot in the text format of Prometheus (exposition format 0.0.4). Counts and row ids only."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from campaign.operations.health import Code, Level, Snapshot, judge

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Sample = tuple[Mapping[str, object], float]
"""Labels and value."""


@dataclass(frozen=True)
class _Metric:
    name: str
    about: str
    samples: tuple[Sample, ...]

    def lines(self) -> Iterator[str]:
        full = f"countersign_{self.name}"
        yield f"# HELP {full} {self.about}"
        yield f"# TYPE {full} gauge"
        for labels, value in self.samples:
            named = ",".join(f'{name}="{_escaped(str(label))}"' for name, label in labels.items())
            yield f"{full}{{{named}}} {_number(value)}" if named else f"{full} {_number(value)}"


def _escaped(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.3f}"


def _age(moment: datetime | None, now: datetime) -> Iterable[Sample]:
    return () if moment is None else (({}, max((now - moment).total_seconds(), 0.0)),)


def exposition(snapshot: Snapshot) -> str:
    """All metrics of a snapshot as text; what is not known has no sample."""
    metrics = [*_whole(snapshot), *(_lanes(snapshot) if snapshot.database_ok else ()), *_things(snapshot)]
    return "".join(f"{line}\n" for metric in metrics for line in metric.lines())


def _whole(snapshot: Snapshot) -> Iterator[_Metric]:
    verdict = judge(snapshot)
    codes = tuple(({"code": code}, float(code is verdict.code)) for code in Code)
    levels = tuple(({"level": level}, float(level is verdict.level)) for level in Level)
    tick = _age(snapshot.last_tick_at, snapshot.at)
    broker = snapshot.broker
    depths = tuple(({"queue": queue}, float(depth)) for queue, depth in broker.depths.items())
    yield _Metric("sentence", "1 for what the monitor's sentence says.", codes)
    yield _Metric("level", "1 for how the sentence is meant: good, warning or bad.", levels)
    yield _Metric("database_up", "1 if PostgreSQL answers.", (({}, float(snapshot.database_ok)),))
    yield _Metric("redis_up", "1 if Redis answers.", (({}, float(broker.ok)),))
    yield _Metric("redis_wakeups", "Wake-ups in the queues of Redis; not messages.", depths)
    yield _Metric("last_tick_age_seconds", "Time since a worker last looked for due work.", tuple(tick))


def _lanes(snapshot: Snapshot) -> Iterator[_Metric]:
    lanes, now = snapshot.lanes, snapshot.at
    states = tuple(
        ({"lane": flow.lane, "state": state}, float(getattr(flow, state)))
        for flow in lanes
        for state in ("waiting", "held", "scheduled", "deferred", "claimed", "submitting", "uncertain")
    )
    waited = tuple(({"lane": flow.lane}, age.total_seconds()) for flow in lanes if (age := flow.waiting_time(now)))
    left = tuple(({"lane": flow.lane}, (end - now).total_seconds()) for flow in lanes if (end := flow.finish_at(now)))
    seen = {flow.lane: sum(worker.lane is flow.lane for worker in snapshot.workers) for flow in lanes}
    yield _Metric("messages", "Messages by lane and state; each is counted once.", states)
    yield _Metric("oldest_waiting_seconds", "Time for which the oldest message of a lane has been due.", waited)
    yield _Metric("rate_per_second", "Messages accepted by the mail server, lately.", _each(snapshot, "rate"))
    yield _Metric("accepted_last_hour", "Messages accepted in the last 60 minutes.", _each(snapshot, "accepted_60m"))
    yield _Metric("rejected_last_day", "Messages rejected in the last 24 hours.", _each(snapshot, "rejected_24h"))
    yield _Metric("finish_seconds", "Time until a lane is empty at its present rate.", left)
    yield _Metric("lane_paused", "1 if a lane is paused, by a person or by itself.", tuple(
        ({"lane": flow.lane}, float(flow.paused_at is not None)) for flow in lanes))  # fmt: skip
    yield _Metric("circuit_open", "1 while a lane waits because the mail server can't be used.", tuple(
        ({"lane": flow.lane}, float(flow.is_held_back(now))) for flow in lanes))  # fmt: skip
    yield _Metric("workers", "Processes seen lately.", tuple(({"lane": lane}, float(n)) for lane, n in seen.items()))


def _each(snapshot: Snapshot, name: str) -> tuple[Sample, ...]:
    return tuple(({"lane": flow.lane}, float(getattr(flow, name))) for flow in snapshot.lanes)


def _things(snapshot: Snapshot) -> Iterator[_Metric]:
    blasts = tuple(
        ({"blast": look.id, "state": state}, float(getattr(look, state)))
        for look in snapshot.blasts
        for state in ("open", "accepted", "rejected", "uncertain")
    )
    late = tuple(({"job": job.name}, float(job.is_late(snapshot.at))) for job in snapshot.jobs)
    counts = tuple(({"petition": found.id}, float(found.count)) for found in snapshot.petitions)
    yield _Metric("blast_messages", "Messages of unfinished blasts by state.", blasts)
    yield _Metric("job_late", "1 if a periodic job was not started in time.", late)
    yield _Metric("signatures", "Public count of a petition, by its id.", counts)
