"""What confirming reads and writes: mailed codes, the other signatures of a mailbox, seats, and replaced forms."""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import text

from campaign.database.connection import Transaction
from campaign.database.counters import CONFIRMED_LATENCY, SIGN_UPS
from campaign.signatures.queries import COLUMNS, Signature, as_signature

CODES = 8
"""Signatures of a mailbox that one code is compared with; the allowance lets fewer have a code at a time."""

LOOKED_AT = 50
"""Signatures of a mailbox that are looked at for a code, the newest."""


@dataclass(frozen=True)
class MailedCode:
    """A signature whose code was mailed; the id is 0 where there is none."""

    id: int
    nonce: bytes = field(repr=False)
    message_id: int


def codes(tx: Transaction, petition_id: int, address_index: bytes, *, only: int | None = None) -> list[MailedCode]:
    """The signatures of a mailbox whose code was handed to the mail server, the newest first.

    Always :data:`CODES` rows, filled up with empty ones, so that reading them takes the same time for every mailbox.
    A code that was not sent can only be guessed, so it is not among them.

    Args:
        tx: the open transaction.
        petition_id: the petition.
        address_index: the blind index of the mailbox.
        only: the signature of one sign-up, 0 if it led to none; all of the mailbox if not given.
    """
    found = tx.execute(
        text("""
        select id, nonce, message_id from (
            (select s.id, s.nonce, m.id as message_id from (
                select s.id, s.nonce from signature s
                where s.petition_id = :petition_id and s.address_index = :address_index
                    and s.state in ('pending', 'confirmed') and (cast(:only as bigint) is null or s.id = :only)
                order by s.petition_id desc, s.address_index desc, s.id desc limit :looked_at) s
            cross join lateral (
                select m.id from message m
                where m.signature_id = s.id and m.blast_id is null and m.kind in ('confirmation', 'reminder')
                    and m.state in ('submitting', 'accepted', 'uncertain')
                order by m.id desc limit 1) m
            order by s.id desc limit :limit)
            union all
            select 0, cast('' as bytea), 0 from generate_series(1, :limit)) c
        order by id desc limit :limit"""),
        petition_id=petition_id,
        address_index=address_index,
        only=only,
        limit=CODES,
        looked_at=LOOKED_AT,
    )
    return [MailedCode(row.id, bytes(row.nonce), row.message_id) for row in found]


def confirm(tx: Transaction, signature_id: int, *, slot: int, method: str, counted: bool, now: datetime) -> bool:
    """Confirm a pending signature; False if it is no longer pending.

    Args:
        tx: the open transaction.
        signature_id: the signature.
        slot: its place at the mailbox.
        method: ``button`` or ``code``.
        counted: the count holds it already, for another of the same signer that ended in this transaction.
        now: the moment of confirming.

    Raises:
        DuplicateError: ``uq_signature_mailbox_slot``: another person of this mailbox took the slot just now.
    """
    requested_at = tx.execute(
        text("""
        update signature set state = 'confirmed', confirmed_at = :now, confirmed_by = :method, mailbox_slot = :slot,
            counted = :counted
        where id = :id and state = 'pending'
        returning requested_at"""),
        id=signature_id,
        slot=slot,
        method=method,
        counted=counted,
        now=now,
    ).scalar_one_or_none()
    if requested_at is None:
        return False
    tx.counts.count(SIGN_UPS, "confirmed", method)
    tx.counts.observe(CONFIRMED_LATENCY, (now - requested_at).total_seconds())
    return True


def lock_mailbox(tx: Transaction, petition_id: int, address_index: bytes) -> None:
    """Let one transaction at a time confirm signatures of a mailbox on a petition; held until it ends."""
    tx.execute(
        text("select pg_advisory_xact_lock(hashtextextended(cast(:mailbox as text), :petition_id))"),
        mailbox=address_index.hex(),
        petition_id=petition_id,
    )


AT_MAILBOX = 20
"""Pending signatures of a mailbox that are compared when one is confirmed; the allowance lets fewer be mailed."""


def at_mailbox(tx: Transaction, petition_id: int, address_index: bytes) -> list[Signature]:
    """The confirmed signatures of a mailbox on a petition, and the newest pending ones."""
    found = tx.execute(
        text(f"""
        (select {COLUMNS} from signature s
        where s.petition_id = :petition_id and s.address_index = :address_index and s.state = 'confirmed')
        union all
        (select {COLUMNS} from signature s
        where s.petition_id = :petition_id and s.address_index = :address_index and s.state = 'pending'
        order by s.petition_id desc, s.address_index desc, s.id desc limit :limit)"""),
        petition_id=petition_id,
        address_index=address_index,
        limit=AT_MAILBOX,
    )
    return [as_signature(row) for row in found]


def replace(tx: Transaction, signature_ids: list[int], *, by: int, now: datetime) -> None:
    """End pending sign-ups that became part of a confirmed signature and erase what was typed; their links lead on."""
    tx.execute(
        text("""
        update signature set state = 'expired', ended_at = :now, ended_reason = 'replaced', replaced_by = :by,
            address = null, name = null, reason = null, address_index = null, person_index = null,
            show_name = false, hidden_at = null, wants_updates = false, erased_at = :now
        where id = any(:ids) and state = 'pending'"""),
        ids=signature_ids,
        by=by,
        now=now,
    )


@dataclass(frozen=True)
class Form:
    """What a signer typed and ticked, sealed for the row that it is stored in."""

    name: bytes = field(repr=False)
    person_index: bytes = field(repr=False)
    reason: bytes | None = field(repr=False)
    country: str
    locale: str
    show_name: bool
    wants_updates: bool
    updates_consent_id: int | None
    forget: bool


def set_form(tx: Transaction, signature_id: int, form: Form, *, form_id: int | None = None) -> None:
    """Store another form for a signature.

    Args:
        tx: the open transaction.
        signature_id: the signature.
        form: sealed for it.
        form_id: the sign-up that the form was typed for, if not this one.

    Raises:
        DuplicateError: ``uq_signature_confirmed_person``: another confirmed signature of the mailbox has this name.
    """
    tx.execute(
        text("""
        update signature set name = :name, person_index = :person_index, reason = :reason, country = :country,
            locale = :locale, show_name = :show_name, hidden_at = null, wants_updates = :wants_updates,
            forget = :forget,
            updates_consent_id = coalesce(:updates_consent_id, updates_consent_id),
            form_id = coalesce(cast(:form_id as bigint), form_id)
        where id = :id"""),
        **vars(form),
        form_id=form_id,
        id=signature_id,
    )


def used_slots(tx: Transaction, petition_id: int, address_index: bytes) -> set[int]:
    """The places at a mailbox that confirmed people hold."""
    return set(seats(tx, petition_id, address_index).values())


def seats(tx: Transaction, petition_id: int, address_index: bytes) -> dict[int, int]:
    """The place at a mailbox of each confirmed signature there."""
    found = tx.execute(
        text("""
        select id, mailbox_slot from signature
        where petition_id = :petition_id and address_index = :address_index and state = 'confirmed'"""),
        petition_id=petition_id,
        address_index=address_index,
    )
    return {row.id: row.mailbox_slot for row in found}
