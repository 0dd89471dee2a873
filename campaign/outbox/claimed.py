"""A message as the worker sees it that sends it: what composing needs, with encrypted fields still encrypted."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text

from campaign.database.connection import Transaction
from campaign.states import MessageKind, SignatureState


# Not frozen, as other values made once per message: a frozen class takes three times as long to make.
@dataclass(slots=True)
class Claimed:
    """A message that this worker holds, with what composing it needs. Encrypted fields stay encrypted."""

    id: int
    kind: MessageKind
    attempts: int
    planned_at: datetime
    is_ready: bool
    """True if it may reach the wire; False: :func:`begin_submitting` or :func:`leave_out` come first."""
    petition_id: int | None
    blast_id: int | None
    account_id: int | None
    about_id: int | None
    signature_id: int | None
    signature_state: SignatureState | None
    locale: str | None
    wants_updates: bool | None
    forget: bool | None
    """True if name and address are removed once the signature is counted."""
    requested_at: datetime | None
    nonce: bytes | None = field(repr=False)
    address: bytes | None = field(repr=False)
    name: bytes | None = field(repr=False)


def sample(
    kind: MessageKind, *, at: datetime, locale: str, petition_id: int | None = None, blast_id: int | None = None
) -> Claimed:
    """A message that is in no ledger, to a supporter who is no one: for previews and checks of what would be sent."""
    return Claimed(
        id=0,
        kind=kind,
        attempts=1,
        planned_at=at,
        is_ready=True,
        petition_id=petition_id,
        blast_id=blast_id,
        account_id=None,
        about_id=None,
        signature_id=0,
        signature_state=SignatureState.CONFIRMED,
        locale=locale,
        wants_updates=True,
        forget=False,
        requested_at=at,
        nonce=b"",
        address=None,
        name=None,
    )


_KINDS = {str(kind): kind for kind in MessageKind}
_STATES = {str(state): state for state in SignatureState}


def as_claimed(row: Row[Any]) -> Claimed:
    """A row with the fields of :class:`Claimed`, in their order."""
    values = list(row)
    values[1] = _KINDS[values[1]]
    values[10] = None if values[10] is None else _STATES[values[10]]
    return Claimed(*values)


def by_ids(tx: Transaction, message_ids: Sequence[int]) -> list[Claimed]:
    """Messages as a worker would hold them, whatever their state; they are not claimed."""
    rows = tx.execute(
        text("""
        select m.id, m.kind, m.attempts, m.planned_at, false as is_ready, m.petition_id, m.blast_id, m.account_id,
            m.about_id, m.signature_id, s.state as signature_state, s.locale, s.wants_updates, s.forget, s.requested_at,
            s.nonce, s.address, s.name
        from message m left join signature s on s.id = m.signature_id where m.id = any(:ids)"""),
        ids=list(message_ids),
    )
    return [as_claimed(row) for row in rows]
