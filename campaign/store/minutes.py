"""What each lane did minute by minute: small rows for the monitor's hour, so that it never counts the ledger anew."""

from datetime import datetime, timedelta

from sqlalchemy import text

from campaign.database.connection import Transaction
from campaign.states import Lane

MINUTE = timedelta(minutes=1)


def note(tx: Transaction, *, now: datetime, look_back: timedelta) -> int:
    """Count what was accepted since the last noted minute, and that minute again, for it was not over.

    Running it twice, or two at once, writes the same numbers.

    Args:
        tx: the open transaction.
        now: the present moment.
        look_back: how far to look on a database that never noted anything, or not for long.

    Returns:
        How many rows were written.
    """
    return tx.execute(
        text("""
        with since as (
            select greatest(max(minute) - interval '1 minute', date_trunc('minute', cast(:oldest as timestamptz))) as at
            from lane_minute)
        insert into lane_minute (lane, minute, accepted)
        select l.lane, date_trunc('minute', m.settled_at), count(*)
        from since, unnest(enum_range(null::lane_name)) as l(lane)
        cross join lateral (
            select settled_at from message
            where lane = l.lane and state = 'accepted' and settled_at >= since.at and settled_at <= :now) as m
        group by 1, 2
        on conflict (lane, minute) do update set accepted = excluded.accepted"""),
        now=now, oldest=now - look_back,
    ).rowcount  # fmt: skip


def accepted(tx: Transaction, *, since: datetime) -> dict[tuple[Lane, datetime], int]:
    """Messages accepted by lane and minute; minutes without any are not there."""
    rows = tx.execute(text("select lane, minute, accepted from lane_minute where minute >= :since"), since=since)
    return {(Lane(row.lane), row.minute): row.accepted for row in rows}


def purge(tx: Transaction, *, before: datetime) -> int:
    """Forget minutes that nobody looks at any more."""
    return tx.execute(text("delete from lane_minute where minute < :before"), before=before).rowcount
