"""An agenda: actions at their moments, carried out by a few threads; one may put others on it."""

import heapq
import itertools
import threading
import time
from collections.abc import Callable

Action = Callable[[], None]


class Schedule:
    """Actions by moment of the monotonic clock."""

    def __init__(self, *, threads: int) -> None:
        self._condition = threading.Condition()
        self._heap: list[tuple[float, int, Action]] = []
        self._order = itertools.count()
        self._running = 0
        self._ended = False
        self.errors: list[Exception] = []
        """What ended an action that should not have failed."""
        self._threads = [threading.Thread(target=self._work, name="people", daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def at(self, moment: float, action: Action) -> None:
        """Do something at a moment, or as soon after it as a thread is free."""
        with self._condition:
            heapq.heappush(self._heap, (moment, next(self._order), action))
            self._condition.notify_all()

    @property
    def is_idle(self) -> bool:
        """True if nothing is to be done and nothing is being done."""
        with self._condition:
            return not self._heap and not self._running

    def end(self) -> None:
        """Forget what is left; wait for what is being done."""
        with self._condition:
            self._ended = True
            self._condition.notify_all()
        for thread in self._threads:
            thread.join(timeout=30)

    def _work(self) -> None:
        while (action := self._next()) is not None:
            try:
                action()
            except (ValueError, LookupError, TypeError, OSError) as error:
                self.errors.append(error)
            finally:
                with self._condition:
                    self._running -= 1
                    self._condition.notify_all()

    def _next(self) -> Action | None:
        with self._condition:
            while not self._ended:
                now = time.monotonic()
                if self._heap and self._heap[0][0] <= now:
                    self._running += 1
                    return heapq.heappop(self._heap)[2]
                self._condition.wait(self._heap[0][0] - now if self._heap else None)
        return None
