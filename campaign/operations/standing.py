"""The standing of a lane: what keeps it from sending, or that it sends, waits or is idle. Pages and alerts use it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from campaign.outbox.relays import RelayLimit, RelayOffer
from campaign.states import LimitKind

TRYING = timedelta(seconds=35)
"""Time after the moment of the next try in which its outcome may not be known: a silent server takes up to 30 s."""


class Standing(StrEnum):
    """The standing of a lane, in the order in which it is decided."""

    NO_WORKER = "no_worker"
    """No process serves the lane."""
    FOLDER = "folder"
    """All its processes have a data folder that is full or not writable, so that they claim nothing."""
    PAUSED = "paused"
    """Paused by an admin, or by itself."""
    MAIL_SERVER = "mail_server"
    """The mail server gives no session; it is tried again by itself."""
    THROTTLED = "throttled"
    """A relay limits what it takes: until a moment nothing is sent, or less a second than wanted."""
    SENDING = "sending"
    WAITING = "waiting"
    """Emails are due, and none was accepted in the last minute."""
    IDLE = "idle"


class LaneFacts(Protocol):
    """What is stored of a lane: its row, as the outbox reads it or as the monitor shows it."""

    @property
    def paused_at(self) -> datetime | None:
        """Since when it is paused."""

    @property
    def paused_by(self) -> str | None:
        """Who paused it."""

    @property
    def paused_reason(self) -> str | None:
        """Why."""

    @property
    def not_before(self) -> datetime | None:
        """The circuit breaker: no attempt before this moment."""

    @property
    def troubled_at(self) -> datetime | None:
        """When the present failures of the mail server began."""

    @property
    def last_answer(self) -> str | None:
        """What the server said, or why it can not be reached."""

    @property
    def last_answer_at(self) -> datetime | None:
        """When."""

    @property
    def last_relay(self) -> str | None:
        """The relay that failed, host:port."""

    @property
    def last_phase(self) -> str | None:
        """The SMTP phase in which it failed."""


class WorkerFacts(Protocol):
    """What is stored of a process that was seen lately."""

    @property
    def host(self) -> str:
        """Its host."""

    @property
    def folder(self) -> str | None:
        """Its data folder, if that can not be used."""

    @property
    def folder_problem(self) -> str | None:
        """Why."""

    @property
    def folder_since(self) -> datetime | None:
        """Since when."""


@dataclass(frozen=True)
class LaneStanding:
    """The standing of a lane, with what a sentence about it needs."""

    code: Standing
    is_stopped: bool = False
    """True if nothing is sent: then no finish time is told."""
    since: datetime | None = None
    until: datetime | None = None
    """The next try."""
    relay: str = ""
    """host:port."""
    phase: str = ""
    words: str = ""
    """What the mail server said, or the reason of the pause."""
    by: str = ""
    """Who paused it."""
    hosts: tuple[str, ...] = ()
    folder: str = ""
    folder_problem: str = ""
    per_second: float | None = None
    """The limit of a throttled lane."""


def hold_of(
    lane: LaneFacts,
    *,
    workers: Sequence[WorkerFacts] | None,
    relays: Sequence[RelayOffer],
    is_owing: bool,
    now: datetime,
) -> LaneStanding | None:
    """What keeps a lane from sending, or slows it; None if nothing does.

    Args:
        lane: the lane's row.
        workers: its processes that were seen lately; None if they are not asked about.
        relays: the mail servers with what they limit.
        is_owing: emails are due or in the hands of a worker.
        now: the present moment.
    """
    if workers is not None and not workers:
        return LaneStanding(Standing.NO_WORKER, is_stopped=True)
    if workers and all(worker.folder_problem for worker in workers):
        return folder_trouble(workers)
    if lane.paused_at is not None:
        return LaneStanding(
            Standing.PAUSED,
            is_stopped=True,
            since=lane.paused_at,
            by=lane.paused_by or "",
            words=lane.paused_reason or "",
        )
    return _server_trouble(lane, is_owing=is_owing, now=now) or _throttle(relays, is_owing=is_owing, now=now)


def folder_trouble(workers: Sequence[WorkerFacts]) -> LaneStanding | None:
    """The first data folder that can't be used, with the hosts that have one; None if there is none."""
    bad = [worker for worker in workers if worker.folder_problem]
    if not bad:
        return None
    return LaneStanding(
        Standing.FOLDER,
        is_stopped=len(bad) == len(workers),
        since=min((worker.folder_since for worker in bad if worker.folder_since), default=None),
        hosts=tuple(sorted({worker.host for worker in bad})),
        folder=bad[0].folder or "",
        folder_problem=bad[0].folder_problem or "",
    )


def _server_trouble(lane: LaneFacts, *, is_owing: bool, now: datetime) -> LaneStanding | None:
    until = lane.not_before
    if until is None or not (until > now or (is_owing and lane.troubled_at and now - until < TRYING)):
        return None
    return LaneStanding(
        Standing.MAIL_SERVER,
        is_stopped=True,
        since=lane.troubled_at or lane.last_answer_at,
        until=until if until > now else None,
        relay=lane.last_relay or "",
        phase=lane.last_phase or "",
        words=lane.last_answer or "",
    )


def _throttle(relays: Sequence[RelayOffer], *, is_owing: bool, now: datetime) -> LaneStanding | None:
    """A limit counts only if each relay has one: what one does not take, another does."""
    limits = [(relay, limit) for relay in relays if (limit := _rate_limit(relay)) is not None]
    if not is_owing or not relays or len({relay.name for relay, _ in limits}) < len({relay.name for relay in relays}):
        return None
    waits = [limit.waits_until for _, limit in limits if limit.waits_until is not None and limit.waits_until > now]
    relay, limit = limits[0]
    if len(waits) == len(limits):
        until = min(waits)
        return LaneStanding(
            Standing.THROTTLED, is_stopped=True, since=limit.since, until=until, relay=relay.name, words=limit.words
        )
    per_second = [limit.value for _, limit in limits]
    if any(value is None for value in per_second):
        return None
    return LaneStanding(
        Standing.THROTTLED,
        since=limit.since,
        relay=relay.name,
        words=limit.words,
        per_second=sum(value for value in per_second if value is not None),
    )


def _rate_limit(relay: RelayOffer) -> RelayLimit | None:
    return next((one for one in relay.limits if one.kind is LimitKind.RATE and one.setting is None), None)
