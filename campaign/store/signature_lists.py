"""Signatures as organisers see them: keyset pages, exact search, removal and its undoing, slices for the export."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from campaign.database.connection import Transaction
from campaign.states import SignatureState


@dataclass(frozen=True)
class Listed:
    """One row of a list; the personal fields are still encrypted, and None once erased."""

    id: int
    state: SignatureState
    locale: str
    country: str
    show_name: bool
    wants_updates: bool
    requested_at: datetime
    confirmed_at: datetime | None
    ended_at: datetime | None
    ended_reason: str | None
    address: bytes | None
    name: bytes | None
    reason: bytes | None


_COLUMNS = """s.id, s.state, s.locale, s.country, s.show_name, s.wants_updates, s.requested_at, s.confirmed_at,
    s.ended_at, s.ended_reason, s.address, s.name, s.reason"""

_MATCHES = """s.petition_id = :petition_id
    and (cast(:state as signature_state) is null or s.state = cast(:state as signature_state))
    and (cast(:country as text) is null or s.country = :country)"""


def _listed(tx: Transaction, statement: str, **values: object) -> list[Listed]:
    rows = tx.execute(text(statement), **values)
    return [Listed(**(row._asdict() | {"state": SignatureState(row.state)})) for row in rows]


def older(
    tx: Transaction, petition_id: int, *, state: str | None, country: str | None, before: int | None, limit: int
) -> list[Listed]:
    """Signatures with a smaller id than ``before`` (or from the newest on), newest first."""
    return _listed(
        tx,
        f"""
        select {_COLUMNS} from signature s
        where {_MATCHES} and (cast(:before as bigint) is null or s.id < :before) order by s.id desc limit :limit""",
        petition_id=petition_id, state=state, country=country, before=before, limit=limit,
    )  # fmt: skip


def newer(
    tx: Transaction, petition_id: int, *, state: str | None, country: str | None, after: int, limit: int
) -> list[Listed]:
    """Signatures with a greater id than ``after``: those next to it, newest first."""
    found = _listed(
        tx,
        f"select {_COLUMNS} from signature s where {_MATCHES} and s.id > :after order by s.id limit :limit",
        petition_id=petition_id, state=state, country=country, after=after, limit=limit,
    )  # fmt: skip
    return found[::-1]


def of_mailbox(tx: Transaction, petition_id: int, address_index: bytes, *, limit: int) -> list[Listed]:
    """The signatures of one mailbox in every state, newest first; erased ones can't be found any more."""
    return _listed(
        tx,
        f"""
        select {_COLUMNS} from signature s
        where s.petition_id = :petition_id and s.address_index = :address_index order by s.id desc limit :limit""",
        petition_id=petition_id, address_index=address_index, limit=limit,
    )  # fmt: skip


def load(tx: Transaction, petition_id: int, signature_id: int) -> Listed | None:
    """One signature of a petition."""
    found = _listed(
        tx,
        f"select {_COLUMNS} from signature s where s.petition_id = :petition_id and s.id = :id",
        petition_id=petition_id, id=signature_id,
    )  # fmt: skip
    return found[0] if found else None


def load_countries(tx: Transaction, petition_id: int) -> list[str]:
    """The countries that signatures of a petition come from."""
    found = tx.execute(
        text("select distinct country from signature where petition_id = :id order by country"), id=petition_id
    )
    return list(found.scalars())


def confirmed_slice(tx: Transaction, petition_id: int, *, after: int, limit: int) -> list[Listed]:
    """The next confirmed signatures by id, for an export that holds a slice in memory at a time."""
    return _listed(
        tx,
        f"""
        select {_COLUMNS} from signature s
        where s.petition_id = :petition_id and s.state = 'confirmed' and s.id > :after order by s.id limit :limit""",
        petition_id=petition_id, after=after, limit=limit,
    )  # fmt: skip


def remove(tx: Transaction, signature_id: int, petition_id: int, *, reason: str, now: datetime) -> bool:
    """Take a confirmed signature out; the consents stay on the row, so that an undo brings back what was. False if not.

    The counter takes it off the public count.
    """
    return (
        tx.execute(
            text("""
            update signature set state = 'removed', ended_at = :now, ended_reason = :reason
            where id = :id and petition_id = :petition_id and state = 'confirmed'"""),
            id=signature_id, petition_id=petition_id, reason=reason, now=now,
        ).rowcount
        == 1
    )  # fmt: skip


def restore(tx: Transaction, signature_id: int, petition_id: int, *, slot: int | None) -> bool:
    """Bring a removed signature back; False if it is not removed.

    Raises:
        DuplicateError: the same person signed again meanwhile, or somebody took the place at the mailbox just now.
    """
    return (
        tx.execute(
            text("""
            update signature set state = 'confirmed', ended_at = null, ended_reason = null, mailbox_slot = :slot
            where id = :id and petition_id = :petition_id and state = 'removed'"""),
            id=signature_id, petition_id=petition_id, slot=slot,
        ).rowcount
        == 1
    )  # fmt: skip
