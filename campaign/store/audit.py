"""The audit log: who did what to which row. Ids and reasons only."""

import json
from collections.abc import Mapping

from sqlalchemy import text

from campaign.database.connection import Transaction


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
        account_id: who, if a person with an account did it.
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
