"""What a blast is, and its stages; finished is derived, never set."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from campaign.i18n import zone_names

UNDO = timedelta(seconds=30)
"""Time to think again after "Send now"."""

FIRST_SLICE = 20_000
"""Signatures looked at per slice while an audience is frozen."""


class BlastKind(StrEnum):
    """Who wrote it: an organiser, or the counter."""

    UPDATE = "update"
    MILESTONE = "milestone"


class BlastStage(StrEnum):
    """The stage of a blast, derived from its row and its messages."""

    DRAFT = "draft"
    WAITING = "waiting"
    """A milestone announcement that waits for an organiser's approval."""
    SCHEDULED = "scheduled"
    HELD = "held"
    """Its time passed too long ago, or it came from a restored backup: it must be scheduled again."""
    FREEZING = "freezing"
    SENDING = "sending"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    FINISHED = "finished"


@dataclass(frozen=True)
class Audience:
    """Whom an organiser chose among confirmed signers who want updates; empty means everybody."""

    countries: tuple[str, ...] = ()
    locales: tuple[str, ...] = ()

    def as_json(self) -> dict[str, list[str]]:
        """Plain JSON for the row."""
        return {"countries": list(self.countries), "locales": list(self.locales)}


@dataclass(frozen=True)
class BlastText:
    """A blast in one language."""

    subject: str
    body_markdown: str


@dataclass(frozen=True)
class Blast:
    """A blast without its texts."""

    id: int
    petition_id: int
    kind: BlastKind
    send_at: datetime | None
    time_zone: str
    max_lateness: int
    audience: Audience
    threshold: int | None
    count_at_start: int | None
    created_by: int | None
    created_at: datetime
    started_at: datetime | None
    frozen_at: datetime | None
    paused_at: datetime | None
    paused_reason: str | None
    cancelled_at: datetime | None

    @property
    def is_published(self) -> bool:
        """True for an organiser's update once its sending has begun, also if it was cancelled halfway."""
        return self.kind is BlastKind.UPDATE and self.started_at is not None

    def stage(self, *, open_rows: int) -> BlastStage:
        """Its stage, given how many of its messages have still something to come."""
        if self.cancelled_at is not None:
            return BlastStage.CANCELLED
        if self.started_at is None:
            return self._before_start()
        if self.frozen_at is not None and open_rows == 0:
            return BlastStage.FINISHED
        if self.paused_at is not None:
            return BlastStage.PAUSED
        return BlastStage.FREEZING if self.frozen_at is None else BlastStage.SENDING

    def _before_start(self) -> BlastStage:
        if self.paused_at is not None:
            return BlastStage.HELD
        if self.send_at is not None:
            return BlastStage.SCHEDULED
        return BlastStage.WAITING if self.kind is BlastKind.MILESTONE else BlastStage.DRAFT


REJECTED_LIMIT, REJECTED_LEAST = 0.05, 20
"""More rejected or returned than this share, and at least so many, say that the list or the sender is bad."""

SAME_REFUSALS = 5
"""So many equal refusals of the whole text in a row, without an acceptance between them, are not about the readers."""

COMPLAINED_LIMIT, COMPLAINED_LEAST = 0.001, 5
"""Gmail and Yahoo want complaints under 0.1 % and refuse senders above 0.3 %; one of a few is chance."""


SELF_PAUSED = frozenset({"rejections", "bounces", "complaints", "content", "text"})
"""Why a blast pauses by itself while it is sent."""


@dataclass(frozen=True)
class BlastReception:
    """How a blast was received since it started or was last resumed."""

    accepted: int
    """By the mail server; what came back later is among them."""
    rejected: int
    complained: int
    same_refusals: int = 0
    """The last rejections, if the server said the same to all of them after the text and accepted none since."""
    bounced: int = 0
    """Accepted first, and came back."""

    def reason_to_pause(self) -> str | None:
        """One of :data:`SELF_PAUSED` if a limit is passed, else None."""
        if self.same_refusals >= SAME_REFUSALS:
            return "content"
        if is_badly_received(lost=self.rejected + self.bounced, judged=self.accepted + self.rejected):
            return "rejections" if self.rejected >= self.bounced else "bounces"
        if is_complained_of(complained=self.complained, accepted=self.accepted):
            return "complaints"
        return None


def is_badly_received(*, lost: int, judged: int) -> bool:
    """True if too many of the messages that a mail server took or refused were refused or came back."""
    return lost >= REJECTED_LEAST and lost > REJECTED_LIMIT * judged


def is_complained_of(*, complained: int, accepted: int) -> bool:
    """True if too many readers marked their message as spam."""
    return complained >= COMPLAINED_LEAST and complained > COMPLAINED_LIMIT * accepted


class ClockChange(StrEnum):
    """What a clock change does to a local time."""

    NONE = "none"
    MISSING = "missing"
    """The clock jumps over this time: the moment is as much later as the jump is long."""
    DOUBLED = "doubled"
    """This time comes twice: the first one is meant, unless the second is asked for."""


@dataclass(frozen=True)
class Scheduled:
    """A moment chosen in local time."""

    moment: datetime
    """In UTC."""
    change: ClockChange
    local: datetime
    """As a clock on the wall will show it at that moment."""


def moment_of(local: datetime, zone: str, *, second: bool = False) -> Scheduled:
    """The moment of a local date and time.

    Args:
        local: without a zone, as typed.
        zone: an IANA name from :func:`zone_names`.
        second: of a time that comes twice, take the later one.

    Raises:
        ValueError: the zone is not known.
    """
    if zone not in zone_names():
        raise ValueError(f"there is no time zone {zone!r}")
    place = ZoneInfo(zone)
    first, later = local.replace(tzinfo=place, fold=0), local.replace(tzinfo=place, fold=1)
    change = ClockChange.NONE
    if first.utcoffset() != later.utcoffset():
        exists = first.astimezone(UTC).astimezone(place).replace(tzinfo=None) == local
        change = ClockChange.DOUBLED if exists else ClockChange.MISSING
    chosen = later if change is ClockChange.DOUBLED and second else first
    # For a time that the clock jumps over, fold 0 keeps the offset from before the jump: the moment lies after it.
    moment = chosen.astimezone(UTC)
    return Scheduled(moment, change, moment.astimezone(place).replace(tzinfo=None))


def is_too_late(send_at: datetime, now: datetime, *, max_lateness: int) -> bool:
    """True if a blast's time passed so long ago that starting it by itself would surprise people."""
    return now > send_at + timedelta(seconds=max_lateness)
