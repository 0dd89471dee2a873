"""Health of blasts: one that too many servers refuse or return, or too many readers complain of, pauses (F15, F49)."""

import logging
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import text

from campaign.accounts import audit
from campaign.blasts import queries
from campaign.blasts.rules import SAME_REFUSALS, BlastReception
from campaign.database.connection import Transaction
from campaign.states import LOST_KINDS


def of_blast(tx: Transaction, blast_id: int) -> BlastReception:
    """How a blast was received since it was last resumed; of the accepted, no more than matter are counted."""
    row = tx.execute(
        text("""
        with since as (
            select greatest(b.started_at, (
                select max(at) from audit_entry
                where action = 'blast.resume' and subject = 'blast' and subject_id = b.id)) as at
            from blast b where b.id = :id),
        rejected as (
            select count(*) as n from message m, since
            where m.blast_id = :id and m.state = 'rejected' and m.settled_at >= since.at),
        told as (
            select e.kind, count(distinct e.message_id) as n
            from since cross join delivery_event e join message m on m.id = e.message_id
            where m.blast_id = :id and e.kind = any(cast(:kinds as text[])) and e.received_at >= since.at
            group by e.kind),
        came_back as (
            select coalesce(sum(n) filter (where kind = 'complained'), 0) as complained,
                coalesce(sum(n) filter (where kind <> 'complained'), 0) as bounced from told),
        last as (
            select m.settled_at, m.phase, m.reply_code, m.enhanced from message m, since
            where m.blast_id = :id and m.state = 'rejected' and m.settled_at >= since.at
            order by m.settled_at desc, m.id desc limit :same)
        select r.n as rejected, c.complained, c.bounced,
            (select case when count(distinct (l.reply_code, l.enhanced)) = 1 and min(l.reply_code) >= 500
                    and bool_and(l.phase in ('data', 'dot')) and not exists (
                        select 1 from message m where m.blast_id = :id and m.state = 'accepted'
                            and m.settled_at >= min(l.settled_at))
                then count(*) else 0 end from last l) as same_refusals,
            (select count(*) from (
                select 1 from message m, since
                where m.blast_id = :id and m.state = 'accepted' and m.settled_at >= since.at
                limit 20 * (r.n + c.bounced) + 1000 * c.complained) few) as accepted
        from rejected r, came_back c"""),
        id=blast_id,
        same=SAME_REFUSALS,
        kinds=[str(kind) for kind in LOST_KINDS],
    ).one()
    return BlastReception(
        accepted=row.accepted,
        rejected=row.rejected,
        complained=int(row.complained),
        same_refusals=row.same_refusals,
        bounced=int(row.bounced),
    )


log = logging.getLogger(__name__)


def look(tx: Transaction, blast_ids: Iterable[int], *, now: datetime) -> int:
    """Pause those of the blasts that pass a limit; returns how many. Looking again changes nothing.

    To be called in the transaction that recorded a rejection, a bounce or a complaint. An organiser may resume the
    blast; then only what comes after counts.
    """
    paused = 0
    for blast_id in sorted(set(blast_ids)):
        found = of_blast(tx, blast_id)
        reason = found.reason_to_pause()
        if reason is None or not _is_going(tx, blast_id) or not queries.hold(tx, blast_id, reason=reason, now=now):
            continue
        paused += 1
        log.warning("blast %d paused itself: %s", blast_id, reason)
        audit.add(
            tx,
            action="blast.pause",
            subject="blast",
            subject_id=blast_id,
            detail={
                "reason": reason,
                "accepted": found.accepted,
                "rejected": found.rejected,
                "bounced": found.bounced,
                "complained": found.complained,
                "same_refusals": found.same_refusals,
            },
        )
    return paused


def _is_going(tx: Transaction, blast_id: int) -> bool:
    """True if a blast still has messages to send: one that is through can't be paused."""
    return bool(
        tx.execute(
            text("""
            select b.frozen_at is null or exists (
                select 1 from message m where m.blast_id = b.id and m.state in ('planned', 'claimed', 'submitting'))
            from blast b where b.id = :id"""),
            id=blast_id,
        ).scalar_one()
    )
