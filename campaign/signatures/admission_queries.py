"""What an admitting worker reads and writes for a batch of requests: one statement each, whatever the batch holds."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final

from sqlalchemy import Row, text

from campaign.database.connection import Transaction
from campaign.signatures.queries import NewSignature
from campaign.states import SignatureState

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
    form: Mapping[str, object] = field(default_factory=dict, repr=False)
    """What was typed, by column, still sealed: :data:`FORM`."""


FORM: Final = (
    "text_version_id",
    "consent_id",
    "updates_consent_id",
    "locale",
    "country",
    "show_name",
    "wants_updates",
    "forget",
    "address",
    "name",
    "reason",
)
"""The columns that hold the form of a sign-up."""

_FORM: Final = ", ".join(f"s.{name}" for name in FORM)


def present(tx: Transaction, people: Collection[Person]) -> list[Present]:
    """The signatures that the decisions on some people depend on, by id.

    These are the confirmed ones of each mailbox, two at most, and the newest pending one of each person: a bounded
    number, however many names were typed with a mailbox.
    """
    rows = tx.execute(
        text(f"""
        with asked as (
            select petition_id, address_index, person_index
            from unnest(cast(:petitions as int[]), cast(:addresses as bytea[]), cast(:people as bytea[]))
                as o(petition_id, address_index, person_index))
        select s.id, s.petition_id, s.address_index, s.person_index, 'confirmed' as state, {_FORM}
        from (select distinct petition_id, address_index from asked) o
        join signature s on s.petition_id = o.petition_id and s.address_index = o.address_index
            and s.state = 'confirmed' and s.address_index is not null
        union all
        select s.id, s.petition_id, s.address_index, s.person_index, 'pending', {_FORM}
        from (select distinct petition_id, person_index from asked) o
        cross join lateral (
            select s.* from signature s
            where s.petition_id = o.petition_id and s.person_index = o.person_index
                and s.state in ('pending', 'confirmed') and s.person_index is not null
            order by s.petition_id desc, s.person_index desc, s.id desc limit 1) s
        where s.state = 'pending'
        order by 1"""),
        petitions=[petition_id for petition_id, _, _ in people],
        addresses=[address_index for _, address_index, _ in people],
        people=[person_index for _, _, person_index in people],
    )
    return [_present(row) for row in rows]


def _present(row: Row[Any]) -> Present:
    values = row._asdict()
    form: dict[str, object] = {name: values.pop(name) for name in FORM if name in values}
    return Present(**(values | {"state": SignatureState(row.state)}), form=form)


def pending_by_id(tx: Transaction, signature_ids: Collection[int]) -> list[Present]:
    """Those of some signatures that still wait for their confirmation."""
    rows = tx.execute(
        text("""
        select s.id, s.petition_id, s.address_index, s.person_index, s.state from signature s
        where s.id = any(:ids) and s.state = 'pending' and s.address_index is not null order by 1"""),
        ids=sorted(signature_ids),
    )
    return [_present(row) for row in rows]


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
    "mail_provider": "text",
    "forget": "boolean",
}
_NAMES: Final = ", ".join(_COLUMN_TYPES)
_ROWS: Final = "unnest({}) as n({})".format(
    ", ".join(f"cast(:{name} as {kind}[])" for name, kind in _COLUMN_TYPES.items()), _NAMES
)


def _columns(rows: Sequence[NewSignature]) -> dict[str, object]:
    return {column.name: [getattr(row, column.name) for row in rows] for column in fields(NewSignature)}


def add(tx: Transaction, rows: Sequence[NewSignature]) -> None:
    """Insert pending signatures."""
    tx.execute(
        text(f"insert into signature (state, {_NAMES}) select 'pending', {_NAMES} from {_ROWS}"), **_columns(rows)
    )
