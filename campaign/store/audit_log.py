"""Reading the audit log: newest first, by keyset."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text

from campaign.database.connection import Transaction


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
