"""Reception: a blast that too many servers refuse, or too many people complain of, pauses by itself (F15, F49)."""

import logging
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import text

from campaign.accounts import audit
from campaign.blasts import queries
from campaign.blasts.rules import SAME_REFUSALS, BlastReception
from campaign.database.connection import Transaction
from campaign.runtime import Runtime


def of_blast(tx: Transaction, blast_id: int) -> BlastReception:
    """How a blast was received since it was last resumed; of the accepted, no more than matter are counted."""
    row = tx.execute(
        text("""
        with since as (
            select coalesce(max(at), '-infinity') as at from audit_entry
            where action = 'blast.resume' and subject = 'blast' and subject_id = :id),
        rejected as (
            select count(*) as n from message m, since
            where m.blast_id = :id and m.state = 'rejected' and m.settled_at > since.at),
        complained as (
            select count(*) as n from delivery_event e join message m on m.id = e.message_id, since
            where m.blast_id = :id and e.kind = 'complained' and e.received_at > since.at),
        last as (
            select m.settled_at, m.phase, m.reply_code, m.enhanced from message m, since
            where m.blast_id = :id and m.state = 'rejected' and m.settled_at > since.at
            order by m.settled_at desc, m.id desc limit :same)
        select r.n as rejected, c.n as complained,
            (select case when count(distinct (l.reply_code, l.enhanced)) = 1 and min(l.reply_code) >= 500
                    and bool_and(l.phase in ('data', 'dot')) and not exists (
                        select 1 from message m where m.blast_id = :id and m.state = 'accepted'
                            and m.settled_at >= min(l.settled_at))
                then count(*) else 0 end from last l) as same_refusals,
            (select count(*) from (
                select 1 from message m, since
                where m.blast_id = :id and m.state = 'accepted' and m.settled_at > since.at
                limit 20 * r.n + 1000 * c.n) few) as accepted
        from rejected r, complained c"""),
        id=blast_id,
        same=SAME_REFUSALS,
    ).one()
    return BlastReception(
        accepted=row.accepted, rejected=row.rejected, complained=row.complained, same_refusals=row.same_refusals
    )


def complained_of(tx: Transaction) -> list[int]:
    """Running blasts with complaints that were not dealt with yet."""
    rows = tx.execute(
        text("""
        select distinct b.id from delivery_event e
        join message m on m.id = e.message_id join blast b on b.id = m.blast_id
        where e.applied_at is null and e.kind = 'complained' and b.paused_at is null and b.cancelled_at is null
        order by 1""")
    )
    return list(rows.scalars())


log = logging.getLogger(__name__)


def watch(runtime: Runtime) -> int:
    """Check the blasts with new complaints; returns how many were paused.

    Looking again changes nothing, and any worker may.
    """
    now = runtime.clock()
    return runtime.store.transact(lambda tx: look(tx, complained_of(tx), now=now))


def look(tx: Transaction, blast_ids: Iterable[int], *, now: datetime) -> int:
    """Pause those of the blasts that pass a limit; returns how many. Looking again changes nothing.

    To be called in the transaction that recorded a rejection, a bounce or a complaint. An organiser may resume the
    blast; then only what comes after counts.
    """
    paused = 0
    for blast_id in sorted(set(blast_ids)):
        found = of_blast(tx, blast_id)
        reason = found.reason_to_pause()
        if reason is None or not queries.hold(tx, blast_id, reason=reason, now=now):
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
                "complained": found.complained,
                "same_refusals": found.same_refusals,
            },
        )
    return paused
