"""Blasts: drafts, schedules, the frozen audience, and the equation of the ledger."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from campaign.blasts.rules import SELF_PAUSED, Audience, Blast, BlastKind
from campaign.database.connection import Transaction
from campaign.outbox import counted
from campaign.outbox.counted import MessageOutcome

_COLUMNS = """b.id, b.petition_id, b.kind, b.send_at, b.time_zone, b.max_lateness, b.audience, b.threshold,
    b.count_at_start, b.created_by, b.created_at, b.started_at, b.frozen_at, b.paused_at,
    b.paused_reason, b.cancelled_at"""


def _blast(row: Row[Any]) -> Blast:
    values = {name: getattr(row, name) for name in Blast.__dataclass_fields__}
    chosen = values["audience"]
    return Blast(
        **(
            values
            | {
                "kind": BlastKind(row.kind),
                "audience": Audience(tuple(chosen.get("countries", ())), tuple(chosen.get("locales", ()))),
            }
        )
    )


def add(
    tx: Transaction,
    *,
    petition_id: int,
    kind: BlastKind,
    request_key: str,
    created_by: int | None = None,
    threshold: int | None = None,
) -> int:
    """Add a draft; the same request key gives the same blast, however often it is asked."""
    tx.execute(
        text("""
        insert into blast (petition_id, kind, request_key, created_by, threshold)
        values (:petition_id, :kind, :request_key, :created_by, :threshold)
        on conflict (request_key) do nothing"""),
        petition_id=petition_id,
        kind=str(kind),
        request_key=request_key,
        created_by=created_by,
        threshold=threshold,
    )
    return int(tx.execute(text("select id from blast where request_key = :key"), key=request_key).scalar_one())


def by_id(tx: Transaction, blast_id: int, *, lock: bool = False) -> Blast | None:
    """One blast; ``lock`` holds the row until the transaction ends."""
    row = tx.execute(
        text(f"select {_COLUMNS} from blast b where b.id = :id {'for update' if lock else ''}"), id=blast_id
    ).one_or_none()
    return None if row is None else _blast(row)


def of_petition(tx: Transaction, petition_id: int) -> list[Blast]:
    """All blasts of a petition, newest first."""
    rows = tx.execute(
        text(f"select {_COLUMNS} from blast b where b.petition_id = :id order by b.id desc"), id=petition_id
    )
    return [_blast(row) for row in rows]


def published(tx: Transaction, petition_id: int, *, limit: int) -> list[Blast]:
    """The updates of a petition that have started, newest first."""
    rows = tx.execute(
        text(f"""
        select {_COLUMNS} from blast b
        where b.petition_id = :id and b.kind = 'update' and b.started_at is not null
        order by b.started_at desc, b.id desc limit :limit"""),
        id=petition_id,
        limit=limit,
    )
    return [_blast(row) for row in rows]


def unfinished(tx: Transaction) -> list[Blast]:
    """Blasts that are scheduled, held, or still have open messages: what the monitor shows.

    One probe of the index for each started blast: as an EXISTS it would become a join over all open messages.
    """
    rows = tx.execute(
        text(f"""
        select {_COLUMNS} from blast b
        where b.cancelled_at is null and (
            (b.send_at is not null and b.started_at is null)
            or (b.started_at is not null and (b.frozen_at is null or (
                select true from message m
                where m.blast_id = b.id and m.state in ('planned', 'claimed', 'submitting')
                order by m.blast_id, m.state limit 1))))
        order by coalesce(b.started_at, b.send_at)""")
    )
    return [_blast(row) for row in rows]


def paused_by_themselves(tx: Transaction) -> list[Blast]:
    """Blasts that a limit has paused and that were not resumed or cancelled."""
    rows = tx.execute(
        text(f"""
        select {_COLUMNS} from blast b
        where b.paused_at is not null and b.cancelled_at is null and b.paused_reason = any(:reasons) order by b.id"""),
        reasons=sorted(SELF_PAUSED),
    )
    return [_blast(row) for row in rows]


def texts(tx: Transaction, blast_id: int) -> dict[str, tuple[str, str, str]]:
    """Subject, Markdown and safe HTML by language."""
    rows = tx.execute(
        text("select locale, subject, body_markdown, body_html from blast_text where blast_id = :id order by locale"),
        id=blast_id,
    )
    return {row.locale: (row.subject, row.body_markdown, row.body_html) for row in rows}


def save_texts(tx: Transaction, blast_id: int, saved: Mapping[str, tuple[str, str, str]]) -> None:
    """Replace the texts of a blast that has not started."""
    tx.execute(text("delete from blast_text where blast_id = :id"), id=blast_id)
    for locale, (subject, markdown, html) in saved.items():
        tx.execute(
            text("""
            insert into blast_text (blast_id, locale, subject, body_markdown, body_html)
            values (:id, :locale, :subject, :markdown, :html)"""),
            id=blast_id,
            locale=locale,
            subject=subject,
            markdown=markdown,
            html=html,
        )
    tx.execute(text("update blast set changed_at = now() where id = :id"), id=blast_id)


def save_audience(tx: Transaction, blast_id: int, audience: Audience) -> None:
    """Store whom a blast is for."""
    tx.execute(
        text("update blast set audience = cast(:audience as jsonb), changed_at = now() where id = :id"),
        id=blast_id,
        audience=json.dumps(audience.as_json()),
    )


def schedule(
    tx: Transaction,
    blast_id: int,
    *,
    send_at: datetime,
    time_zone: str,
    max_lateness: int,
    epoch: UUID,
    now: datetime,
    by: int | None,
) -> bool:
    """Set the moment; False if the blast has started or was cancelled."""
    return (
        tx.execute(
            text("""
            update blast set send_at = :send_at, time_zone = :zone, max_lateness = :lateness, epoch = :epoch,
                scheduled_at = :now, approved_by = :by, paused_at = null, paused_reason = null
            where id = :id and started_at is null and cancelled_at is null"""),
            id=blast_id,
            send_at=send_at,
            zone=time_zone,
            lateness=max_lateness,
            epoch=epoch,
            now=now,
            by=by,
        ).rowcount
        == 1
    )


def unschedule(tx: Transaction, blast_id: int) -> bool:
    """Make a scheduled blast a draft again; False if it has started."""
    return (
        tx.execute(
            text("""
            update blast set send_at = null, scheduled_at = null, epoch = null, paused_at = null, paused_reason = null
            where id = :id and started_at is null and cancelled_at is null"""),
            id=blast_id,
        ).rowcount
        == 1
    )


def due(tx: Transaction, *, now: datetime) -> list[tuple[Blast, UUID | None]]:
    """Scheduled blasts whose moment has come, with the epoch they were scheduled in; locked, others skip them."""
    rows = tx.execute(
        text(f"""
        select {_COLUMNS}, b.epoch from blast b
        where b.send_at <= :now and b.started_at is null and b.cancelled_at is null and b.paused_at is null
        order by b.send_at for update skip locked"""),
        now=now,
    )
    return [(_blast(row), row.epoch) for row in rows]


def start(tx: Transaction, blast_id: int, *, count: int, now: datetime) -> None:
    """Begin: from here on texts and audience are frozen."""
    tx.execute(
        text("""
        update blast set started_at = :now, count_at_start = :count,
            freeze_limit = (select coalesce(max(s.id), 0) from signature s where s.petition_id = blast.petition_id)
        where id = :id"""),
        id=blast_id,
        now=now,
        count=count,
    )


def hold(tx: Transaction, blast_id: int, *, reason: str, now: datetime) -> bool:
    """Pause a blast; False if it is paused, cancelled or unknown."""
    return (
        tx.execute(
            text("""
            update blast set paused_at = :now, paused_reason = :reason
            where id = :id and paused_at is null and cancelled_at is null"""),
            id=blast_id,
            now=now,
            reason=reason,
        ).rowcount
        == 1
    )


def resume(tx: Transaction, blast_id: int) -> bool:
    """Let a started, paused blast go on."""
    return (
        tx.execute(
            text("""
            update blast set paused_at = null, paused_reason = null
            where id = :id and paused_at is not null and started_at is not null and cancelled_at is null"""),
            id=blast_id,
        ).rowcount
        == 1
    )


def cancel(tx: Transaction, blast_id: int, *, now: datetime) -> bool:
    """End a blast; its planned messages are cancelled slice by slice."""
    return (
        tx.execute(
            text("""
            update blast set cancelled_at = :now, frozen_at = coalesce(frozen_at, :now)
            where id = :id and cancelled_at is null"""),
            id=blast_id,
            now=now,
        ).rowcount
        == 1
    )


def cancel_messages(tx: Transaction, blast_id: int, *, limit: int, now: datetime) -> int:
    """Cancel up to ``limit`` planned messages of a cancelled blast; returns how many."""
    rows = tx.execute(
        text("""
        with doomed as (
            select m.id from message m join blast b on b.id = m.blast_id
            where m.blast_id = :id and m.state = 'planned' and b.cancelled_at is not null
            limit :limit for update of m skip locked)
        update message m set state = 'cancelled', settled_at = :now, reason = 'blast_cancelled'
        from doomed where m.id = doomed.id
        returning m.kind, m.lane"""),
        id=blast_id,
        limit=limit,
        now=now,
    )
    return counted.count_rows(tx, rows, MessageOutcome.CANCELLED)


def cancelled_with_rest(tx: Transaction) -> list[int]:
    """Cancelled blasts that have planned messages left: one probe of ix_message_blast_state for each."""
    return list(
        tx.execute(
            text("""
            select b.id from blast b
            where b.cancelled_at is not null and b.started_at is not null and (
                select true from message m where m.blast_id = b.id and m.state = 'planned'
                order by m.blast_id, m.state limit 1)
            order by b.id""")
        ).scalars()
    )


def reasons(tx: Transaction, blast_id: int, *, now: datetime, limit: int = 20) -> list[tuple[str, str, int]]:
    """Why messages were not accepted, or not yet: state, reason and number, most frequent first.

    What is deferred is found among the few rows that are due later (ix_message_due): while a large update is sent, the
    rows that only wait for their turn are not read.
    """
    rows = tx.execute(
        text("""
        with kept as (
            select cast(state as text) as state, reason from message
            where blast_id = :id and state in ('rejected', 'uncertain', 'suppressed', 'cancelled')
            union all
            select cast(state as text), reason from message
            where lane = 'bulk' and state = 'planned' and due_at > :now and attempts > 0 and blast_id = :id)
        select state, coalesce(reason, '') as reason, count(*) as n from kept
        group by 1, 2 order by 3 desc limit :limit"""),
        id=blast_id,
        now=now,
        limit=limit,
    )
    return [(row.state, row.reason, row.n) for row in rows]


def first_accepted_at(tx: Transaction, blast_id: int, *, since: datetime) -> datetime | None:
    """When the first message of a blast was accepted; found at once, for it is soon after the beginning."""
    return _end_of_walk(tx, "asc", blast_id, since)


def last_accepted_at(tx: Transaction, blast_id: int, *, since: datetime) -> datetime | None:
    """When the last message of a blast was accepted; found at once while it runs, later behind what came after it."""
    return _end_of_walk(tx, "desc", blast_id, since)


def _end_of_walk(tx: Transaction, direction: str, blast_id: int, since: datetime) -> datetime | None:
    # By ix_message_settled, from one end until the first that is of this blast.
    found: datetime | None = tx.execute(
        text(f"""
        select settled_at from message
        where lane = 'bulk' and state = 'accepted' and settled_at >= :since and blast_id = :id
        order by lane {direction}, settled_at {direction} limit 1"""),
        id=blast_id,
        since=since,
    ).scalar_one_or_none()
    return found
