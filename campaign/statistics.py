"""How a petition does: sign-ups per hour and day, and the funnel from asking to confirming."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from campaign.database.connection import Transaction
from campaign.runtime import Runtime
from campaign.store import statistics as store_statistics
from campaign.store.statistics import Funnel


class Span(StrEnum):
    """How far back to look."""

    HOURS = "48h"
    MONTH = "30d"
    QUARTER = "90d"


_BUCKETS = {Span.HOURS: 48, Span.MONTH: 30, Span.QUARTER: 90}


@dataclass(frozen=True)
class Bucket:
    """One hour or day: its begin in the visitor's time zone, and what happened in it."""

    begin: datetime
    asked: int
    confirmed: int


@dataclass(frozen=True)
class Statistics:
    """What the overview shows of a span."""

    span: Span
    buckets: tuple[Bucket, ...]
    funnel: Funnel


def statistics(runtime: Runtime, petition_id: int, span: Span, *, zone: str) -> Statistics:
    """Sign-ups by hour or day up to now, in a time zone, and how many of those who asked confirmed.

    Args:
        runtime: the runtime.
        petition_id: from :func:`campaign.accounts.may_organise`.
        span: the last 48 hours, or the last 30 or 90 days, the present one included.
        zone: an IANA name; days begin at its midnight.
    """
    begins = _begins(runtime.clock(), span, ZoneInfo(zone))
    unit = "hour" if span is Span.HOURS else "day"

    def work(tx: Transaction) -> Statistics:
        asked, confirmed = store_statistics.per_bucket(tx, petition_id, unit=unit, zone=zone, since=begins[0])
        by_moment = [_in_utc(found) for found in (asked, confirmed)]
        buckets = tuple(
            Bucket(begin, *(found.get(begin.astimezone(UTC), 0) for found in by_moment)) for begin in begins
        )
        return Statistics(span, buckets, store_statistics.funnel(tx, petition_id, since=begins[0]))

    return runtime.store.transact(work)


def _in_utc(found: dict[datetime, int]) -> dict[datetime, int]:
    return {begin.astimezone(UTC): number for begin, number in found.items()}


def _begins(now: datetime, span: Span, zone: ZoneInfo) -> list[datetime]:
    """The begins of the buckets, oldest first. Hours are counted in UTC, so that a clock change loses none."""
    number = _BUCKETS[span]
    local = now.astimezone(zone)
    if span is Span.HOURS:
        hour = local.replace(minute=0, second=0, microsecond=0).astimezone(UTC)
        return [(hour - timedelta(hours=back)).astimezone(zone) for back in range(number - 1, -1, -1)]
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    # Arithmetic on local times keeps to midnights, whatever the clock does between them.
    return [midnight - timedelta(days=back) for back in range(number - 1, -1, -1)]
