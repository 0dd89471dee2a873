"""Alerts: what admins were told about a lane, and when; one row for each cause and lane."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text

from campaign.domain.states import Lane, MessageKind
from campaign.store.database import Transaction


@dataclass(frozen=True)
class Alert:
    """One trouble that admins are told about."""

    id: int
    cause: str
    lane: Lane
    began_at: datetime
    ended_at: datetime | None
    reason: str


def tell(
    tx: Transaction, *, cause: str, lane: Lane, began_at: datetime, reason: str, now: datetime, quiet: timedelta
) -> int | None:
    """Claim the turn to tell the admins; None for everybody but the first caller within ``quiet``."""
    told: int | None = tx.execute(
        text("""
        insert into alert as a (cause, lane, began_at, told_at, reason)
        values (:cause, :lane, :began_at, :now, :reason)
        on conflict (cause, lane) do update
            set began_at = excluded.began_at, told_at = excluded.told_at, reason = excluded.reason, ended_at = null
            where a.told_at <= :before
        returning a.id"""),
        cause=cause, lane=str(lane), began_at=began_at, reason=reason, now=now, before=now - quiet,
    ).scalar_one_or_none()  # fmt: skip
    return told


def end(tx: Transaction, lane: Lane, *, but: Collection[str], now: datetime) -> int:
    """Note that the troubles of a lane are over, but for the causes that still hold."""
    return tx.execute(
        text("""
        update alert set ended_at = :now
        where lane = :lane and ended_at is null and cause <> all(cast(:but as text[]))"""),
        lane=str(lane), but=list(but), now=now,
    ).rowcount  # fmt: skip


def plan_mails(tx: Transaction, alert_id: int, *, now: datetime) -> int:
    """Plan one mail to each admin, but to those who have one about this alert on its way; returns how many."""
    tx.nudge(Lane.URGENT)
    return tx.execute(
        text("""
        insert into message (kind, lane, planned_at, due_at, account_id, about_id)
        select cast(:kind as message_kind), 'urgent', :now, :now, a.id, :alert_id from account a
        where a.role = 'admin' and a.disabled_at is null and not exists (
            select 1 from message m where m.account_id = a.id and m.kind = :kind and m.about_id = :alert_id
                and m.state in ('planned', 'claimed', 'submitting'))"""),
        kind=str(MessageKind.ADMIN_ALERT), alert_id=alert_id, now=now,
    ).rowcount  # fmt: skip


def by_ids(tx: Transaction, alert_ids: Collection[int]) -> dict[int, Alert]:
    """Alerts by id."""
    rows = tx.execute(
        text("select id, cause, lane, began_at, ended_at, reason from alert where id = any(:ids)"), ids=list(alert_ids)
    )
    return {row.id: Alert(row.id, row.cause, Lane(row.lane), row.began_at, row.ended_at, row.reason) for row in rows}
