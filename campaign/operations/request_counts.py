"""What the web processes count of their requests, also of those that are answered in front of Flask.

Each process adds up in memory and gives its sums to the database every few seconds, and when it ends. Labels are the
templates of routes, never what a visitor sent. Docs: ADR 28.
"""

import logging
import threading
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from wsgiref.types import WSGIEnvironment

from campaign.database.counters import HTTP_DURATION, HTTP_REQUESTS, Sums
from campaign.errors import CountersignError
from campaign.runtime import Runtime

log = logging.getLogger(__name__)

ROUTE: Final = "countersign.route"
"""Key in the WSGI environment: the template of the route, noted by Flask and kept with a cached page."""

NO_ROUTE: Final = "none"
"""For requests that no route was found for, or that were refused before one was looked for."""

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

OTHER: Final = "other"
"""For all other methods: a visitor may send any word."""

EVERY: Final = 5.0
"""Seconds between two stores; so much is lost at most if a process is killed."""


@dataclass(slots=True)
class _Answers:
    """Requests of one route, method and status."""

    seconds: float = 0.0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(HTTP_DURATION.bounds) + 1))


class RequestCounts:
    """The requests of this process since the last store. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # A cached page takes some microseconds in all: what the labels are is worked out at the store.
        self._answers: dict[tuple[str, str, int], _Answers] = {}
        self._left = Sums()

    def note(self, environ: WSGIEnvironment, status: int, seconds: float) -> None:
        """Count an answer.

        Args:
            environ: of its request.
            status: its HTTP status.
            seconds: from the whole request received until the answer began.
        """
        method = environ["REQUEST_METHOD"]
        key = environ.get(ROUTE, NO_ROUTE), method if method in METHODS else OTHER, status
        place = bisect_left(HTTP_DURATION.bounds, seconds)
        with self._lock:
            answers = self._answers.get(key)
            if answers is None:
                answers = self._answers[key] = _Answers()
            answers.seconds += seconds
            answers.buckets[place] += 1

    def take(self) -> Sums:
        """What was counted, and begin at zero."""
        with self._lock:
            answers, self._answers = self._answers, {}
            taken, self._left = self._left, Sums()
        for (route, method, status), found in answers.items():
            taken.count(HTTP_REQUESTS, route, method, f"{status // 100}xx", number=sum(found.buckets))
            taken.observe_many(HTTP_DURATION, found.buckets, found.seconds, route)
        return taken

    def give_back(self, sums: Sums) -> None:
        """Keep what could not be stored, for the next store."""
        with self._lock:
            self._left.add(sums)


class CountsKeeper:
    """A thread that stores the counts of this process until it ends."""

    def __init__(self, counts: RequestCounts, opened: Callable[[], Runtime], *, every: float = EVERY) -> None:
        """Prepare; ``opened`` gives the runtime, or raises StoreUnavailableError."""
        self._counts = counts
        self._opened = opened
        self._every = every
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="request-counts", daemon=True)

    def start(self) -> None:
        """Begin to store."""
        self._thread.start()

    def stop(self) -> None:
        """End, and store what is left."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(timeout=self._every)

    def _run(self) -> None:
        while not self._ended.wait(self._every):
            self.store()
        self.store()

    def store(self) -> None:
        """Store what was counted; it waits for the next time if the database is away.

        If the connection is lost at the commit, it is not known whether it was stored: it is stored again then, so
        that a few seconds may be counted twice.
        """
        sums = self._counts.take()
        if not sums:
            return
        try:
            self._opened().store.transact(lambda tx: tx.counts.add(sums))
        except CountersignError as error:
            log.debug("request counts wait: %s", type(error).__name__)
            self._counts.give_back(sums)
