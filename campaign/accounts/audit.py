"""The audit log as admins read it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text

from campaign.database.connection import Transaction
from campaign.runtime import Runtime


@dataclass(frozen=True)
class Entry:
    """One entry: who did what to which row. Ids and reasons only."""

    id: int
    at: datetime
    actor: str
    account_id: int | None
    action: str
    subject: str
    subject_id: int | None
    petition_id: int | None
    petition: str | None
    detail: Mapping[str, Any]


def page(tx: Transaction, *, action: str | None, account_id: int | None, before: int | None, limit: int) -> list[Entry]:
    """Entries older than ``before``, the newest first; each filter has its index."""
    conditions = ["e.id < :before"]
    conditions += ["e.action = :action"] if action is not None else []
    conditions += ["e.account_id = :account_id"] if account_id is not None else []
    values: dict[str, object] = {"before": before if before is not None else 2**63 - 1, "limit": limit}
    values |= {"action": action} if action is not None else {}
    values |= {"account_id": account_id} if account_id is not None else {}
    rows = tx.execute(
        text(f"""
        select e.id, e.at, e.actor, e.account_id, e.action, e.subject, e.subject_id, e.petition_id,
            p.slug as petition, e.detail
        from audit_entry e left join petition p on p.id = e.petition_id
        where {" and ".join(conditions)} order by e.id desc limit :limit"""),
        **values,
    )
    return [Entry(**row._asdict()) for row in rows]


def actions(tx: Transaction) -> list[str]:
    """Every action there is; one probe of the index for each, however long the log."""
    rows = tx.execute(
        text("""
        with recursive found as (
            (select action from audit_entry order by action limit 1)
            union all
            select (select e.action from audit_entry e where e.action > f.action order by e.action limit 1)
            from found f where f.action is not null)
        select action from found where action is not null order by action""")
    )
    return list(rows.scalars())


PAGE = 50


@dataclass(frozen=True)
class Log:
    """A page of the log, the newest entry first, with the actions that can be asked for."""

    entries: tuple[Entry, ...]
    following: int | None
    """``before`` of the next page; None on the last."""
    actions: tuple[str, ...]


def read(
    runtime: Runtime,
    *,
    action: str | None = None,
    account_id: int | None = None,
    before: int | None = None,
    limit: int = PAGE,
) -> Log:
    """One page of the log.

    Args:
        runtime: the runtime.
        action: only this action, ``noun.verb``.
        account_id: only what this account did.
        before: only entries older than the one with this id.
        limit: entries on a page.
    """

    def work(tx: Transaction) -> Log:
        found = page(tx, action=action, account_id=account_id, before=before, limit=limit + 1)
        shown = tuple(found[:limit])
        return Log(shown, shown[-1].id if len(found) > limit else None, tuple(actions(tx)))

    return runtime.store.transact(work)


def add(
    tx: Transaction,
    *,
    action: str,
    subject: str,
    subject_id: int | None,
    petition_id: int | None = None,
    account_id: int | None = None,
    actor: str = "system",
    detail: Mapping[str, object] | None = None,
) -> None:
    """Write one entry in the transaction of what it tells of.

    Args:
        tx: the open transaction.
        action: ``noun.verb``.
        subject: the table the subject is in.
        subject_id: its id.
        petition_id: the petition it belongs to, for the organiser's view.
        account_id: the account that did it, if any.
        actor: ``account``, ``cli`` or ``system``.
        detail: plain JSON without personal data.
    """
    tx.execute(
        text("""
        insert into audit_entry (actor, account_id, action, subject, subject_id, petition_id, detail)
        values (:actor, :account_id, :action, :subject, :subject_id, :petition_id, cast(:detail as jsonb))"""),
        actor="account" if account_id is not None else actor,
        account_id=account_id,
        action=action,
        subject=subject,
        subject_id=subject_id,
        petition_id=petition_id if petition_id is not None or subject != "petition" else subject_id,
        detail=json.dumps(dict(detail or {})),
    )
