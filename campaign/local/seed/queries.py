"""Many invented signatures and messages at once: ids in blocks, rows in one statement."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, field, fields
from datetime import datetime, timedelta

from sqlalchemy import text

from campaign.database.connection import Transaction


@dataclass(frozen=True)
class SeedSignature:
    """A signature to be; its columns in the order of the statement below. Confirmed, if it has a time for that."""

    id: int
    text_version_id: int
    consent_id: int
    updates_consent_id: int | None
    locale: str
    country: str
    show_name: bool
    wants_updates: bool
    nonce: bytes = field(repr=False)
    address_index: bytes = field(repr=False)
    person_index: bytes = field(repr=False)
    address: bytes = field(repr=False)
    name: bytes = field(repr=False)
    reason: bytes | None = field(repr=False)
    requested_at: datetime
    confirmed_at: datetime | None


def add_many(tx: Transaction, petition_id: int, seeds: Sequence[SeedSignature], *, now: datetime) -> None:
    """Insert signatures, pending or confirmed.

    Pending ones are marked as reminded: a fake person reads no reminder.
    """
    # What is lost when the machine dies just now is fake data: do not wait for the disk.
    tx.execute(text("set local synchronous_commit = off"))
    columns = zip(*map(astuple, seeds), strict=True)
    tx.execute(
        text("""
        insert into signature (id, petition_id, text_version_id, consent_id, updates_consent_id, locale, country,
            show_name, wants_updates, nonce, address_index, person_index, address, name, reason, requested_at,
            confirmed_at, state, confirmed_by, mailbox_slot, reminded_at)
        select s.id, :petition_id, s.text_version_id, s.consent_id, s.updates_consent_id, s.locale, s.country,
            s.show_name, s.wants_updates, s.nonce, s.address_index, s.person_index, s.address, s.name, s.reason,
            s.requested_at, s.confirmed_at,
            case when s.confirmed_at is null then cast('pending' as signature_state) else 'confirmed' end,
            case when s.confirmed_at is not null then cast('button' as confirm_method) end,
            case when s.confirmed_at is not null then 1 end,
            case when s.confirmed_at is null then cast(:now as timestamptz) end
        from unnest(cast(:id as bigint[]), cast(:text_version_id as int[]), cast(:consent_id as int[]),
            cast(:updates_consent_id as int[]), cast(:locale as text[]), cast(:country as text[]),
            cast(:show_name as boolean[]), cast(:wants_updates as boolean[]), cast(:nonce as bytea[]),
            cast(:address_index as bytea[]), cast(:person_index as bytea[]), cast(:address as bytea[]),
            cast(:name as bytea[]), cast(:reason as bytea[]), cast(:requested_at as timestamptz[]),
            cast(:confirmed_at as timestamptz[]))
            as s(id, text_version_id, consent_id, updates_consent_id, locale, country, show_name, wants_updates,
                nonce, address_index, person_index, address, name, reason, requested_at, confirmed_at)"""),
        petition_id=petition_id,
        now=now,
        **{column.name: list(values) for column, values in zip(fields(SeedSignature), columns, strict=True)},
    )


OWN_KINDS = (
    """(values (cast('confirmation' as message_kind), 1), ('thank_you', 2), ('reminder', 3)) as k(kind, number)"""
)

_OUTCOMES = """
    with rolled as (
        select p.*, (hashint8extended(p.signature_id, :salt + p.number) & 2147483647) / 2147483648.0 as dice,
            (hashint8extended(p.signature_id, :salt - p.number) & 2147483647) / 2147483648.0 as fate
        from planned p
    ), made as (
        insert into message (signature_id, planned_at, due_at, settled_at, petition_id, blast_id, kind, lane, state,
            attempts, reply_code, phase, enhanced, reason, came_back)
        select signature_id, planned_at, planned_at,
            least(planned_at + fate * cast(:spread as interval), cast(:now as timestamptz)), :petition_id,
            cast(:blast_id as int), kind, cast(:lane as lane_name), cast(state as message_state),
            case when state in ('suppressed', 'cancelled') then 0 else 1 end,
            case state when 'accepted' then 250 when 'rejected' then 550 end,
            case when state in ('rejected', 'uncertain') then 'dot' end,
            case state when 'rejected' then '5.1.1' end,
            case state when 'rejected' then '550 5.1.1 No such mailbox' when 'uncertain' then 'lost_after_dot'
                when 'suppressed' then 'suppressed_bounce' when 'cancelled' then 'blast_cancelled' end,
            case when state <> 'accepted' then null when fate < 0.05 then cast('delivered' as came_back)
                when fate < 0.062 then 'bounced' when fate < 0.0625 then 'complained' end
        from (
            select r.*, case when dice < 0.00005 then 'uncertain' when dice < 0.015 then 'rejected'
                when :lane = 'bulk' and dice < 0.022 then 'suppressed' when dice < :cancelled then 'cancelled'
                else 'accepted' end as state
            from rolled r) o
        returning id, signature_id, state, settled_at, reply_code, enhanced, reason, came_back
    ), tries as (
        insert into attempt (message_id, at, reply_code, result, phase, enhanced, answer)
        select id, settled_at, reply_code, cast(state as text), 'dot', enhanced, reason
        from made where state in ('rejected', 'uncertain')
    ), events as (
        insert into delivery_event (provider, event_id, kind, message_id, happened_at, received_at, applied_at)
        select 'seed', cast(id as text), cast(came_back as text), id, settled_at, settled_at, settled_at
        from made where came_back is not null
    ), stopped as (
        insert into suppression (address_key, reason, message_id, created_at)
        select sha256(cast('seed ' || signature_id as bytea)),
            case came_back when 'complained' then cast('complaint' as suppression_reason) else 'bounce' end,
            id, settled_at
        from made where state = 'rejected' or came_back in ('bounced', 'complained')
        on conflict do nothing
    )
    select count(*) from made"""
"""A share of each outcome, drawn from the id and a salt: the same salt gives the same outcomes.

