"""How a petition does: sign-ups per hour and day, and the funnel from asking to confirming."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import text

from campaign.database.connection import Transaction
from campaign.runtime import Runtime

KNOWS_ITS_HOUR: Final = "(erased_at is null or replaced_by is not null)"
"""An erased signature keeps its day (UTC) alone: it is left out of hours and of medians, and counted in all else."""


@dataclass(frozen=True)
class Funnel:
    """How far the signatures of a span came; medians in minutes, None if there is nothing to measure."""

    asked: int
    accepted: int
    confirmed: int
    minutes_to_accepted: float | None
    minutes_to_confirmed: float | None


def funnel(tx: Transaction, petition_id: int, *, since: datetime) -> Funnel:
    """Asked since a moment, of these the confirmation mail accepted by the mail server, of these confirmed.

    A signature that was confirmed although no acceptance is on record (its outcome was uncertain) proves the mail.
    """
    row = tx.execute(
        text(f"""
        with asked as (
            select s.requested_at, s.confirmed_at, {KNOWS_ITS_HOUR} as is_exact,
                (select min(m.settled_at) from message m
                 where m.signature_id = s.id and m.blast_id is null
                    and m.kind in ('confirmation', 'reminder') and m.state = 'accepted')
                as accepted_at
            from signature s where s.petition_id = :id and s.requested_at >= :since)
        select count(*) as asked,
            count(*) filter (where accepted_at is not null or confirmed_at is not null) as accepted,
            count(confirmed_at) as confirmed,
            percentile_cont(0.5) within group (
                order by greatest(extract(epoch from accepted_at - requested_at), 0) / 60)
                filter (where accepted_at is not null and is_exact) as minutes_to_accepted,
            percentile_cont(0.5) within group (
                order by greatest(extract(epoch from confirmed_at - requested_at), 0) / 60)
                filter (where confirmed_at is not null and is_exact) as minutes_to_confirmed
        from asked"""),
        id=petition_id,
        since=since,
    ).one()
    return Funnel(**row._asdict())


def per_bucket(
    tx: Transaction, petition_id: int, *, unit: str, zone: str, since: datetime
) -> tuple[dict[datetime, int], dict[datetime, int]]:
    """Signatures asked and confirmed since a moment, by the begin of their hour or day in a time zone.

    Args:
        tx: the open transaction.
        petition_id: which petition.
        unit: ``hour`` or ``day``.
        zone: an IANA name.
        since: the begin of the first bucket.

    Erased signatures stand at the begin of their day in UTC; by the hour they are left out.
    """
    found: list[dict[datetime, int]] = []
    for column in ("requested_at", "confirmed_at"):
        rows = tx.execute(
            text(f"""
            select date_trunc(:unit, {column}, :zone) as begin, count(*) as n from signature
            where petition_id = :id and {column} >= :since and (:unit <> 'hour' or {KNOWS_ITS_HOUR}) group by 1"""),
            unit=unit,
            zone=zone,
            id=petition_id,
            since=since,
        )
        found.append({row.begin: row.n for row in rows})
    return found[0], found[1]


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
        asked, confirmed = per_bucket(tx, petition_id, unit=unit, zone=zone, since=begins[0])
        by_moment = [_in_utc(found) for found in (asked, confirmed)]
        buckets = tuple(
            Bucket(begin, *(found.get(begin.astimezone(UTC), 0) for found in by_moment)) for begin in begins
        )
        return Statistics(span, buckets, funnel(tx, petition_id, since=begins[0]))

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
