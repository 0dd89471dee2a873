"""What erasing reads and writes: signatures to erase, what stays of them, and the keys of whole petitions."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy import text

from campaign.database.connection import Transaction
from campaign.states import SignatureState

_NOTHING: Final = """address = null, name = null, reason = null, address_index = null, person_index = null,
    country = '', locale = '', mail_provider = null, text_version_id = null, consent_id = null,
    updates_consent_id = null,
    show_name = false, hidden_at = null, wants_updates = false, forget = false, mailbox_slot = null,
    confirmed_by = null,
    nonce = '\\x', form_id = null, replaced_by = null, updates_changed_at = null, reminded_at = null,
    forgotten_at = null,
    requested_at = date_trunc('day', s.requested_at, 'UTC'), confirmed_at = date_trunc('day', s.confirmed_at, 'UTC'),
    ended_at = date_trunc('day', s.ended_at, 'UTC'), erased_at = date_trunc('day', cast(:now as timestamptz), 'UTC')"""
"""What an erased row holds: its state, its days, and whether it is counted. Days are those of UTC."""


@dataclass(frozen=True)
class Indexes:
    """The blind indexes of a signature that is to be erased."""

    id: int
    petition_id: int
    address_index: bytes = field(repr=False)
    person_index: bytes = field(repr=False)


@dataclass(frozen=True)
class Mark:
    """What stays of the indexes of a signature: keyed hashes of its mailbox and its person."""

    id: int
    mailbox: bytes = field(repr=False)
    person: bytes = field(repr=False)


def counting(tx: Transaction, signature_ids: Sequence[int]) -> list[Indexes]:
    """Those of some signatures that count, or may count again, and are not erased yet."""
    rows = tx.execute(
        text("""
        select id, petition_id, address_index, person_index from signature
        where id = any(:ids) and erased_at is null and state in ('confirmed', 'removed')
            and address_index is not null and person_index is not null"""),
        ids=list(signature_ids),
    )
    return [Indexes(row.id, row.petition_id, bytes(row.address_index), bytes(row.person_index)) for row in rows]


def keep_consents(tx: Transaction, signature_ids: Sequence[int]) -> None:
    """Count what some confirmed signers agreed to, by day and wording, before their rows lose it."""
    tx.execute(
        text("""
        insert into consent_proof (petition_id, text_version_id, consent_id, method, agreed_on, number)
        select petition_id, text_version_id, consent_id, method, agreed_on, count(*) from (
            select petition_id, text_version_id, consent_id, coalesce(cast(confirmed_by as text), '') as method,
                (requested_at at time zone 'UTC')::date as agreed_on
            from signature where id = any(:ids) and confirmed_at is not null
            union all
            select petition_id, text_version_id, updates_consent_id, coalesce(cast(confirmed_by as text), ''),
                (coalesce(updates_changed_at, requested_at) at time zone 'UTC')::date
            from signature where id = any(:ids) and confirmed_at is not null) agreed
        where text_version_id is not null and consent_id is not null
        group by 1, 2, 3, 4, 5 order by 1, 2, 3, 4, 5
        on conflict (petition_id, text_version_id, consent_id, method, agreed_on)
            do update set number = consent_proof.number + excluded.number"""),
        ids=list(signature_ids),
    )


def erase(tx: Transaction, signature_ids: Sequence[int], marks: Collection[Mark], *, now: datetime) -> int:
    """Erase signatures, and the sign-ups that became part of them; returns how many of the former were changed."""
    tx.execute(text(f"update signature s set {_NOTHING} where s.replaced_by = any(:ids)"), ids=signature_ids, now=now)
    return tx.execute(
        text(f"""
        update signature s set {_NOTHING}, mailbox_mark = m.mailbox, person_mark = m.person
        from unnest(cast(:ids as bigint[])) as i(id)
        left join unnest(cast(:marked as bigint[]), cast(:mailboxes as bytea[]), cast(:people as bytea[]))
            as m(id, mailbox, person) on m.id = i.id
        where s.id = i.id and s.erased_at is null"""),
        ids=list(signature_ids),
        marked=[mark.id for mark in marks],
        mailboxes=[mark.mailbox for mark in marks],
        people=[mark.person for mark in marks],
        now=now,
    ).rowcount


@dataclass(frozen=True)
class Erased:
    """An erased signature of a mailbox that counts, or was removed and may be brought back."""

    id: int
    state: SignatureState
    person: bytes = field(repr=False)


def at_mailbox(tx: Transaction, petition_id: int, mailbox_mark: bytes) -> list[Erased]:
    """The erased signatures of a mailbox, the oldest first; locked."""
    rows = tx.execute(
        text("""
        select id, state, person_mark from signature
        where petition_id = :petition_id and mailbox_mark = :mark order by id for update"""),
        petition_id=petition_id,
        mark=mailbox_mark,
    )
    return [Erased(row.id, SignatureState(row.state), bytes(row.person_mark)) for row in rows]


def give_place(tx: Transaction, signature_id: int, *, now: datetime) -> bool:
    """End a signature that counts, because its signer signed again; True if the counter has added it.

    The one that takes its place must be confirmed in the same transaction, with this answer: the count then stays.
    """
    counted: bool = tx.execute(
        text("select counted from signature where id = :id for update"), id=signature_id
    ).scalar_one()
    tx.execute(
        text("""
        update signature set state = 'expired', counted = false, confirmed_at = null, mailbox_slot = null,
            mailbox_mark = null, person_mark = null, ended_at = date_trunc('day', cast(:now as timestamptz), 'UTC'),
            ended_reason = 'signed_again'
        where id = :id"""),
        id=signature_id,
        now=now,
    )
    return counted


def drop_marks(tx: Transaction, signature_ids: Sequence[int]) -> None:
    """Forget the marks of removed signatures whose signers signed again: they can't be brought back."""
    tx.execute(
        text("update signature set mailbox_mark = null, person_mark = null where id = any(:ids)"),
        ids=list(signature_ids),
    )


