"""How the mail flows at one moment, and the one thing to say about it first."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from campaign.blasts.progress import BlastStatus
from campaign.database.jobs import TICK_LATE, JobStatus
from campaign.outbox.relays import RelayOffer
from campaign.signatures.funnel import Step
from campaign.states import Lane, MessageKind, MessageState

WORKER_SEEN = timedelta(seconds=15)
"""A worker that was not seen for three heartbeats is taken for gone."""


MAIL_LATE = timedelta(seconds=60)
"""Promise P3: 99 of 100 confirmations are handed over within this time."""

LEASE_LATE = timedelta(seconds=30)
"""Expired leases are recovered every ten seconds; one that is this old stays."""


class Level(StrEnum):
    """How a sentence is meant; the page gives it a colour and a word."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


class Code(StrEnum):
    """What the sentence says, in the order in which the rules are tried; the first that matches is said."""

    NO_DATABASE = "no_database"
    PAUSED = "paused"
    NO_WORKER = "no_worker"
    NO_TICK = "no_tick"
    MAIL_SERVER = "mail_server"
    CONFIRMATIONS_WAIT = "confirmations_wait"
    STUCK = "stuck"
    PROXY_NOT_SET = "proxy_not_set"
    WITHOUT_REDIS = "without_redis"
    NETWORKS_WAIT = "networks_wait"
    FLOWING = "flowing"
    WAITING = "waiting"
    HELD = "held"
    IDLE = "idle"


@dataclass(frozen=True)
class LaneHealth:
    """One lane. Planned messages are waiting, held, deferred or scheduled: each is in exactly one of these."""

    lane: Lane
    waiting: int
    """Due now, to be sent by the next worker that looks."""
    oldest_waiting_at: datetime | None
    held: int
    """Due now, but of a blast that is paused or cancelled."""
    scheduled: int
    """Due later, not tried yet."""
    deferred: int
    """Tried, to be tried again later."""
    claimed: int
    submitting: int
    accepted_1m: int
    accepted_5m: int
    accepted_60m: int
    rate: float
    """Messages accepted per second, lately."""
    uncertain: int
    """All uncertain messages, of any age."""
    rejected_24h: int
    paused_at: datetime | None = None
    paused_by: str | None = None
    paused_reason: str | None = None
    not_before: datetime | None = None
    """The circuit breaker: no attempt before this moment."""
    last_answer: str | None = None
    """What the mail server said when it last gave no session."""
    last_answer_at: datetime | None = None

    @property
    def left(self) -> int:
        """Due and not ended: what waits, and what a worker has in its hands. Nothing is done while it is above zero."""
        return self.waiting + self.claimed + self.submitting

    def waiting_time(self, now: datetime) -> timedelta | None:
        """How long the oldest waiting message has been due; None if none waits."""
        return None if self.oldest_waiting_at is None else max(now - self.oldest_waiting_at, timedelta())

    def finish_at(self, now: datetime) -> datetime | None:
        """When the lane is empty at the present rate; None if nothing is left, or nothing moves."""
        if not self.left or self.rate <= 0:
            return None
        # A century is as good as never, and a date beyond the calendar is an error.
        return now + timedelta(seconds=min(self.left / self.rate, 3e9))

    def is_held_back(self, now: datetime) -> bool:
        """True while the circuit breaker is open."""
        return self.not_before is not None and self.not_before > now


@dataclass(frozen=True)
class WorkerStatus:
    """A sending process that was seen lately."""

    id: int
    host: str
    pid: int
    lane: Lane
    started_at: datetime
    seen_at: datetime


@dataclass(frozen=True)
class Stuck:
    """The message whose lease ran out longest ago, and who held it."""

    message_id: int
    lane: Lane
    state: MessageState
    lease_until: datetime
    worker_id: int | None
    host: str | None
    pid: int | None


