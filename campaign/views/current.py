"""The runtime of the application that answers this request, opened as soon as the database answers."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Self

from flask import Flask, current_app

from campaign.errors import StoreUnavailableError
from campaign.runtime import Runtime
from campaign.security.encryption import DecryptionError

PLACE = "countersign"
"""Key in Flask's ``extensions``."""

PAUSE = 1.0
"""Seconds between two tries to open the runtime: meanwhile requests are refused at once instead of queueing up."""

log = logging.getLogger(__name__)


class LazyRuntime:
    """A runtime that may have to wait for its database: a web process starts without one, and answers 503 until then.

    Safe to share between threads.
    """

    def __init__(self, make: Callable[[], Runtime], *, clock: Callable[[], float] = time.monotonic) -> None:
        """Note how to make the runtime; nothing is opened yet.

        Args:
            make: opens a runtime, or raises StoreUnavailableError.
            clock: seconds that only grow.
        """
        self._make = make
        self._clock = clock
        self._lock = threading.Lock()
        self._runtime: Runtime | None = None
        self._not_before = float("-inf")
        self._error: StoreUnavailableError | None = None

    @classmethod
    def of(cls, runtime: Runtime) -> Self:
        """An opening that has a runtime already."""
        return cls(lambda: runtime)

    def runtime(self) -> Runtime:
        """The runtime, opened now if it is not yet.

        Raises:
            StoreUnavailableError: the database does not answer, or did not a moment ago.
            DecryptionError: the instance keys do not open this database, which was there at the first try.
        """
        return self._runtime or self._open()

    def _open(self) -> Runtime:
        with self._lock:
            if self._runtime is not None:
                return self._runtime
            if self._clock() < self._not_before:
                raise StoreUnavailableError(cause=self._error.cause if self._error else None)
            try:
                self._runtime = self._make()
            except StoreUnavailableError as error:
                self._not_before = self._clock() + PAUSE
                self._error = error
                log.warning("pages wait for the database: %s", error)
                raise
            except DecryptionError as error:
                if self._error is None:
                    raise
                # The database came after the start, and belongs to other keys.
                self._not_before = self._clock() + PAUSE
                log.critical("pages can't be served: %s", error)
                raise StoreUnavailableError(str(error)) from error
            return self._runtime

    def close(self) -> None:
        """Give back what the runtime holds open, if it was opened."""
        if self._runtime is not None:
            self._runtime.close()


def attach(app: Flask, opening: LazyRuntime) -> None:
    """Give an application its runtime."""
    app.extensions[PLACE] = opening


def runtime() -> Runtime:
    """The runtime of this application.

    Raises:
        StoreUnavailableError: it could not be opened yet, for the database does not answer.
    """
    opening: LazyRuntime = current_app.extensions[PLACE]
    return opening.runtime()
