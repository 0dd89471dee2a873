"""The message table: to send a mail, add a row. Planning and ending of messages; claiming is in ledger.py."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from campaign.database.connection import Transaction
from campaign.states import Lane, MessageKind
from campaign.store import allowances


@dataclass(frozen=True)
class Plan:
    """A message to be."""

    kind: MessageKind
    lane: Lane
    due_at: datetime
    signature_id: int | None = None
    petition_id: int | None = None
    account_id: int | None = None
    planned_at: datetime | None = None
    """By the clock of the caller; ``due_at`` if not given."""
    about_id: int | None = None


_INSERT = """insert into message (kind, lane, due_at, planned_at, signature_id, petition_id, account_id, about_id)
    values (:kind, :lane, :due_at, :planned_at, :signature_id, :petition_id, :account_id, :about_id)
    on conflict (signature_id, kind) where kind in ('thank_you', 'reminder') do nothing
    returning id"""
_PLAIN = text(_INSERT)
_GRANTED = text(f"with granted as ({allowances.INSERT_GRANTS}) {_INSERT}")


def add(tx: Transaction, plan: Plan, *, grants: Sequence[allowances.Grant] = ()) -> int | None:
    """Plan a message and wake its lane after the commit.

    Args:
        tx: the open transaction.
        plan: the message.
        grants: the allowance it uses, noted by the same statement: a person waits for this one.

    Returns:
        The message's id; None if the signature has its one thank-you or reminder already.
    """
    message_id: int | None = tx.execute(
        _GRANTED if grants else _PLAIN,
        kind=str(plan.kind), lane=str(plan.lane), due_at=plan.due_at, signature_id=plan.signature_id,
        petition_id=plan.petition_id, account_id=plan.account_id, about_id=plan.about_id,
        planned_at=plan.planned_at or plan.due_at, **(allowances.grant_values(grants) if grants else {}),
    ).scalar_one_or_none()  # fmt: skip
    if message_id is not None:
        tx.nudge(plan.lane)
    return message_id


def add_held(tx: Transaction, plan: Plan, *, reason: str) -> None:
    """Record a message that will not be sent, and why."""
    tx.execute(
        text("""
        insert into message (kind, lane, state, due_at, planned_at, settled_at, signature_id, petition_id, account_id,
            reason)
        values (:kind, :lane, 'suppressed', :due_at, :due_at, :due_at, :signature_id, :petition_id, :account_id,
            :reason)
        on conflict (signature_id, kind) where kind in ('thank_you', 'reminder') do nothing"""),
        kind=str(plan.kind), lane=str(plan.lane), due_at=plan.due_at, signature_id=plan.signature_id,
        petition_id=plan.petition_id, account_id=plan.account_id, reason=reason,
    )  # fmt: skip


def has_open(tx: Transaction, signature_id: int, kind: MessageKind) -> bool:
    """True if a message of this kind is still on its way to a signature."""
    return bool(
        tx.execute(
            text("""
            select exists (select 1 from message where signature_id = :id and blast_id is null and kind = :kind
                and state in ('planned', 'claimed', 'submitting'))"""),
            id=signature_id,
            kind=str(kind),
        ).scalar_one()
    )


def planned_since(tx: Transaction, signature_ids: list[int], kind: MessageKind, *, since: datetime) -> bool:
    """True if a message of this kind was planned for any of these signatures since a moment."""
    return bool(
        tx.execute(
            text("""
            select exists (select 1 from message where signature_id = any(:ids) and blast_id is null and kind = :kind
                and planned_at > :since and state <> 'suppressed')"""),
            ids=signature_ids,
            kind=str(kind),
            since=since,
        ).scalar_one()
    )


def cancel_for(tx: Transaction, signature_ids: list[int], *, reason: str, now: datetime) -> int:
    """Cancel what is planned for signatures that ended or were erased; the rows say why."""
    return tx.execute(
        text("""
        update message set state = 'cancelled', settled_at = :now, reason = :reason
        where state = 'planned' and id in (
            select m.id from message m where m.signature_id = any(:ids) and m.blast_id is null
            union all
            select m.id from message m
            where m.signature_id = any(:ids) and m.blast_id = any(array(
                select b.id from blast b
                where b.started_at is not null and b.cancelled_at is null
                    and b.petition_id in (select s.petition_id from signature s where s.id = any(:ids)))))"""),
        ids=signature_ids, reason=reason, now=now,
    ).rowcount  # fmt: skip
