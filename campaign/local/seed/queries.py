"""Many invented signatures at once: ids in blocks, rows in one statement."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, field, fields
from datetime import datetime

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
