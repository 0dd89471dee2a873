"""The ticker: each second, look in the database for what is due and say it again, in case the queue lost the word.

Any number of workers may run one; the database decides who starts a periodic job. Without Redis the ticker does the
work itself: slower, still correct.
"""

import contextlib
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType

from campaign.database import jobs as database_jobs
from campaign.database.causes import cause_of, is_refused
from campaign.database.connection import Transaction
from campaign.delivery import journal
from campaign.errors import CountersignError, StoreUnavailableError
from campaign.outbox import ledger, workers
from campaign.runtime import Runtime
from campaign.signatures import request_queries
from campaign.states import REQUESTS, Lane, WakeUp

log = logging.getLogger(__name__)

INTERVAL = 1.0
BEAT_EVERY = 5
AFTER_BREAK = 5

PATIENCE = timedelta(seconds=10)
"""A job that no worker has begun by then is run by a ticker: all processes may be held by a mail server."""

KEEPER_SEEN = timedelta(seconds=30)
"""A worker for bulk mail and upkeep that was not heard of for so long is not there."""


@dataclass(frozen=True)
class Job:
    """One periodic job."""

    every: timedelta
    run: Callable[[Runtime], object]
    """The use case; what it returns is recorded as its outcome."""
    vital: bool = False
    """True if an urgent worker runs it while no bulk worker is alive: it is short, and mail depends on it."""


def run_job(runtime: Runtime, name: str, job: Job) -> None:
    """Run a periodic job and record how it ended, under its name. Each job may run twice."""
    with _NotingFailure(runtime, name):
        runtime.store.transact(lambda tx: database_jobs.begun(tx, name))
        outcome = str(job.run(runtime))
        now = runtime.clock()
        runtime.store.transact(lambda tx: database_jobs.finished(tx, name, outcome=outcome, now=now))


@dataclass(frozen=True)
class _NotingFailure:
    """Notes that a job failed, and why, for the monitor; the error itself goes its way."""

    runtime: Runtime
    name: str

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not isinstance(error, Exception):
            return
        words, now = _words(error), self.runtime.clock()
        # A database that is away is told of by itself.
        with contextlib.suppress(StoreUnavailableError):
            self.runtime.store.transact(lambda tx: database_jobs.failed(tx, self.name, error=words, now=now))


def _words(error: Exception) -> str:
    """An error in words that hold no value of a row."""
    if isinstance(error, CountersignError):
        return str(error)
    if is_refused(error):
        return cause_of(error).sentence
    return f"unexpected error ({type(error).__name__}); see the log of the workers"


class Ticker:
    """A thread of a worker process."""

    def __init__(
        self,
        runtime: Runtime,
        *,
        lane: Lane,
        schedule: Mapping[str, Job],
        enqueue_job: Callable[[str], bool],
        nudge: Callable[[WakeUp], bool],
        drain: Callable[[], object],
        beat: Callable[[], None],
        note_store: Callable[[StoreUnavailableError | None], None],
    ) -> None:
        """Wire a ticker.

        Args:
            runtime: a runtime of its own.
            lane: the lane of this worker.
            schedule: the periodic jobs by name.
            enqueue_job: puts a job on the queue; False if Redis did not take it.
            nudge: wakes workers for mail of a lane or for requests; False if Redis did not take it.
            drain: admits requests and sends what is due in this worker's lane, without Redis.
            beat: the heartbeat of this process.
            note_store: hears after each look why the database can't be used; None if it can.
        """
        self.runtime = runtime
        self.lane = lane
        self.schedule = schedule
        self.enqueue_job = enqueue_job
        self.nudge = nudge
        self.drain = drain
        self.beat = beat
        self.note_store = note_store
        self._stop = threading.Event()
        self._thread: threading.Thread = threading.Thread(target=self._run, name="ticker", daemon=True)
        self._ticks = 0

    def start(self) -> None:
        """Begin to tick."""
        self._thread.start()

    def stop(self) -> None:
        """Stop and wait for the present tick."""
        self._stop.set()
        if isinstance(self._thread, threading.Timer):
            self._thread.cancel()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        try:
            self._look_each_second()
        finally:
            if not self._stop.is_set():
                # An unexpected error, which is logged, must not leave a worker without its ticker.
                log.error("the ticker broke off; it looks again in %d s", AFTER_BREAK)
                self._thread = threading.Timer(AFTER_BREAK, self._run)
                self._thread.daemon = True
                self._thread.start()

    def _look_each_second(self) -> None:
        while not self._stop.wait(INTERVAL):
            try:
                self.tick()
            except StoreUnavailableError as error:
                self.note_store(error)
                self._stop.wait(2)
            except CountersignError as error:
                log.warning("tick: %s", error)
            else:
                self.note_store(None)

    def tick(self) -> None:
        """One look: heartbeat, journals left here by the dead, due jobs, waiting requests, due mail."""
        if self._ticks % BEAT_EVERY == 0:
            self.beat()
            # The periodic job may run on any host; the journals of this one are here alone.
            journal.settle_journals(self.runtime)
        self._ticks += 1
        now = self.runtime.clock()
        intervals = {name: job.every for name, job in self.schedule.items()}
        due = self.runtime.store.transact(lambda tx: database_jobs.claim_due(tx, intervals, now=now))
        alone = bool(due) and self._is_alone(now)
        for name in due:
            job = self.schedule[name]
            if (alone and job.vital) or not self.enqueue_job(name):
                run_job(self.runtime, name, job)
        self._take_over(now)
        work = self.runtime.store.transact(lambda tx: self._work(tx, now))
        if work is not None and not self.nudge(work):
            self.drain()

    def _take_over(self, now: datetime) -> None:
        """Run the jobs that wait behind mail in the queue, or were lost there, so that upkeep never does."""
        if self.lane is not Lane.BULK:
            return
        before, names = now - PATIENCE, list(self.schedule)
        for name in self.runtime.store.transact(lambda tx: database_jobs.take_over(tx, names, waiting_before=before)):
            log.warning("no worker has begun %s within %d s; the ticker runs it", name, PATIENCE.total_seconds())
            run_job(self.runtime, name, self.schedule[name])

    def _work(self, tx: Transaction, now: datetime) -> WakeUp | None:
        """What waits for the workers of this lane; requests first, since admitting also sends."""
        if self.lane is Lane.URGENT and request_queries.is_waiting(tx, now=now):
            return REQUESTS
        return self.lane if ledger.has_due(tx, self.lane, now=now) else None

    def _is_alone(self, now: datetime) -> bool:
        """True in an urgent worker while no bulk worker is alive to run upkeep, crash recovery included."""
        if self.lane is Lane.BULK:
            return False
        alive = self.runtime.store.transact(lambda tx: workers.alive(tx, since=now - KEEPER_SEEN))
        return not any(worker.lane is Lane.BULK for worker in alive)