@dataclass(frozen=True)
class FailureGroup:
    """Messages that did not get through, by cause."""

    lane: Lane
    kind: MessageKind
    state: str
    """``uncertain``, ``rejected`` (of the last 24 hours) or ``deferred``."""
    phase: str | None
    code: int | None
    enhanced: str | None
    reason: str | None
    """A code, or the server's words; words with digits in them are shortened to … so that equal causes meet."""
    messages: int
    oldest_at: datetime

    def identity(self) -> dict[str, object]:
        """What makes it one cause, whatever the number of messages."""
        return {
            "lane": str(self.lane),
            "kind": str(self.kind),
            "state": self.state,
            "phase": self.phase,
            "code": self.code,
            "enhanced": self.enhanced,
            "reason": self.reason,
        }

    @property
    def key(self) -> str:
        """A short name of the cause for addresses and commands: always the same for the same cause."""
        return hashlib.sha256(repr(sorted(self.identity().items())).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class PetitionCount:
    """A published petition and its public count."""

    id: int
    slug: str
    state: str
    count: int
    goal: int


@dataclass(frozen=True)
class BrokerStatus:
    """Redis, as it answered."""

    ok: bool
    depths: Mapping[str, int]
    """Wake-ups by queue; not messages: one wake-up is good for many."""
    unacknowledged: int = 0
    """Wake-ups that workers have taken and not finished."""
    problem: str | None = None
    """Why it is of no use: what it refused with (``READONLY``), or the kind of the error."""
    refuses: bool = False
    """True if it answers, but refuses what it is there for."""


@dataclass(frozen=True)
class Snapshot:
    """All that the monitor shows, of one moment. No address and no name is in it."""

    at: datetime
    database_ok: bool
    broker: BrokerStatus
    lanes: tuple[LaneHealth, ...] = ()
    workers: tuple[WorkerStatus, ...] = ()
    last_tick_at: datetime | None = None
    stuck: Stuck | None = None
    petitions: tuple[PetitionCount, ...] = ()
    troubles: tuple[FailureGroup, ...] = ()
    blasts: tuple[BlastStatus, ...] = ()
    jobs: tuple[JobStatus, ...] = ()
    relays: tuple[RelayOffer, ...] = ()
    """The mail servers of SMTP_URL, with what each offered at its last session."""
    held_by_networks: int = 0
    """Sign-ups whose email waits for a place of their network."""
    held_until: datetime | None = None
    """When the last of these is sent, if not sooner."""
    confirmations: tuple[Step, ...] = ()
    """Sign-ups of today and yesterday by mail provider, but for the last hour's."""
    unconfirmed: tuple[str, ...] = ()
    """Mail providers with which fewer confirm than usual."""
    proxy_not_set: bool = False
    """Requests come through a proxy, but COUNTERSIGN_PROXIES is 0."""

    def lanes_without_worker(self) -> list[Lane]:
        """Lanes without a worker."""
        served = {worker.lane for worker in self.workers}
        return [lane for lane in Lane if lane not in served]

    def finish_at(self) -> datetime | None:
        """When the last lane is empty; None if one of them has work and does not move."""
        ends = [flow.finish_at(self.at) for flow in self.lanes if flow.left]
        known = [end for end in ends if end is not None]
        return max(known) if known and len(known) == len(ends) else None


@dataclass(frozen=True)
class Diagnosis:
    """The first rule that matched, and the lane it speaks of, if it is about one."""

    code: Code
    level: Level
    lane: LaneHealth | None = None


def judge(snapshot: Snapshot) -> Diagnosis:
    """The most important status: the rules of :class:`Code`, in their order."""
    if not snapshot.database_ok:
        return Diagnosis(Code.NO_DATABASE, Level.BAD)
    return _stopped(snapshot) or _slow(snapshot) or _moving(snapshot)


def _stopped(snapshot: Snapshot) -> Diagnosis | None:
    for flow in snapshot.lanes:
        if flow.paused_at is not None:
            return Diagnosis(Code.PAUSED, Level.BAD if flow.paused_by == "system" else Level.WARNING, flow)
    missing = snapshot.lanes_without_worker()
    if missing:
        lane = next((flow for flow in snapshot.lanes if missing == [flow.lane]), None)
        return Diagnosis(Code.NO_WORKER, Level.BAD, lane)
    if snapshot.last_tick_at is None or snapshot.at - snapshot.last_tick_at > TICK_LATE:
        return Diagnosis(Code.NO_TICK, Level.BAD)
    for flow in snapshot.lanes:
        if flow.is_held_back(snapshot.at):
            return Diagnosis(Code.MAIL_SERVER, Level.BAD, flow)
    return None


def _slow(snapshot: Snapshot) -> Diagnosis | None:
    for flow in snapshot.lanes:
        waited = flow.waiting_time(snapshot.at)
        if flow.lane is Lane.URGENT and waited is not None and waited > MAIL_LATE:
            return Diagnosis(Code.CONFIRMATIONS_WAIT, Level.BAD, flow)
    if snapshot.stuck is not None and snapshot.at - snapshot.stuck.lease_until > LEASE_LATE:
        return Diagnosis(Code.STUCK, Level.BAD)
    if snapshot.proxy_not_set:
        return Diagnosis(Code.PROXY_NOT_SET, Level.BAD)
    if not snapshot.broker.ok:
        return Diagnosis(Code.WITHOUT_REDIS, Level.WARNING)
    if snapshot.held_by_networks:
        return Diagnosis(Code.NETWORKS_WAIT, Level.WARNING)
    return None


def _moving(snapshot: Snapshot) -> Diagnosis:
    waiting = [flow for flow in snapshot.lanes if flow.waiting and flow.rate <= 0]
    late = [flow for flow in waiting if (flow.waiting_time(snapshot.at) or timedelta()) > MAIL_LATE]
    held = [flow for flow in snapshot.lanes if flow.held]
    if late:
        return Diagnosis(Code.WAITING, Level.WARNING, late[0])
    if any(flow.rate > 0 for flow in snapshot.lanes):
        return Diagnosis(Code.FLOWING, Level.GOOD)
    if waiting:
        return Diagnosis(Code.WAITING, Level.GOOD, waiting[0])
    if any(flow.left for flow in snapshot.lanes):
        # A worker has just begun, and nothing is accepted yet.
        return Diagnosis(Code.FLOWING, Level.GOOD)
    if held:
        return Diagnosis(Code.HELD, Level.WARNING, held[0])
    return Diagnosis(Code.IDLE, Level.GOOD)
