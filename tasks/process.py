"""What a worker process holds: its runtime, its deliverer, its ticker. Made after the fork, ended with the process."""

import logging
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace

from celery import Celery, current_app, signals

from campaign import log_lines
from campaign.delivery.composer import Composer
from campaign.delivery.delivery import Deliverer, calm_collector
from campaign.delivery.jobs import Ticker, run_job
from campaign.delivery.pacing import RelayPace
from campaign.delivery.token_bucket import open_buckets
from campaign.errors import CountersignError, StoreUnavailableError
from campaign.feedback.return_mailbox import LmtpListener, is_lmtp
from campaign.operations.alert_hook import DatabaseAlarm
from campaign.outbox.relays import Offers
from campaign.runtime import Runtime, build
from campaign.settings import Settings, load_settings
from campaign.signatures import admission
from campaign.smtp.relays import OnOffer, Relay, RelayTransport
from campaign.smtp.settings import SmtpSettings
from campaign.states import Lane
from tasks.app import schedule
from tasks.nudging import Nudger, enqueue_job, wake

log = logging.getLogger(__name__)

URGENT_CONNECTIONS = 2

SPARE_SECONDS = 10.0
"""Seconds for which a look waits for the mail that it sends itself; a slow mail server must not hold the next look."""


def open_transport(settings: Settings, lane: Lane, *, on_offer: OnOffer | None = None) -> RelayTransport:
    """A transport for one lane, with kept connections of its own to each relay."""
    relays = SmtpSettings.all_from(
        settings.smtp_url, ehlo_name=settings.ehlo_name, lane=str(lane), ca_file=settings.smtp_ca_file
    )
    if lane is Lane.URGENT:
        relays = tuple(replace(relay, connections=min(relay.connections, URGENT_CONNECTIONS)) for relay in relays)
    made = [Relay.of(relay, on_offer=on_offer) for relay in relays]
    return RelayTransport(made, gate=RelayPace(lane, open_buckets(settings)))


SAY_EVERY = 60.0
"""Seconds after which a worker that can't begin says why once more."""


class Process:
    """The one place where a worker process keeps what it holds open."""

    def __init__(self, app: Celery, settings: Settings, lane: Lane) -> None:
        self.app = app
        self.settings = settings
        self.lane = lane
        self._nudger = Nudger(app)
        self.runtime: Runtime = build(settings, nudge=self._nudger, pool_size=3)
        self.deliverer = self._deliverer(lane)
        self.schedule = schedule(settings)
        self._spare: Deliverer | None = None
        self._spare_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spare")
        self._sending: Future[object] | None = None
        self._drain_lock = threading.Lock()
        self._listener = self._lmtp_listener()
        self.ticker = Ticker(
            self.runtime,
            lane=lane,
            schedule=self.schedule,
            enqueue_job=lambda name: enqueue_job(app, name),
            nudge=lambda work: wake(app, work),
            drain=self._drain_without_queue,
            beat=self.beat,
            note_store=DatabaseAlarm(settings).note,
        )

    def _lmtp_listener(self) -> LmtpListener | None:
        """Takes returned mail in the process itself: of the bulk workers on a machine one listens."""
        url = self.settings.return_mailbox_url
        return LmtpListener(self.runtime, url) if self.lane is Lane.BULK and is_lmtp(url) else None

    def start(self) -> None:
        """Begin to look for what is due, and to take returned mail."""
        self.ticker.start()
        if self._listener is not None:
            self._listener.start()

    def _deliverer(self, lane: Lane) -> Deliverer:
        offers = Offers()
        transport = open_transport(self.settings, lane, on_offer=offers.hear)
        return Deliverer(self.runtime, lane, composer=Composer(self.runtime), transport=transport, offers=offers)

    def run_job(self, name: str) -> None:
        """Run a job of the schedule and record how it ended."""
        run_job(self.runtime, name, self.schedule[name])

    def send_lane(self, lane: Lane) -> None:
        """Send what is due in a lane, if this process serves it."""
        if lane is self.lane:
            self.drain()

    def admit(self) -> None:
        """Admit waiting requests, then send their mail, if this process serves the urgent lane."""
        if self.lane is Lane.URGENT:
            admission.admit_all(self.runtime)
            self.drain()

    def drain(self) -> None:
        """Send what is due in the lane; wake it again if the time box ended first."""
        with self._drain_lock:
            more = self.deliverer.drain().more
        if more:
            wake(self.app, self.lane)

    def beat(self) -> None:
        """The heartbeat; what ended while the database was away is recorded now, whether or not mail is due.

        Without that a process to which no wake-up comes would let its leases run out, and its mail become uncertain.
        Nor does it keep the only connection that a relay allows.
        """
        self.deliverer.beat()
        if self._drain_lock.acquire(blocking=False):
            try:
                self.deliverer.settle()
                self.deliverer.rest()
            finally:
                self._drain_lock.release()
        # Only the ticker's own thread, which is the one that beats, lets the spare work.
        if self._spare is not None and self._sending is None:
            self._spare.settle()
            self._spare.rest()

    def _drain_without_queue(self) -> None:
        # A deliverer of its own: it must not share a connection with the task that may be running. And a thread of its
        # own: neither the heartbeat nor upkeep waits for a slow mail server.
        if self.lane is Lane.URGENT:
            admission.admit_all(self.runtime)
        if self._spare is None:
            self._spare = self._deliverer(self.lane)
        if self._sending is None:
            self._sending = self._spare_thread.submit(self._spare.drain)
        wait([self._sending], timeout=SPARE_SECONDS)
        if self._sending.done():
            done, self._sending = self._sending, None
            done.result()

    def close(self) -> None:
        """End in order: no new look, connections closed, worker noted as stopped."""
        self.deliverer.stopping = True
        if self._spare is not None:
            self._spare.stopping = True
        if self._listener is not None:
            self._listener.stop()
        self.ticker.stop()
        self.deliverer.close()
        self._close_spare()
        self.runtime.close()
        self._nudger.close()

    def _close_spare(self) -> None:
        self._spare_thread.shutdown(wait=False)
        if self._spare is None:
            return
        if self._sending is not None and wait([self._sending], timeout=SPARE_SECONDS).not_done:
            # What it holds is settled by its journal and the leases, as after a crash.
            return
        self._spare.close()