def due(tx: Transaction, *, closed_before: datetime, limit: int) -> list[int]:
    """Signatures of petitions closed before a moment that still carry personal data; locked."""
    found = tx.execute(
        text("""
        select s.id from signature s join petition p on p.id = s.petition_id
        where p.state = 'closed' and p.closed_at < :closed_before and s.erased_at is null
        order by s.petition_id, s.id limit :limit for update of s skip locked"""),
        closed_before=closed_before,
        limit=limit,
    )
    return list(found.scalars())


def half_erased(tx: Transaction, *, limit: int) -> list[int]:
    """Signatures that a release before this one erased, which left country, language and exact times; locked."""
    found = tx.execute(
        text("""
        select id from signature
        where erased_at is not null and replaced_by is null and country <> ''
        order by id limit :limit for update skip locked"""),
        limit=limit,
    )
    return list(found.scalars())


def finish(tx: Transaction, signature_ids: Sequence[int], *, now: datetime) -> None:
    """Remove what that release left."""
    tx.execute(text(f"update signature s set {_NOTHING} where s.id = any(:ids)"), ids=list(signature_ids), now=now)


def destroy_keys(tx: Transaction, petition_ids: Collection[int], *, now: datetime) -> list[int]:
    """Destroy the data keys of those of some petitions that are closed and have no signer left; returns which."""
    found = tx.execute(
        text("""
        update petition p set data_key = null, data_key_id = null, erased_at = :now
        where p.id = any(:ids) and p.state = 'closed' and p.data_key is not null
            and not exists (select from signature s where s.petition_id = p.id and s.erased_at is null)
        returning p.id"""),
        ids=sorted(petition_ids),
        now=now,
    )
    return list(found.scalars())


def to_forget(tx: Transaction, *, uncertain_before: datetime, limit: int) -> list[tuple[int, int, bytes]]:
    """Signers who want to be forgotten and whose mail is settled: id, petition and mailbox.

    Args:
        tx: the open transaction.
        uncertain_before: a mail of unknown outcome counts as settled if it was sent before this moment.
        limit: how many at most.
    """
    rows = tx.execute(
        text("""
        select s.id, s.petition_id, s.address_index from signature s
        where s.forget and s.state <> 'pending' and s.address is not null and s.address_index is not null
            and not exists (
                select from message m
                where m.signature_id = s.id and m.blast_id is null
                    and (m.state in ('planned', 'claimed', 'submitting')
                        or (m.state = 'uncertain' and m.settled_at > :before)))
        order by s.id limit :limit"""),
        before=uncertain_before,
        limit=limit,
    )
    return [(row.id, row.petition_id, bytes(row.address_index)) for row in rows]


def forget(tx: Transaction, signature_id: int, *, nonce: bytes, now: datetime) -> bool:
    """Remove name, address and reason, and revoke every link; the blind indexes stay. False if it is not wanted now.

    A later call removes the address that was lent for a mail; the private links in it go on working.
    """
    changed = tx.execute(
        text("""
        update signature set address = null, name = null, reason = null, show_name = false, hidden_at = null,
            wants_updates = false, mail_provider = null, form_id = null,
            nonce = case when forgotten_at is null then :nonce else nonce end,
            forgotten_at = coalesce(forgotten_at, :now)
        where id = :id and forget and state <> 'pending' and address is not null"""),
        id=signature_id,
        nonce=nonce,
        now=now,
    )
    return changed.rowcount == 1


def want_forgetting(tx: Transaction, signature_id: int, *, now: datetime) -> None:
    """Note that a signer wants to be forgotten: the name is hidden, and updates end, at once."""
    tx.execute(
        text("""
        update signature set forget = true, show_name = false, hidden_at = null, wants_updates = false,
            updates_changed_at = case when wants_updates then :now else updates_changed_at end
        where id = :id and address is not null"""),
        id=signature_id,
        now=now,
    )


def petitions_of(tx: Transaction, signature_ids: Sequence[int]) -> list[int]:
    """The petitions that some signatures belong to."""
    found = tx.execute(text("select distinct petition_id from signature where id = any(:ids)"), ids=list(signature_ids))
    return list(found.scalars())


def closed_with_key(tx: Transaction, *, closed_before: datetime) -> list[int]:
    """Petitions closed before a moment that still have a data key."""
    found = tx.execute(
        text("select id from petition where state = 'closed' and closed_at < :before and data_key is not null"),
        before=closed_before,
    )
    return list(found.scalars())
