"""Nudges: tell the workers, cheaply and without ever waiting for a sick Redis, that a lane has work."""

import logging
import threading
import time
from collections.abc import Mapping

from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from campaign.states import ACTS, REQUESTS, Lane, WakeUp
from tasks.app import UPKEEP, WAKE_UPS
from tasks.redis_transport import cause

log = logging.getLogger(__name__)

EXPIRES = 30
"""Seconds after which a wake-up is worthless: the ticker has looked long since."""

INTERVAL = 0.05
"""Seconds between two wake-ups of a lane from one process: a burst of sign-ups is one nudge."""

CLOSING = 5.0
"""Seconds to wait at the end for nudges that Redis has not taken yet."""

COOL_DOWN = 10.0
"""Seconds without wake-ups after Redis failed; the rows are committed anyway."""

SAY_EVERY = 60.0
"""Seconds between two lines of the log about one cause."""

TASKS: Mapping[str, str] = {
    REQUESTS: "signatures.admit",
    Lane.URGENT: "mail.send_urgent",
    Lane.BULK: "mail.send_bulk",
    ACTS: "acts.begin",
}
"""The task for each kind of work."""


class Complaints:
    """Says in the log once a minute why Redis takes nothing: each tick asks it several times."""

    def __init__(self) -> None:
        self._said: dict[str, float] = {}

    def say(self, why: str, task: str) -> None:
        """Say it, unless that was said a moment ago."""
        now = time.monotonic()
        if now - self._said.get(why, float("-inf")) >= SAY_EVERY:
            self._said[why] = now
            log.warning("redis did not take %s: %s", task, why)


_COMPLAINTS = Complaints()


def publish(app: Celery, task: str, queue: str) -> bool:
    """Put one wake-up on a queue; False if Redis did not take it."""
    try:
        app.send_task(task, queue=queue, expires=EXPIRES, retry=False, ignore_result=True)
    except (OperationalError, RedisError, OSError) as error:
        _COMPLAINTS.say(cause(error), task)
        return False
    return True


def wake(app: Celery, work: WakeUp) -> bool:
    """Wake the workers for some work now; False if Redis did not take it."""
    return publish(app, TASKS[work], WAKE_UPS[TASKS[work]])


def enqueue_job(app: Celery, name: str) -> bool:
    """Put the task of a periodic job on the upkeep queue; False if Redis did not take it."""
    return publish(app, name, UPKEEP)


class Nudger:
    """Collects nudges and sends them from a thread of its own: at once when idle, one per interval in a burst."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._waiting: set[WakeUp] = set()
        self._condition = threading.Condition()
        self._thread: threading.Thread | None = None
        self._quiet_until = 0.0
        self._is_closed = False

    def __call__(self, work: frozenset[WakeUp]) -> None:
        """Note new work; returns at once."""
        if time.monotonic() < self._quiet_until or self._is_closed:
            return
        with self._condition:
            self._waiting |= work
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="nudger", daemon=True)
                self._thread.start()
            self._condition.notify()

    def close(self) -> None:
        """Send the nudges that wait, then end the thread; later ones are ignored, for the ticker finds the work."""
        with self._condition:
            self._is_closed = True
            self._condition.notify()
        if self._thread is not None:
            self._thread.join(timeout=CLOSING)

    def _run(self) -> None:
        while True:
            with self._condition:
                while not self._waiting and not self._is_closed:
                    self._condition.wait()
                if not self._waiting:
                    return
                work, self._waiting = self._waiting, set()
            taken = [wake(self._app, each) for each in sorted(work)]
            if not all(taken):
                self._quiet_until = time.monotonic() + COOL_DOWN
            time.sleep(INTERVAL)
