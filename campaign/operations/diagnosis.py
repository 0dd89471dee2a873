"""What to say of a snapshot, the most important first: bad news, then warnings, then that all is well."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from campaign.blasts.rules import is_badly_received
from campaign.database.jobs import TICK_LATE, JobStatus
from campaign.operations.health import LEASE_LATE, MAIL_LATE, Code, LaneHealth, Level, Snapshot
from campaign.operations.standing import LaneStanding, Standing, folder_trouble
from campaign.states import Lane

JOB_PATIENCE = timedelta(seconds=60)
"""A job that fails for so long is bad news; one failure, a deadlock perhaps, is a warning."""

_STOPS = {
    Standing.NO_WORKER: Code.NO_WORKER,
    Standing.FOLDER: Code.FOLDER,
    Standing.PAUSED: Code.PAUSED,
    Standing.MAIL_SERVER: Code.MAIL_SERVER,
    Standing.THROTTLED: Code.THROTTLED,
}
_ORDER = list(Code)
_LEVELS = [Level.BAD, Level.WARNING, Level.GOOD]


@dataclass(frozen=True)
class Diagnosis:
    """One rule that matched, with the lanes it speaks of and how they stand, if it is about lanes."""

    code: Code
    level: Level
    lanes: tuple[LaneHealth, ...] = ()
    standing: LaneStanding | None = None
    job: JobStatus | None = None

    @property
    def lane(self) -> LaneHealth | None:
        """The lane, if it is about one alone."""
        return self.lanes[0] if len(self.lanes) == 1 else None


def judge(snapshot: Snapshot) -> Diagnosis:
    """The most important finding."""
    return judge_all(snapshot)[0]


def judge_all(snapshot: Snapshot) -> tuple[Diagnosis, ...]:
    """All findings: bad news first, within one level in the order of :class:`Code`. There is always one."""
    if not snapshot.database_ok:
        return (Diagnosis(Code.NO_DATABASE, Level.BAD),)
    found = [*_stopped(snapshot), *_broken(snapshot), *_slow(snapshot), *_ended_badly(snapshot)]
    if not found:
        found = [_calm(snapshot)]
    return tuple(sorted(found, key=lambda one: (_LEVELS.index(one.level), _ORDER.index(one.code))))


def _stopped(snapshot: Snapshot) -> Iterator[Diagnosis]:
    """Lanes that something holds; those held by the same thing are told together."""
    groups: dict[tuple[object, ...], list[tuple[LaneHealth, LaneStanding]]] = {}
    for flow in snapshot.lanes:
        standing = snapshot.stand(flow)
        if standing.code in _STOPS:
            told = standing.code in {Standing.PAUSED, Standing.MAIL_SERVER}
            cause = (standing.relay, standing.phase, standing.by, standing.words) if told else ()
            groups.setdefault((standing.code, *cause), []).append((flow, standing))
    for held in groups.values():
        standing = min((one for _, one in held), key=lambda one: (one.until is None, one.until or snapshot.at))
        yield Diagnosis(_STOPS[standing.code], _level(standing), tuple(flow for flow, _ in held), standing)


def _level(standing: LaneStanding) -> Level:
    if standing.code is Standing.THROTTLED:
        return Level.WARNING if standing.is_stopped else Level.GOOD
    return Level.WARNING if standing.code is Standing.PAUSED and standing.by != "system" else Level.BAD


def _broken(snapshot: Snapshot) -> Iterator[Diagnosis]:
    if snapshot.database_problem is not None:
        yield Diagnosis(Code.NOT_WRITABLE, Level.BAD)
    folder = folder_trouble(snapshot.workers)
    if folder is not None and not any(snapshot.stand(flow).code is Standing.FOLDER for flow in snapshot.lanes):
        # Other hosts serve the lanes.
        yield Diagnosis(Code.FOLDER, Level.BAD, standing=folder)
    if snapshot.workers and (snapshot.last_tick_at is None or snapshot.at - snapshot.last_tick_at > TICK_LATE):
        yield Diagnosis(Code.NO_TICK, Level.BAD)
    failing = [job for job in snapshot.jobs if job.failing_since is not None]
    if failing:
        oldest = min(failing, key=lambda job: job.failing_since or snapshot.at)
        since = oldest.failing_since or snapshot.at
        yield Diagnosis(Code.JOB_FAILS, Level.BAD if snapshot.at - since > JOB_PATIENCE else Level.WARNING, job=oldest)


def _slow(snapshot: Snapshot) -> Iterator[Diagnosis]:
    for flow in snapshot.lanes:
        waited = flow.waiting_time(snapshot.at)
        if waited is None or waited <= MAIL_LATE or snapshot.stand(flow).is_stopped:
            continue
        if flow.lane is Lane.URGENT:
            yield Diagnosis(Code.CONFIRMATIONS_WAIT, Level.BAD, (flow,))
        elif flow.rate <= 0:
            yield Diagnosis(Code.WAITING, Level.WARNING, (flow,))
    if snapshot.stuck is not None and snapshot.at - snapshot.stuck.lease_until > LEASE_LATE:
        yield Diagnosis(Code.STUCK, Level.BAD)
    if snapshot.proxy_not_set:
        yield Diagnosis(Code.PROXY_NOT_SET, Level.BAD)
    if not snapshot.broker.ok:
        yield Diagnosis(Code.WITHOUT_REDIS, Level.WARNING)
    if snapshot.held_by_networks:
        yield Diagnosis(Code.NETWORKS_WAIT, Level.WARNING)


def _ended_badly(snapshot: Snapshot) -> Iterator[Diagnosis]:
    rejected = sum(flow.rejected_24h for flow in snapshot.lanes)
    if is_badly_received(lost=rejected, judged=rejected + sum(flow.accepted_24h for flow in snapshot.lanes)):
        yield Diagnosis(Code.REFUSED, Level.WARNING)
    if any(flow.uncertain for flow in snapshot.lanes):
        yield Diagnosis(Code.UNCERTAIN, Level.WARNING)


def _calm(snapshot: Snapshot) -> Diagnosis:
    if any(flow.rate > 0 for flow in snapshot.lanes):
        return Diagnosis(Code.FLOWING, Level.GOOD)
    waiting = [flow for flow in snapshot.lanes if flow.waiting]
    if waiting:
        return Diagnosis(Code.WAITING, Level.GOOD, (waiting[0],))
    if any(flow.left for flow in snapshot.lanes):
        # A worker has just begun, and nothing is accepted yet.
        return Diagnosis(Code.FLOWING, Level.GOOD)
    held = [flow for flow in snapshot.lanes if flow.held]
    if held:
        return Diagnosis(Code.HELD, Level.WARNING, (held[0],))
    return Diagnosis(Code.IDLE, Level.GOOD)