Nothing is left to send. Keys of suppressions are hashes of ids, which belong to no address."""


def add_own_mail(
    tx: Transaction, petition_id: int, ids: Sequence[int], *, now: datetime, limit: int, salt: int, spread: timedelta
) -> int:
    """Insert settled mail that these signers caused: confirmations, thank-yous and reminders; returns how many."""
    tx.execute(text("set local synchronous_commit = off"))
    planned = f"""
        with planned as (
            select s.id as signature_id, k.kind, k.number,
                case when k.kind = 'thank_you' then s.confirmed_at else s.requested_at end as planned_at
            from signature s cross join {OWN_KINDS}
            where s.id = any(:ids) and case k.kind when 'confirmation' then true
                when 'thank_you' then s.state = 'confirmed' else s.state = 'pending' end
            order by s.id, k.number limit :limit)"""
    return _add_mail(
        tx, planned, lane="urgent", petition_id=petition_id, blast_id=None, ids=list(ids), now=now, limit=limit,
        salt=salt, spread=spread, cancelled=0,
    )  # fmt: skip


def add_blast_mail(
    tx: Transaction,
    petition_id: int,
    blast_id: int,
    ids: Sequence[int],
    *,
    at: datetime,
    now: datetime,
    limit: int,
    salt: int,
    spread: timedelta,
    cancelled: float,
) -> int:
    """Insert settled mail of an update to those of the signers who had confirmed and want updates; returns how many."""
    tx.execute(text("set local synchronous_commit = off"))
    planned = """
        with planned as (
            select s.id as signature_id, cast('update' as message_kind) as kind, 0 as number,
                cast(:at as timestamptz) as planned_at
            from signature s
            where s.id = any(:ids) and s.state = 'confirmed' and s.wants_updates and s.confirmed_at < :at
            order by s.id limit :limit)"""
    return _add_mail(
        tx, planned, lane="bulk", petition_id=petition_id, blast_id=blast_id, ids=list(ids), at=at, now=now,
        limit=limit, salt=salt, spread=spread, cancelled=cancelled,
    )  # fmt: skip


def _add_mail(tx: Transaction, planned: str, **values: object) -> int:
    statement = planned + "," + _OUTCOMES.strip().removeprefix("with")
    return int(tx.execute(text(statement), **values).scalar_one())


def add_sent_blast(
    tx: Transaction, petition_id: int, *, at: datetime, request_key: str, limit: int, is_cancelled: bool
) -> int:
    """Insert an update that was sent at a moment, in English; returns its id."""
    blast_id = tx.execute(
        text("""
        insert into blast (petition_id, kind, request_key, send_at, scheduled_at, started_at, frozen_at, frozen_until,
            freeze_limit, count_at_start, created_at, changed_at, cancelled_at, cancelled_reason)
        values (:petition_id, 'update', :key, :at, :at, :at, :at, :limit, :limit,
            (select count from petition where id = :petition_id), :at, :at,
            case when :cancelled then cast(:at as timestamptz) end, case when :cancelled then 'cancelled_by_person' end)
        returning id"""),
        petition_id=petition_id,
        key=request_key,
        at=at,
        limit=limit,
        cancelled=is_cancelled,
    ).scalar_one()
    tx.execute(
        text("""
        insert into blast_text (blast_id, locale, subject, body_markdown, body_html)
        values (:id, 'en', :subject, 'Dear {{name}}, we go on.', '<p>Dear {{name}}, we go on.</p>')"""),
        id=blast_id,
        subject=f"News of {at:%-d %B %Y}",
    )
    return int(blast_id)


def refresh_statistics(tx: Transaction) -> None:
    """Let PostgreSQL learn how the large tables look, as it does by itself within minutes."""
    tx.execute(text("analyze signature, message, delivery_event, attempt, suppression"))
