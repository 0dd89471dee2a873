"""A very short memory for rendered bytes: in a rush a page is rendered once a second, not once per reader."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

Value = TypeVar("Value")

BRIEF_ROOM = 512
"""Entries kept; pages of one process number petitions times languages, so this is a bound against abuse only."""


@dataclass
class _Kept(Generic[Value]):
    value: Value
    renew_at: float
    ends_at: float


class Brief(Generic[Value]):
    """Keeps values for a moment. While one thread makes a value anew, others get the last one, for as long again.

    Where there is no last one, two threads may make the same value at once; the later one stays, both are right.
    """

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._kept: dict[Hashable, _Kept[Value]] = {}

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value kept for a key, made anew once it is too old. Errors of ``make`` are not kept."""
        now = self._clock()
        kept = self._kept.get(key)
        if kept is not None:
            if now < kept.renew_at:
                return kept.value
            kept.renew_at = kept.ends_at
        value = make()
        if len(self._kept) >= BRIEF_ROOM:
            self.clear()
        self._kept[key] = _Kept(value, now + self._seconds, now + 2 * self._seconds)
        return value

    def fresh(self, key: Hashable) -> Value | None:
        """The value kept for a key, if it need not be made anew yet."""
        kept = self._kept.get(key)
        return kept.value if kept is not None and self._clock() < kept.renew_at else None

    def clear(self) -> None:
        """Forget everything at once."""
        self._kept.clear()
