"""Alerts: what people were told about a lane or a blast, and when; one row for each cause, lane and blast."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text

from campaign.database.connection import Transaction
from campaign.states import Lane, MessageKind


@dataclass(frozen=True)
class Alert:
    """One trouble that people are told about; with a blast, the address of its petition too."""

    id: int
    cause: str
    lane: Lane
    began_at: datetime
    ended_at: datetime | None
    reason: str
    blast_id: int | None = None
    slug: str = ""


def tell(
    tx: Transaction, *, cause: str, lane: Lane, began_at: datetime, reason: str, now: datetime, quiet: timedelta | None,
    blast_id: int | None = None,
) -> int | None:  # fmt: skip
    """Claim the turn to tell people; None for everybody but the first caller within ``quiet``.

    Without ``quiet`` each beginning is told once, however long it lasts.
    """
    told: int | None = tx.execute(
        text("""
        insert into alert as a (cause, lane, began_at, told_at, reason, blast_id)
        values (:cause, :lane, :began_at, :now, :reason, :blast_id)
        on conflict (cause, lane, blast_id) do update
            set began_at = excluded.began_at, told_at = excluded.told_at, reason = excluded.reason, ended_at = null
            where case when cast(:before as timestamptz) is null then a.began_at <> excluded.began_at
                else a.told_at <= :before end
        returning a.id"""),
        cause=cause, lane=str(lane), began_at=began_at, reason=reason, now=now, blast_id=blast_id,
        before=None if quiet is None else now - quiet,
    ).scalar_one_or_none()  # fmt: skip
    return told


def end(tx: Transaction, lane: Lane, *, but: Collection[str], now: datetime) -> int:
    """Note that the troubles of a lane are over, but for the causes that still hold."""
    return tx.execute(
        text("""
        update alert set ended_at = :now
        where lane = :lane and blast_id is null and ended_at is null and cause <> all(cast(:but as text[]))"""),
        lane=str(lane), but=list(but), now=now,
    ).rowcount  # fmt: skip


def end_of_blasts(tx: Transaction, *, but: Collection[int], now: datetime) -> int:
    """Note that the troubles of blasts are over, but for those that still stand."""
    return tx.execute(
        text("""
        update alert set ended_at = :now
        where blast_id is not null and ended_at is null and blast_id <> all(cast(:but as int[]))"""),
        but=list(but), now=now,
    ).rowcount  # fmt: skip


def plan_mails(tx: Transaction, alert_id: int, *, now: datetime) -> int:
    """Plan one mail to each admin, but to those who have one about this alert on its way; returns how many.

    Of an alert about a blast those are told too who wrote it, let it go or organise its petition.
    """
    tx.nudge(Lane.URGENT)
    return tx.execute(
        text("""
        insert into message (kind, lane, planned_at, due_at, account_id, about_id)
        select cast(:kind as message_kind), 'urgent', :now, :now, a.id, :alert_id from account a
        where a.disabled_at is null and (a.role = 'admin' or a.id in (
            select unnest(array[b.created_by, b.approved_by] || array(
                select account_id from membership where petition_id = b.petition_id))
            from alert t join blast b on b.id = t.blast_id where t.id = :alert_id)) and not exists (
            select 1 from message m where m.account_id = a.id and m.kind = :kind and m.about_id = :alert_id
                and m.state in ('planned', 'claimed', 'submitting'))"""),
        kind=str(MessageKind.ADMIN_ALERT), alert_id=alert_id, now=now,
    ).rowcount  # fmt: skip


def by_ids(tx: Transaction, alert_ids: Collection[int]) -> dict[int, Alert]:
    """Alerts by id."""
    rows = tx.execute(
        text("""
        select a.id, a.cause, a.lane, a.began_at, a.ended_at, a.reason, a.blast_id, coalesce(p.slug, '') as slug
        from alert a left join blast b on b.id = a.blast_id left join petition p on p.id = b.petition_id
        where a.id = any(:ids)"""),
        ids=list(alert_ids),
    )
    return {
        row.id: Alert(
            row.id, row.cause, Lane(row.lane), row.began_at, row.ended_at, row.reason, row.blast_id, row.slug
        )
        for row in rows
    }  # fmt: skip
