"""What the monitor shows of one moment: lanes, workers, jobs, mail servers and what did not get through."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from campaign.blasts.progress import BlastStatus
from campaign.database.jobs import JobStatus
from campaign.errors import Cause
from campaign.operations.standing import LaneStanding, Standing, hold_of
from campaign.outbox.relays import RelayOffer
from campaign.signatures.funnel import Step
from campaign.site.current import Switch
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
    """What the sentence says, in the order in which the rules are tried. Bad news is said before warnings."""

    NO_DATABASE = "no_database"
    NOT_WRITABLE = "not_writable"
    """The database answers questions and refuses to write."""
    NO_WORKER = "no_worker"
    FOLDER = "folder"
    """A data folder is full or not writable."""
    PAUSED = "paused"
    NO_TICK = "no_tick"
    MAIL_SERVER = "mail_server"
    JOB_FAILS = "job_fails"
    CONFIRMATIONS_WAIT = "confirmations_wait"
    STUCK = "stuck"
    PROXY_NOT_SET = "proxy_not_set"
    WITHOUT_REDIS = "without_redis"
    NETWORKS_WAIT = "networks_wait"
    THROTTLED = "throttled"
    WAITING = "waiting"
    REFUSED = "refused"
    """Too much was refused in the last day."""
    UNCERTAIN = "uncertain"
    """An admin has to decide about emails that may have arrived."""
    FLOWING = "flowing"
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
    troubled_at: datetime | None = None
    """When its present failures began."""
    last_relay: str | None = None
    """The relay that failed, host:port."""
    last_phase: str | None = None
    accepted_24h: int = 0
    first_retry_at: datetime | None = None
    """When the first deferred message is tried again."""
    last_worker_at: datetime | None = None
    """When any of its workers was last seen."""
    last_worker_host: str | None = None

    @property
    def left(self) -> int:
        """Due and not ended: what waits, and what a worker has in its hands. Nothing is done while it is above zero."""
        return self.waiting + self.claimed + self.submitting

    def waiting_time(self, now: datetime) -> timedelta | None:
        """How long the oldest waiting message has been due; None if none waits."""
        return None if self.oldest_waiting_at is None else max(now - self.oldest_waiting_at, timedelta())


@dataclass(frozen=True)
class WorkerStatus:
    """A sending process that was seen lately."""

    id: int
    host: str
    pid: int
    lane: Lane
    started_at: datetime
    seen_at: datetime
    folder: str | None = None
    """Its data folder, if it can't be used at present."""
    folder_problem: str | None = None
    folder_since: datetime | None = None


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
    cause: Cause | None = None
    """Why, in words with the remedy."""


@dataclass(frozen=True)
class Snapshot:
    """All that the monitor shows, of one moment. No address and no name is in it."""

    at: datetime
    database_ok: bool
    """It answers questions."""
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
    database_problem: Cause | None = None
    """Why it does not answer, or refuses to write."""
    switches: tuple[Switch, ...] = ()
    """What an admin has stopped for the whole site."""

    def workers_of(self, lane: Lane) -> tuple[WorkerStatus, ...]:
        """The processes of a lane that were seen lately."""
        return tuple(worker for worker in self.workers if worker.lane is lane)

    def stand(self, flow: LaneHealth) -> LaneStanding:
        """The standing of a lane: the one function that badge, sentence, finish time, JSON and metrics use."""
        hold = hold_of(
            flow, workers=self.workers_of(flow.lane), relays=self.relays, is_owing=flow.left > 0, now=self.at
        )
        if hold is not None:
            return hold
        if flow.rate > 0 or flow.claimed + flow.submitting:
            return LaneStanding(Standing.SENDING)
        return LaneStanding(Standing.WAITING if flow.waiting else Standing.IDLE)

    def finish_of(self, flow: LaneHealth) -> datetime | None:
        """When a lane is empty at the present rate; None if nothing is left, or nothing moves."""
        if not flow.left or flow.rate <= 0 or self.stand(flow).is_stopped:
            return None
        # A century is as good as never, and a date beyond the calendar is an error.
        return self.at + timedelta(seconds=min(flow.left / flow.rate, 3e9))

    def finish_of_blast(self, blast: BlastStatus) -> datetime | None:
        """When a blast is done, but for what is deferred; None while its lane does not move."""
        if any(flow.lane is Lane.BULK and self.stand(flow).is_stopped for flow in self.lanes):
            return None
        return blast.finish_at(self.at)

    def finish_at(self) -> datetime | None:
        """When the last lane is empty; None if one of them has work and does not move."""
        ends = [self.finish_of(flow) for flow in self.lanes if flow.left]
        known = [end for end in ends if end is not None]
        return max(known) if known and len(known) == len(ends) else None
