"""What an admitting worker reads and writes for a batch of requests: one statement each, whatever the batch holds."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, fields
from typing import Final

from sqlalchemy import text

from campaign.database.connection import Transaction
from campaign.signatures.queries import NewSignature
from campaign.states import SignatureState

RESENT: Final = 10
"""Signatures whose confirmation one request may send again."""

Place = tuple[int, bytes]
"""A petition's id and the blind index of a mailbox there."""

Person = tuple[int, bytes, bytes]
"""A petition's id, the blind index of a mailbox there, and that of a name with this mailbox."""


@dataclass(frozen=True)
class Present:
    """A pending or confirmed signature, as far as a decision needs it."""

    id: int
    petition_id: int
    address_index: bytes = field(repr=False)
    person_index: bytes = field(repr=False)
    state: SignatureState


def present(tx: Transaction, people: Collection[Person]) -> list[Present]:
    """The signatures that the decisions on some people depend on, by id.

    These are the confirmed ones of each mailbox, two at most, and the pending one of each person: a bounded number,
    however many names were typed with a mailbox.
    """
    rows = tx.execute(
        text("""
        with asked as (
            select petition_id, address_index, person_index
            from unnest(cast(:petitions as int[]), cast(:addresses as bytea[]), cast(:people as bytea[]))
                as o(petition_id, address_index, person_index))
        select s.id, s.petition_id, s.address_index, s.person_index, 'confirmed' as state
        from (select distinct petition_id, address_index from asked) o
        join signature s on s.petition_id = o.petition_id and s.address_index = o.address_index
            and s.state = 'confirmed' and s.address_index is not null
        union all
        select s.id, s.petition_id, s.address_index, s.person_index, 'pending'
        from (select distinct petition_id, person_index from asked) o
        join signature s on s.petition_id = o.petition_id and s.person_index = o.person_index
            and s.state = 'pending' and s.person_index is not null
        order by 1"""),
        petitions=[petition_id for petition_id, _, _ in people],
        addresses=[address_index for _, address_index, _ in people],
        people=[person_index for _, _, person_index in people],
    )
    return [Present(**(row._asdict() | {"state": SignatureState(row.state)})) for row in rows]


def pending(tx: Transaction, places: Collection[Place]) -> list[Present]:
    """Pending signatures of some mailboxes, by id; at most :data:`RESENT` of each mailbox, the newest."""
    rows = tx.execute(
        text("""
        select s.id, s.petition_id, s.address_index, s.person_index, s.state
        from unnest(cast(:petitions as int[]), cast(:addresses as bytea[])) as o(petition_id, address_index)
        cross join lateral (
            select s.id, s.petition_id, s.address_index, s.person_index, s.state from signature s
            where s.petition_id = o.petition_id and s.address_index = o.address_index and s.state = 'pending'
            order by s.id desc limit :limit) s
        order by 1"""),
        petitions=[petition_id for petition_id, _ in places],
        addresses=[address_index for _, address_index in places],
        limit=RESENT,
    )
    return [Present(**(row._asdict() | {"state": SignatureState(row.state)})) for row in rows]


_COLUMN_TYPES: Final = {
    "id": "bigint",
    "petition_id": "int",
    "text_version_id": "int",
    "consent_id": "int",
    "updates_consent_id": "int",
    "locale": "text",
    "country": "text",
    "show_name": "boolean",
    "wants_updates": "boolean",
    "nonce": "bytea",
    "address_index": "bytea",
    "person_index": "bytea",
    "address": "bytea",
    "name": "bytea",
    "reason": "bytea",
    "requested_at": "timestamptz",
}
_NAMES: Final = ", ".join(_COLUMN_TYPES)
_ROWS: Final = "unnest({}) as n({})".format(
    ", ".join(f"cast(:{name} as {kind}[])" for name, kind in _COLUMN_TYPES.items()), _NAMES
)


def _columns(rows: Sequence[NewSignature]) -> dict[str, object]:
    return {column.name: [getattr(row, column.name) for row in rows] for column in fields(NewSignature)}


def add(tx: Transaction, rows: Sequence[NewSignature]) -> None:
    """Insert pending signatures.

    Raises:
        DuplicateError: ``uq_signature_person``: one of these people is pending or confirmed already.
    """
    tx.execute(
        text(f"insert into signature (state, {_NAMES}) select 'pending', {_NAMES} from {_ROWS}"), **_columns(rows)
    )


_RENEWED: Final = ", ".join(
    f"{name} = n.{name}"
    for name in _COLUMN_TYPES
    if name not in {"id", "petition_id", "nonce", "address_index", "person_index"}
)


def renew(tx: Transaction, rows: Sequence[NewSignature]) -> None:
    """Store the newest form of people whose signatures still wait for their confirmation.

    Id and nonce of a signature stay, so links that were mailed before keep working. Its fields must be sealed for it.
    """
    tx.execute(
        text(f"update signature s set {_RENEWED} from {_ROWS} where s.id = n.id and s.state = 'pending'"),
        **_columns(rows),
    )
