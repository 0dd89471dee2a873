"""Rows of signatures whose blind indexes may follow another rule, and how far a pass over them has come."""

from dataclasses import dataclass, field

from sqlalchemy import text

from campaign.database.connection import Transaction
from campaign.states import SignatureState


@dataclass(frozen=True)
class Pass:
    """A pass over the signatures under one rule: ids up to ``done`` are right, those up to ``end`` are its work."""

    done: int
    end: int


@dataclass(frozen=True)
class Keyed:
    """What the blind indexes of a signature are made from, and their present values."""

    id: int
    petition_id: int
    state: SignatureState
    mailbox_slot: int | None
    address_index: bytes = field(repr=False)
    person_index: bytes | None = field(repr=False)
    address: bytes | None = field(repr=False)
    name: bytes | None = field(repr=False)


def begin(tx: Transaction, rule: str) -> Pass:
    """The pass under this rule; a new one, over what there is now, if the last was under another. Locks its row."""
    row = tx.execute(
        text("""
        with before as (select keyed_rule from instance for update)
        update instance set
            keyed_rule = cast(:rule as text),
            keyed_done = case when before.keyed_rule = cast(:rule as text) then keyed_done else 0 end,
            keyed_end = case when before.keyed_rule = cast(:rule as text) then keyed_end
                else (select coalesce(max(id), 0) from signature) end
        from before
        returning keyed_done, keyed_end"""),
        rule=rule,
    ).one()
    return Pass(row.keyed_done, row.keyed_end)


def done(tx: Transaction, signature_id: int) -> None:
    """The signatures up to this one are right."""
    tx.execute(text("update instance set keyed_done = :id"), id=signature_id)


def upcoming(tx: Transaction, work: Pass, *, limit: int) -> list[Keyed]:
    """The next signatures of a pass that are not erased, by id."""
    rows = tx.execute(
        text("""
        select id, petition_id, state, mailbox_slot, address_index, person_index, address, name from signature
        where id > :done and id <= :end and address_index is not null order by id limit :limit"""),
        done=work.done,
        end=work.end,
        limit=limit,
    )
    return [
        Keyed(
            row.id,
            row.petition_id,
            SignatureState(row.state),
            row.mailbox_slot,
            bytes(row.address_index),
            None if row.person_index is None else bytes(row.person_index),
            row.address,
            row.name,
        )
        for row in rows
    ]


def is_taken(tx: Transaction, petition_id: int, person_index: bytes, *, but: int) -> bool:
    """True if another confirmed signature of the petition is of this person."""
    return bool(
        tx.execute(
            text("""
            select exists (select from signature where petition_id = :petition_id and person_index = :person_index
                and state = 'confirmed' and id <> :but)"""),
            petition_id=petition_id,
            person_index=person_index,
            but=but,
        ).scalar_one()
    )


def rekey(
    tx: Transaction, row: Keyed, *, address_index: bytes, person_index: bytes | None, mailbox_slot: int | None
) -> bool:
    """Give a signature other indexes, and its sign-up too; False if it has changed since it was read."""
    changed = tx.execute(
        text("""
        update signature set address_index = :new, person_index = :person_index, mailbox_slot = :slot
        where id = :id and address_index = :old and cast(state as text) = :state"""),
        id=row.id,
        old=row.address_index,
        new=address_index,
        person_index=person_index,
        slot=mailbox_slot,
        state=str(row.state),
    ).rowcount
    tx.execute(
        text("""
        update sign_up_request set address_index = :new
        where petition_id = :petition_id and address_index = :old and state <> 'asked'
            and (signature_id is null or signature_id = :id)"""),
        petition_id=row.petition_id,
        old=row.address_index,
        new=address_index,
        id=row.id,
    )
    return bool(changed)
