"""The emails that brought a code for the own page."""

from datetime import datetime

from sqlalchemy import text

from campaign.database.connection import Transaction


def newest(tx: Transaction, signature_id: int, *, due_after: datetime) -> int | None:
    """The newest email with a code that was handed to the mail server; None if there is none of late.

    Args:
        tx: the open transaction.
        signature_id: whose page.
        due_after: an email that was due before is too old.
    """
    found: int | None = tx.execute(
        text("""
        select id from message
        where signature_id = :signature_id and blast_id is null and kind = 'own_code'
            and state in ('submitting', 'accepted', 'uncertain') and due_at > :due_after
        order by id desc limit 1"""),
        signature_id=signature_id,
        due_after=due_after,
    ).scalar_one_or_none()
    return found