class _Holder:
    """Opens what the process needs in the background, for the database may be away while the worker starts."""

    def __init__(self, app: Celery, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self._ended = threading.Event()
        self._opened = threading.Event()
        self._process: Process | None = None
        self._said, self._said_at = "", 0.0
        self._thread = threading.Thread(target=self._open, name="opening", daemon=True)
        self._thread.start()

    def _open(self) -> None:
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="opening") as pool:
            while not self._ended.is_set():
                # Whatever is raised ends the try, never the tries.
                error = pool.submit(self._begin).exception()
                if error is None:
                    return
                self._say(error)
                self._ended.wait(2 if _may_pass(error) else 10)

    def _begin(self) -> None:
        process = Process(self._app, self._settings, Lane(self._settings.lane))
        calm_collector()
        process.start()
        self._process = process
        self._opened.set()

    def _say(self, error: BaseException) -> None:
        """Say why the worker can't begin: again only if it is another reason, or a minute has passed."""
        # The text of an error that is not ours may quote what it is about.
        words = str(error) if isinstance(error, (CountersignError, OSError)) else type(error).__name__
        now = time.monotonic()
        if words != self._said or now - self._said_at >= SAY_EVERY:
            self._said, self._said_at = words, now
            log.log(logging.WARNING if _may_pass(error) else logging.CRITICAL, "this worker can't begin: %s", words)

    def process(self) -> Process:
        """What the process holds; waits while the database is away."""
        self._opened.wait(timeout=60)
        if self._process is None:
            raise StoreUnavailableError("this worker has not begun yet; its log says why")
        return self._process

    def close(self) -> None:
        """End in order."""
        self._ended.set()
        self._thread.join(timeout=5)
        if self._process is not None:
            self._process.close()


WORDY = ("celery.app.trace", "celery.worker.strategy")
"""Loggers with two lines for each task, some four a second in an idle worker; the monitor shows the jobs."""


@signals.after_setup_logger.connect
def _calm_log(loglevel: int | None = None, **_: object) -> None:
    """Let a worker log what went wrong of its tasks, and each task only at the level "debug"."""
    if loglevel is None or loglevel > logging.DEBUG:
        for name in WORDY:
            logging.getLogger(name).setLevel(logging.WARNING)


@signals.after_setup_task_logger.connect
@signals.after_setup_logger.connect
def _log_json(logger: logging.Logger | None = None, **_: object) -> None:
    """Let Celery's own handlers write JSON as well, if this worker does."""
    if log_lines.is_json() and logger is not None:
        for handler in logger.handlers:
            handler.setFormatter(log_lines.JsonFormatter())


def _may_pass(error: BaseException) -> bool:
    """True for a database that is away; False for what an admin must change, who may do so while the worker waits."""
    return isinstance(error, StoreUnavailableError) and not (error.cause is not None and error.cause.lasting)


_holders: list[_Holder] = []


def current() -> Process:
    """What this worker process holds."""
    return _holders[0].process()


@signals.worker_process_init.connect
def _begin(**_: object) -> None:
    """Start, or restart, a worker process: everything is opened here, nothing is inherited over the fork."""
    _holders[:] = [_Holder(current_app._get_current_object(), load_settings())]  # noqa: SLF001 - the app, not its proxy


@signals.worker_process_shutdown.connect
def _end(**_: object) -> None:
    for holder in _holders:
        holder.close()
