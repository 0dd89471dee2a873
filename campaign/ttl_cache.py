"""A small cache with one rule: a value is used for a fixed time and then computed again."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import TypeVar, cast

Value = TypeVar("Value")


@dataclass(eq=False, slots=True)
class _Entry:
    """A computation that has begun; ``result`` holds its value once it has ended without an error."""

    expires_at: float
    ended: threading.Event = field(default_factory=threading.Event)
    result: tuple[object] | None = None


class TTLCache:
    """Values by key, each used for ``ttl`` seconds from the start of its computation. Safe to share between threads.

    Threads that ask for the same key at the same time wait for one computation. An error is not stored: the computing
    thread raises it, and each waiting thread then computes for itself. The function that computes a value must not ask
    for the same key.

    One cache may hold values of several kinds: a key then begins with the name of the kind.
    """

    def __init__(self, ttl: float, *, max_entries: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Make an empty cache.

        Args:
            ttl: seconds for which a value is used.
            max_entries: values stored at most; the oldest is dropped for a new one.
            clock: seconds that only grow.
        """
        self._ttl = ttl
        self._max_entries = max_entries
        self._clock = clock
        self._lock = threading.Lock()
        # In the order of expiry, which is that of insertion because all entries live equally long.
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()

    def get(self, key: Hashable, compute: Callable[[], Value]) -> Value:
        """The value of a key; computed if there is none, or if it has expired."""
        with self._lock:
            now = self._clock()
            entry = self._entries.get(key)
            if is_new := entry is None or now >= entry.expires_at:
                entry = self._add(key, now)
        if is_new:
            return self._fill(key, entry, compute)
        if entry.result is None:
            entry.ended.wait()
        return compute() if entry.result is None else cast("Value", entry.result[0])

    def drop(self, key: Hashable) -> None:
        """Forget a value. A computation that runs now is not stored: the next call computes again."""
        with self._lock:
            self._entries.pop(key, None)

    def clear(self) -> None:
        """Forget all values."""
        with self._lock:
            self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)

    def _add(self, key: Hashable, now: float) -> _Entry:
        self._entries.pop(key, None)
        while self._entries and self._must_drop(next(iter(self._entries.values())), now):
            self._entries.popitem(last=False)
        entry = self._entries[key] = _Entry(now + self._ttl)
        return entry

    def _must_drop(self, oldest: _Entry, now: float) -> bool:
        return now >= oldest.expires_at or len(self._entries) >= self._max_entries

    def _fill(self, key: Hashable, entry: _Entry, compute: Callable[[], Value]) -> Value:
        try:
            value = compute()
            entry.result = (value,)
        finally:
            if entry.result is None:
                self._drop_failed(key, entry)
            entry.ended.set()
        return value

    def _drop_failed(self, key: Hashable, entry: _Entry) -> None:
        with self._lock:
            if self._entries.get(key) is entry:
                del self._entries[key]
