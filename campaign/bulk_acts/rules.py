"""What an act on many rows is, and what can be undone: plain values."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from campaign.states import BulkActState

SLICE: Final = 500
"""Rows changed in one transaction: locks are held for a fraction of a second."""

UNDO: Final = timedelta(days=30)
"""How long after its end an act can be undone; then the list of the rows that it changed is deleted."""

MAX_REASON: Final = 200
MAX_IDS: Final = 200
"""Rows that can be ticked on one page; more are chosen by a filter."""


class Kind(StrEnum):
    """What is done; the value is the name of the act in the audit log."""

    HIDE_NAMES = "signature.hide_names"
    SHOW_NAMES = "signature.show_names"
    REMOVE = "signature.remove_many"
    RESTORE = "signature.restore_many"
    RETRY = "message.retry_many"
    ACCEPT = "message.accept_many"
    CANCEL = "message.cancel_many"
    LIFT = "suppression.lift_group"
    DROP = "feedback.drop_many"


OF_PETITION: Final = frozenset({Kind.HIDE_NAMES, Kind.SHOW_NAMES, Kind.REMOVE, Kind.RESTORE})
"""Acts on the signatures of one petition, for its organisers; the others are for admins."""

UNDONE_BY: Final[Mapping[Kind, Kind]] = {Kind.HIDE_NAMES: Kind.SHOW_NAMES, Kind.REMOVE: Kind.RESTORE}
"""The act that undoes another one, row by row, as far as the rows are as it left them."""


@dataclass(frozen=True)
class Scope:
    """Which rows are meant: exactly one of the three."""

    ids: tuple[int, ...] | None = None
    """Chosen one by one, in ascending order."""
    matching: Mapping[str, Any] | None = None
    """All that match a filter, whose fields depend on the kind of act."""
    undone: int | None = None
    """The rows that another act changed."""

    def as_json(self) -> dict[str, Any]:
        """As it is stored."""
        if self.ids is not None:
            return {"ids": list(self.ids)}
        return {"act": self.undone} if self.undone is not None else {"filter": dict(self.matching or {})}

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> "Scope":
        """From what is stored."""
        if "act" in stored:
            return cls(undone=stored["act"])
        if "ids" in stored:
            return cls(ids=tuple(stored["ids"]))
        return cls(matching=stored.get("filter", {}))


@dataclass(frozen=True)
class BulkAct:
    """One act, and how far it is."""

    id: int
    kind: Kind
    state: BulkActState
    petition_id: int | None
    account_id: int
    scope: Scope
    upper_id: int
    as_of: datetime
    cursor_id: int
    expected: int
    """Rows that were meant when it was begun."""
    done: int
    """Rows that it changed."""
    skipped: Mapping[str, int]
    """Rows that it left as they were, by reason."""
    reason: str
    request_key: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None

    @property
    def is_open(self) -> bool:
        """True if a worker has still something to do."""
        return self.state in {BulkActState.WAITING, BulkActState.RUNNING}

    @property
    def looked_at(self) -> int:
        """Rows that a worker has dealt with."""
        return self.done + sum(self.skipped.values())

    def undo_kind(self, now: datetime) -> Kind | None:
        """The act that undoes it; None if it can't be undone, or not any longer."""
        if self.ended_at is None or not self.done or now - self.ended_at > UNDO:
            return None
        return UNDONE_BY.get(self.kind)
