"""Numbers over the signatures of one petition: how many when, and how far they came."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from campaign.database.connection import Transaction


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
        text("""
        with asked as (
            select s.requested_at, s.confirmed_at,
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
                filter (where accepted_at is not null) as minutes_to_accepted,
            percentile_cont(0.5) within group (
                order by greatest(extract(epoch from confirmed_at - requested_at), 0) / 60)
                filter (where confirmed_at is not null) as minutes_to_confirmed
        from asked"""),
        id=petition_id, since=since,
    ).one()  # fmt: skip
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
    """
    found: list[dict[datetime, int]] = []
    for column in ("requested_at", "confirmed_at"):
        rows = tx.execute(
            text(f"""
            select date_trunc(:unit, {column}, :zone) as begin, count(*) as n from signature
            where petition_id = :id and {column} >= :since group by 1"""),
            unit=unit, zone=zone, id=petition_id, since=since,
        )  # fmt: skip
        found.append({row.begin: row.n for row in rows})
    return found[0], found[1]
