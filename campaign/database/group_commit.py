"""Group commit: rows that many threads want to store at the same time are stored by one of them, in one transaction.

Each call returns when its own row is committed. A thread that finds another one storing waits; the first to get its
turn then stores the rows of all that wait. So a rush costs a commit for each group, and a single row does not wait.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from campaign.errors import StoreUnavailableError

Row = TypeVar("Row")


class _Entry(Generic[Row]):
    """A row that waits, and what became of it."""

    def __init__(self, row: Row) -> None:
        self.row = row
        self.is_settled = False
        self.error: Exception | None = None


class GroupCommit(Generic[Row]):
    """Stores rows in groups; one for each kind of row and process."""

    def __init__(self, save: Callable[[Sequence[Row]], object], refusals: tuple[type[Exception], ...]) -> None:
        """Prepare.

        Args:
            save: stores rows in a transaction of its own; called by one thread at a time.
            refusals: what it raises because of a row; the rows of the group are then stored one by one.
        """
        self._save = save
        self._refusals = refusals
        self._waiting: deque[_Entry[Row]] = deque()
        self._turn = threading.Lock()

    @property
    def waiting(self) -> int:
        """How many rows wait for the thread that stores now."""
        return len(self._waiting)

    def add(self, row: Row) -> None:
        """Store a row, together with those of other threads.

        Raises:
            StoreUnavailableError: the database does not answer.
            Exception: one of the refusals, for this row.
        """
        entry = _Entry(row)
        self._waiting.append(entry)
        with self._turn:
            if not entry.is_settled:
                self._save_waiting()
        if isinstance(entry.error, StoreUnavailableError):
            # An exception of its own for each thread: they are raised at the same time.
            raise StoreUnavailableError(str(entry.error), cause=entry.error.cause) from entry.error
        if entry.error is not None:
            raise entry.error

    def _save_waiting(self) -> None:
        # Others may append meanwhile; they are stored now, or in their own turn.
        group = [self._waiting.popleft() for _ in range(len(self._waiting))]
        try:
            self._save_group(group)
        finally:
            for entry in group:
                if not entry.is_settled:
                    # An unexpected error, raised in this thread: none of the others may take its row for stored.
                    entry.error = StoreUnavailableError("nothing was stored; please try again")
                    entry.is_settled = True

    def _save_group(self, group: Sequence[_Entry[Row]]) -> None:
        error: Exception | None = None
        try:
            self._save([entry.row for entry in group])
        except StoreUnavailableError as unavailable:
            error = unavailable
        except self._refusals as refusal:
            if len(group) > 1:
                for entry in group:
                    self._save_group([entry])
                return
            error = refusal
        for entry in group:
            entry.error = error
            entry.is_settled = True
