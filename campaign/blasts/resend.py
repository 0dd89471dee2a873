"""Who did not get a blast and still may."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import text

from campaign.database.connection import Transaction

_MISSING = """m.blast_id = :id and (m.state = 'cancelled' and m.reason = 'blast_cancelled'
        or m.state = 'rejected' and coalesce(m.enhanced, '') <> all(cast(:gone as text[])))
    and s.id = m.signature_id and s.state = 'confirmed' and s.wants_updates and s.address is not null"""
"""Who did not get a blast and may: refused, expired or cancelled with it; not those whose mailbox is gone, nor who
changed their mind. A message stays one row, so that what was accepted or is uncertain can't be among them."""


def count(tx: Transaction, blast_id: int, *, gone: Collection[str]) -> int:
    """How many people did not get a blast and could still get it; ``gone`` are the codes of dead addresses."""
    return int(
        tx.execute(
            text(f"select count(*) from message m, signature s where {_MISSING}"), id=blast_id, gone=sorted(gone)
        ).scalar_one()
    )


def reopen(tx: Transaction, blast_id: int) -> None:
    """Let a finished or cancelled blast go on; an audience that was not frozen to its end is frozen further."""
    tx.execute(
        text("""
        update blast set paused_at = null, paused_reason = null, cancelled_at = null,
            frozen_at = case when frozen_until < freeze_limit then null else frozen_at end
        where id = :id"""),
        id=blast_id,
    )


def plan(tx: Transaction, blast_id: int, *, gone: Collection[str], limit: int, now: datetime) -> int:
    """Plan up to ``limit`` messages once more whose readers did not get them; returns how many."""
    return tx.execute(
        text(f"""
        with again as (
            select m.id from message m, signature s where {_MISSING} limit :limit for update of m skip locked)
        update message m set state = 'planned', due_at = :now, settled_at = null, attempts = 0, losses = 0,
            planned_at = :now, reason = 'sent_again', phase = null, reply_code = null, enhanced = null
        from again where m.id = again.id"""),
        id=blast_id,
        limit=limit,
        now=now,
        gone=sorted(gone),
    ).rowcount
