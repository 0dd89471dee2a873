"""A date and time of day in a time zone, with the hours that a clock change drops or doubles."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from campaign.i18n import zone_names


class ClockChange(StrEnum):
    """What a clock change does to a local time."""

    NONE = "none"
    MISSING = "missing"
    """The clock jumps over this time: the moment is as much later as the jump is long."""
    DOUBLED = "doubled"
    """This time comes twice: the first one is meant, unless the second is asked for."""


@dataclass(frozen=True)
class Scheduled:
    """A moment that a person chose in local time."""

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
