"""How fast mail is accepted, from a bounded number of the newest acceptances: as quick at 10,000 a second as at one."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text

from campaign.database.connection import Transaction
from campaign.domain.flow import rate_of
from campaign.states import Lane

MINUTE = timedelta(seconds=60)

NEWEST = 20_000
"""Acceptances looked at: all of the last minute up to 333 a second; of a faster flow the newest, which say as much."""


@dataclass(frozen=True)
class Newest:
    """The newest acceptances of a lane within a minute."""

    is_cut: bool
    """True if there are more in the minute than were looked at."""
    rate: float
    by_blast: Mapping[int, float]
    """Acceptances per second of each blast."""


def newest(tx: Transaction, lane: Lane, *, now: datetime) -> Newest:
    """Look at the newest acceptances of a lane, by ix_message_settled backwards."""
    rows = tx.execute(
        text("""
        with newest as (
            select blast_id, settled_at from message
            where lane = :lane and state = 'accepted' and settled_at > :since and settled_at <= :now
            order by lane desc, settled_at desc limit :limit)
        select blast_id, count(*) as messages, min(settled_at) as first_at from newest group by blast_id"""),
        lane=str(lane), since=now - MINUTE, now=now, limit=NEWEST,
    ).all()  # fmt: skip
    total = sum(row.messages for row in rows)
    if total < NEWEST:
        by_blast = {row.blast_id: rate_of(row.messages, row.first_at, now) for row in rows if row.blast_id is not None}
        return Newest(False, rate_of(total, min((row.first_at for row in rows), default=None), now), by_blast)
    span = max((now - min(row.first_at for row in rows)).total_seconds(), 1.0)
    return Newest(True, total / span, {row.blast_id: row.messages / span for row in rows if row.blast_id is not None})
