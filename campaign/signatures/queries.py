"""Signatures: insert, confirm, end, and the lists the pages show."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text

from campaign.database.connection import Transaction
from campaign.database.schema import SIGNATURE_BLOCK
from campaign.security.encryption import DataKey
from campaign.states import SignatureState


def reserve_ids(tx: Transaction, number: int) -> list[int]:
    """Ids that no other process will use; as many as asked for."""
    blocks = -(-number // SIGNATURE_BLOCK)
    firsts = tx.execute(
        text("select nextval('signature_id_blocks') from generate_series(1, :blocks)"), blocks=blocks
    ).scalars()
    return [number for first in firsts for number in range(first, first + SIGNATURE_BLOCK)][:number]


def place(column: str, signature_id: int) -> str:
    """The AAD of an encrypted field: moved to another row or column it does not open."""
    return f"signature.{column}.{signature_id}"


def open_field(key: DataKey, signature_id: int, column: str, blob: bytes | None) -> str | None:
    """The clear text of an encrypted field; None if it was erased or never given."""
    return None if blob is None else key.open(bytes(blob), place=place(column, signature_id))


@dataclass(frozen=True)
class NewSignature:
    """A pending signature to be; personal fields are sealed already."""

    id: int
    petition_id: int
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
    mail_provider: str
    forget: bool = False


@dataclass(frozen=True)
class Signature:
    """A signature as stored. Once erased, encrypted fields and consents are None, and locale and country are empty."""

    id: int
    petition_id: int
    text_version_id: int | None
    consent_id: int | None
    updates_consent_id: int | None
    state: SignatureState
    locale: str
    country: str
    show_name: bool
    wants_updates: bool
    nonce: bytes = field(repr=False)
    address_index: bytes | None = field(repr=False)
    person_index: bytes | None = field(repr=False)
    address: bytes | None = field(repr=False)
    name: bytes | None = field(repr=False)
    reason: bytes | None = field(repr=False)
    requested_at: datetime
    confirmed_at: datetime | None
    updates_changed_at: datetime | None
    ended_at: datetime | None
    erased_at: datetime | None
    replaced_by: int | None = None
    """The confirmed signature that this sign-up became part of."""
    form_id: int | None = None
    """The sign-up whose form is stored here, if not its own."""
    person_mark: bytes | None = field(default=None, repr=False)
    """What stops a second count of an erased signer."""
    forget: bool = False
    """The signer wants name, address and reason removed once the thank-you is settled."""
    forgotten_at: datetime | None = None
    """When they were; the blind indexes stay."""
    mail_provider: str | None = None


COLUMNS = """s.id, s.petition_id, s.text_version_id, s.consent_id, s.updates_consent_id, s.state, s.locale, s.country,
    s.show_name, s.wants_updates, s.nonce, s.address_index, s.person_index, s.address, s.name, s.reason,
    s.requested_at, s.confirmed_at, s.updates_changed_at, s.ended_at, s.erased_at, s.replaced_by, s.form_id,
    s.person_mark, s.forget, s.forgotten_at, s.mail_provider"""
"""The columns of :class:`Signature`, of a table named s."""


def as_signature(row: Row[Any]) -> Signature:
    """A row of :data:`COLUMNS` as a signature."""
    values = row._asdict()
    return Signature(**(values | {"state": SignatureState(row.state), "nonce": bytes(row.nonce)}))


def by_id(tx: Transaction, signature_id: int, *, lock: bool = False) -> Signature | None:
    """One signature; ``lock`` holds the row until the transaction ends."""
    row = tx.execute(
        text(f"select {COLUMNS} from signature s where s.id = :id {'for update' if lock else ''}"), id=signature_id
    ).one_or_none()
    return None if row is None else as_signature(row)


def end(tx: Transaction, signature_id: int, *, state: SignatureState, reason: str, now: datetime) -> None:
    """Withdraw, expire or remove a signature; the counter takes it off the count."""
    tx.execute(
        text("""
        update signature set state = :state, ended_at = :now, ended_reason = :reason, wants_updates = false
        where id = :id"""),
        id=signature_id,
        state=str(state),
        reason=reason,
        now=now,
    )


def set_shown(tx: Transaction, signature_id: int, *, show_name: bool) -> None:
    """Show or hide a signer's name on the petition page, by the signer's own choice."""
    tx.execute(
        text("update signature set show_name = :show, hidden_at = null where id = :id"),
        id=signature_id,
        show=show_name,
    )


def hide_names(tx: Transaction, signature_ids: Sequence[int], *, now: datetime) -> None:
    """Hide shown names on behalf of an organiser; until the signer chooses anew, an organiser may show them again."""
    tx.execute(
        text("update signature set show_name = false, hidden_at = :now where id = any(:ids) and show_name"),
        ids=list(signature_ids),
        now=now,
    )


def set_updates(
    tx: Transaction, signature_id: int, *, wants_updates: bool, consent_id: int | None, now: datetime
) -> None:
    """Change the choice on updates; a yes carries the wording that was agreed to."""
    tx.execute(
        text("""
        update signature set wants_updates = :wants, updates_changed_at = :now,
            updates_consent_id = coalesce(:consent_id, updates_consent_id)
        where id = :id and wants_updates <> :wants"""),
        id=signature_id,
        wants=wants_updates,
        consent_id=consent_id,
        now=now,
    )


def correct(
    tx: Transaction, signature_id: int, *, name: bytes, person_index: bytes, country: str, reason: bytes | None
) -> None:
    """Store corrected fields.

    Raises:
        DuplicateError: ``uq_signature_confirmed_person``: the corrected name is the other person of this mailbox.
    """
    tx.execute(
        text("""
        update signature set name = :name, person_index = :person_index, country = :country, reason = :reason
        where id = :id"""),
        id=signature_id,
        name=name,
        person_index=person_index,
        country=country,
        reason=reason,
    )


def recent_public(tx: Transaction, petition_id: int, *, limit: int) -> list[Signature]:
    """Confirmed signers who agreed to be shown, newest first."""
    found = tx.execute(
        text(f"""
        select {COLUMNS} from signature s
        where s.petition_id = :petition_id and s.state = 'confirmed' and s.show_name and s.erased_at is null
        order by s.confirmed_at desc limit :limit"""),
        petition_id=petition_id,
        limit=limit,
    )
    return [as_signature(row) for row in found]


def overdue(tx: Transaction, *, before: datetime, limit: int) -> list[int]:
    """Pending signatures requested before a moment; locked, and skipped by concurrent callers."""
    found = tx.execute(
        text("""
        select id from signature where state = 'pending' and requested_at < :before
        order by requested_at limit :limit for update skip locked"""),
        before=before,
        limit=limit,
    )
    return list(found.scalars())


def expire(tx: Transaction, signature_ids: list[int], *, reason: str, now: datetime) -> None:
    """End pending signatures that were not confirmed in time, or that their mailbox's owner declined."""
    tx.execute(
        text("""
        update signature set state = 'expired', ended_at = :now, ended_reason = :reason
        where id = any(:ids) and state = 'pending'"""),
        ids=signature_ids,
        reason=reason,
        now=now,
    )


def to_remind(tx: Transaction, *, before: datetime, after: datetime, limit: int) -> list[Signature]:
    """Pending signatures old enough for the one reminder and young enough to act on it; locked."""
    found = tx.execute(
        text(f"""
        select {COLUMNS} from signature s
        where s.state = 'pending' and s.requested_at < :before and s.requested_at > :after and s.reminded_at is null
        order by s.requested_at limit :limit for update skip locked"""),
        before=before,
        after=after,
        limit=limit,
    )
    return [as_signature(row) for row in found]


def mark_reminded(tx: Transaction, signature_ids: list[int], *, now: datetime) -> None:
    """Note that the one reminder was planned, is not wanted, or was not permitted by the mailbox's allowance."""
    tx.execute(text("update signature set reminded_at = :now where id = any(:ids)"), ids=signature_ids, now=now)
