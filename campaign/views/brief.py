"""A very short memory for rendered bytes: in a rush a page is rendered once a second, not once per reader."""

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")

ROOM = 512
"""Entries kept; pages of one process number petitions times languages, so this is a bound against abuse only."""


class Brief(Generic[Value]):
    """Keeps values for a moment. Two threads may make the same value at once; the later one stays, both are right."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._kept: dict[Hashable, tuple[float, Value]] = {}

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value kept for a key, made anew once it is too old. Errors of ``make`` are not kept."""
        now = self._clock()
        kept = self._kept.get(key)
        if kept is not None and now < kept[0]:
            return kept[1]
        value = make()
        if len(self._kept) >= ROOM:
            self.clear()
        self._kept[key] = (now + self._seconds, value)
        return value

    def clear(self) -> None:
        """Forget everything at once."""
        self._kept.clear()
