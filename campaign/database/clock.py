"""One clock for all hosts: the database's. Leases, due times and expiry then mean the same everywhere.

A host whose own clock is minutes off would otherwise take leases from the living, or plan mail for later than it is.
"""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

log = logging.getLogger(__name__)

EVERY = 60.0
"""Seconds between two comparisons."""

JUMP = 0.5
"""Seconds by which a host's clock may move against its steady one before it is compared again at once."""

SLOW = 1.0
"""An answer that took longer, in seconds, tells the time too roughly; the difference known so far is kept."""

WORTH_SAYING = timedelta(seconds=2)


def own_time() -> datetime:
    """The moment by this host's clock."""
    return datetime.now(UTC)


class SharedClock:
    """The present moment by the database: this host's clock plus the difference found at the last comparison.

    Between two comparisons it costs nothing. It is right to half the time of one round trip.
    """

    def __init__(self, own: Callable[[], datetime] = own_time, *, steady: Callable[[], float] = time.monotonic) -> None:
        self._own = own
        self._steady = steady
        self._difference = timedelta(0)
        self._compared: tuple[datetime, float] | None = None

    def __call__(self) -> datetime:
        """The moment, in UTC."""
        return self._own() + self._difference

    @property
    def is_due(self) -> bool:
        """True if it is time to compare: at first, each minute, and after this host's clock was set."""
        if self._compared is None:
            return True
        at, steady = self._compared
        passed = self._steady() - steady
        return passed >= EVERY or abs((self._own() - at).total_seconds() - passed) > JUMP

    def compare(self, ask: Callable[[], datetime]) -> None:
        """Compare with the database; ``ask`` brings its time."""
        before = self._own()
        told = ask()
        after = self._own()
        known = self._compared is not None
        self._compared = after, self._steady()
        if known and (after - before).total_seconds() > SLOW:
            return
        # Between the two moments of ours there is nothing to correct.
        middle = before + (after - before) / 2
        difference = timedelta(0) if before <= told <= after else told - middle
        if abs(difference - self._difference) > WORTH_SAYING:
            log.warning("this host's clock is %+.1f s from the database's", -difference.total_seconds())
        self._difference = difference
