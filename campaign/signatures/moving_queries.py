"""Changes of an address: asked for, confirmed from the new mailbox, and perhaps undone by the old one."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import text

from campaign.database.connection import Transaction, array_of


@dataclass(frozen=True)
class Change:
    """A change as stored; the addresses are sealed."""

    id: int
    signature_id: int
    nonce: bytes = field(repr=False)
    address: bytes = field(repr=False)
    old_address: bytes | None = field(repr=False)
    asked_at: datetime
    confirmed_at: datetime | None
    undone_at: datetime | None


_COLUMNS = "c.id, c.signature_id, c.nonce, c.address, c.old_address, c.asked_at, c.confirmed_at, c.undone_at"


def ask(tx: Transaction, signature_id: int, *, nonce: bytes, address: bytes, now: datetime) -> None:
    """Note that another address is wanted; it takes the place of what was asked for before and not confirmed."""
    tx.execute(text("delete from address_change where signature_id = :id and confirmed_at is null"), id=signature_id)
    tx.execute(
        text("""
        insert into address_change (signature_id, nonce, address, asked_at)
        values (:signature_id, :nonce, :address, :now)"""),
        signature_id=signature_id,
        nonce=nonce,
        address=address,
        now=now,
    )


def by_id(tx: Transaction, change_id: int, *, lock: bool = False) -> Change | None:
    """One change; ``lock`` holds the row until the transaction ends."""
    row = tx.execute(
        text(f"select {_COLUMNS} from address_change c where c.id = :id {'for update' if lock else ''}"), id=change_id
    ).one_or_none()
    return None if row is None else Change(**row._asdict())


def asked_for(tx: Transaction, signature_id: int) -> Change | None:
    """The change of a signature that waits for the new mailbox."""
    row = tx.execute(
        text(f"select {_COLUMNS} from address_change c where c.signature_id = :id and c.confirmed_at is null"),
        id=signature_id,
    ).one_or_none()
    return None if row is None else Change(**row._asdict())


def confirm(tx: Transaction, change_id: int, *, old_address: bytes, now: datetime) -> None:
    """Note that the new mailbox agreed, and keep the address of before for a while."""
    tx.execute(
        text("update address_change set confirmed_at = :now, old_address = :old where id = :id"),
        id=change_id,
        old=old_address,
        now=now,
    )


def undo(tx: Transaction, change: Change, *, now: datetime) -> None:
    """Note that a change was taken back, and with it every later one of the same signature."""
    tx.execute(
        text("""
        update address_change set undone_at = :now, confirmed_at = coalesce(confirmed_at, :now), old_address = null
        where signature_id = :signature_id and id >= :id and undone_at is null"""),
        signature_id=change.signature_id,
        id=change.id,
        now=now,
    )


@dataclass(frozen=True)
class Place:
    """Where a signature is mailed, and its indexes and seat there."""

    address: bytes = field(repr=False)
    address_index: bytes = field(repr=False)
    person_index: bytes = field(repr=False)
    slot: int | None
    mail_provider: str
    nonce: bytes = field(repr=False)
    """Another one: links in the mailbox of before open nothing from then on."""


def move(tx: Transaction, signature_id: int, place: Place) -> None:
    """Give a signature another address.

    Raises:
        DuplicateError: the same name has signed at the new mailbox, or another took the seat there just now.
    """
    tx.execute(
        text("""
        update signature set address = :address, address_index = :address_index, person_index = :person_index,
            mailbox_slot = :slot, mail_provider = :mail_provider, nonce = :nonce
        where id = :id"""),
        **vars(place),
        id=signature_id,
    )


def detach_suppressions(tx: Transaction, signature_id: int, address_keys: Sequence[bytes]) -> None:
    """What happened to mail at an address of before says nothing about a signature's mail from now on."""
    tx.execute(
        text("""
        update suppression set message_id = null
        where address_key = any(cast(:keys as bytea[])) and message_id in (
            select m.id from message m where m.signature_id = :id)"""),
        keys=array_of(address_keys),
        id=signature_id,
    )


def delete_of(tx: Transaction, signature_ids: Sequence[int]) -> None:
    """Delete the changes of signatures that are about to be erased."""
    tx.execute(text("delete from address_change where signature_id = any(:ids)"), ids=list(signature_ids))


def purge(tx: Transaction, *, asked_before: datetime, confirmed_before: datetime) -> int:
    """Delete changes that were not confirmed in time, or can't be taken back any longer."""
    return tx.execute(
        text("""
        delete from address_change
        where asked_at <= :asked and coalesce(confirmed_at <= :confirmed, true)"""),
        asked=asked_before,
        confirmed=confirmed_before,
    ).rowcount
