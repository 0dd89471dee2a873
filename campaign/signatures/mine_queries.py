"""The signatures of one mailbox on many petitions."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy import text

from campaign.database.connection import Transaction
from campaign.signatures.admission_queries import Place
from campaign.states import SignatureState

LISTED: Final = 50
"""Signatures that one mail lists, the newest."""


@dataclass(frozen=True)
class Mine:
    """A signature that is not erased, as its mailbox's owner is told of it."""

    id: int
    petition_id: int
    address_index: bytes = field(repr=False)
    state: SignatureState
    nonce: bytes = field(repr=False)
    requested_at: datetime
    has_address: bool = True
    """False if its signer is forgotten: only the blind index tells whose it is."""


def at(tx: Transaction, places: Collection[Place]) -> list[Mine]:
    """The signatures of some mailboxes that are not erased, the newest first; a bounded number of each."""
    rows = tx.execute(
        text("""
        select s.id, s.petition_id, s.address_index, s.state, s.nonce, s.requested_at,
            s.address is not null as has_address
        from unnest(cast(:petitions as int[]), cast(:addresses as bytea[])) as o(petition_id, address_index)
        cross join lateral (
            select s.* from signature s
            where s.petition_id = o.petition_id and s.address_index = o.address_index
                and s.address_index is not null and (s.address is not null or s.forgotten_at is not null)
                and s.state <> 'expired'
            order by s.petition_id desc, s.address_index desc, s.id desc limit :limit) s
        order by s.id desc"""),
        petitions=[petition_id for petition_id, _ in places],
        addresses=[address_index for _, address_index in places],
        limit=LISTED,
    )
    return [
        Mine(
            row.id,
            row.petition_id,
            bytes(row.address_index),
            SignatureState(row.state),
            bytes(row.nonce),
            row.requested_at,
            row.has_address,
        )
        for row in rows
    ]


def lend_address(tx: Transaction, signature_id: int, address: bytes) -> None:
    """Give a forgotten signature the address that its owner has just typed, until its mail is settled."""
    tx.execute(
        text("""
        update signature set address = :address
        where id = :id and forgotten_at is not null and address is null and erased_at is null"""),
        id=signature_id,
        address=address,
    )


def stop_updates(tx: Transaction, places: Collection[Place], *, now: datetime, keep: int) -> None:
    """Take back the wish for updates of every signature of some mailboxes but one."""
    tx.execute(
        text("""
        update signature s set wants_updates = false, updates_changed_at = :now
        from unnest(cast(:petitions as int[]), cast(:addresses as bytea[])) as o(petition_id, address_index)
        where s.petition_id = o.petition_id and s.address_index = o.address_index and s.address_index is not null
            and s.state in ('pending', 'confirmed') and s.wants_updates and s.id <> :keep"""),
        now=now,
        keep=keep,
        petitions=[petition_id for petition_id, _ in places],
        addresses=[address_index for _, address_index in places],
    )
