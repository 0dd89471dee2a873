"""Runs everything on one machine: the embedded servers, then the programs, until told to stop; then ends all in order.

The order of a start: lock, leftovers, port, servers, preparation, programs. Each step says what it did and how long it
took. At the end the programs go first, the servers after them, so that no program loses its server.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TypeVar

from campaign.errors import EngineError
from campaign.local.servers import places, ports, postgres, processes, redis
from campaign.local.servers.children import TOO_MANY, Child, RestartedProcess, Say, end_in_order, write_note
from campaign.local.servers.watchdog import guarded
from campaign.settings import Settings, child_environment

LOOK = 0.2
"""Seconds between two looks at the children."""

SAME_WISH = 0.5
"""Seconds within which two signals are one wish: make and timeout pass on a SIGTERM that the whole group has got."""

LOOK_AT_SERVERS = 1.0
"""Seconds between two looks at the embedded servers."""

RESTART_WINDOW = 60.0

UNREADY = 60.0
"""Seconds after which a program that is not ready is taken for broken."""

_PREDECESSOR = 60.0
"""Seconds to wait for what a killed predecessor left to end."""


@dataclass(frozen=True)
class Step:
    """Something to do between the start of the servers and that of the programs."""

    name: str
    run: Callable[[Settings], str]
    """Does it and returns what to say, e.g. ``up to date``."""


@dataclass(frozen=True)
class Plan:
    """What a supervisor runs on top of the embedded servers."""

    greeting: Sequence[str]
    """Lines to say first, when a start is possible."""
    steps: Sequence[Step]
    children: Callable[[Settings], Sequence[Child]]
    """The programs, for settings that name all servers; started together, ended by stage."""
    welcome: Callable[[Settings], Sequence[str]]
    """Lines to say when all is ready."""


T = TypeVar("T")


class _StopRequested(Exception):  # noqa: N818 - a wish, not an error
    """Raised where a start notices that it shall stop."""


class Supervisor:
    """One run of ``countersign up``."""

    def __init__(self, settings: Settings, plan: Plan, *, say: Say) -> None:
        self._settings = settings
        self._plan = plan
        self._say = say
        self._children: list[RestartedProcess] = []
        self._wishes = 0
        self._wished_at = float("-inf")
        self._wake = threading.Event()
        self._looked_at = 0.0
        self._restarts: list[float] = []
        self._note = places.state(settings.data) / "processes.json"

    def run(self) -> int:
        """Start, watch, stop; return the exit status.

        Raises:
            EngineError: a part can't be started or does not stay up; all others are stopped by then.
        """
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._wish)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup has it ignored, and means it
            signal.signal(signal.SIGHUP, self._wish)
        lock = self._take_lock()
        try:
            self._end_leftovers()
            ports.check_free(self._settings.bind, self._settings.port)
            for line in self._plan.greeting:
                self._say(line)
            # It inherits the lock, so that the next start waits until it has finished.
            with guarded(self._settings, self._note, self._embedded(), keep=[lock]):
                self._run()
        finally:
            os.close(lock)
        return 0

    def _run(self) -> None:
        try:
            self._start()
            self._watch()
        except _StopRequested:
            pass
        finally:
            self._stop()

    def _wish(self, _number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if now - self._wished_at > SAME_WISH:
            self._wishes += 1
            self._wished_at = now
        self._wake.set()

    def _hurry(self) -> bool:
        return self._wishes > 1

    # --- Before the start ---

    def _take_lock(self) -> int:
        folder = places.make_private(places.state(self._settings.data))
        holder = folder / "up.pid"
        lock = places.take(folder / "up.lock")
        if lock is None:
            _refuse_if_alive(holder, self._settings.data)
            self._say("The previous run was killed; waiting until what it left has ended ...")
            lock = places.take(folder / "up.lock", wait=_PREDECESSOR)
        if lock is None:
            raise EngineError(f"The previous run does not end. Look for its processes: {self._note}")
        processes.write(holder, filter(None, [processes.identify("up", os.getpid())]))
        return lock

    def _end_leftovers(self) -> None:
        ended = processes.end_recorded(self._note)
        if ended:
            self._say(f"Ended what a killed run had left: {', '.join(ended)}")

    def _embedded(self) -> list[str]:
        urls = {"postgres": self._settings.database_url, "redis": self._settings.redis_url}
        return [name for name, url in urls.items() if not url]

    # --- The start ---

    def _start(self) -> None:
        settings = self._settings
        if not settings.database_url:
            url = self._timed("PostgreSQL", lambda: postgres.start(self._settings), lambda _: "ready")
            settings = settings.replace(database_url=url)
        if not settings.redis_url:
            url = self._timed("Redis", lambda: redis.start(self._settings), lambda _: "ready")
            settings = settings.replace(redis_url=url)
        for step in self._plan.steps:
            self._timed(step.name, lambda step=step: step.run(settings), str)  # type: ignore[misc]
        self._start_children(settings)
        for line in self._plan.welcome(settings):
            self._say(line)

    def _timed(self, name: str, action: Callable[[], T], describe: Callable[[T], str]) -> T:
        if self._wishes:
            raise _StopRequested
        begin = time.monotonic()
        result = action()
        self._say(f"  {name:<16} {describe(result)} ({time.monotonic() - begin:.1f} s)")
        return result

    def _start_children(self, settings: Settings) -> None:
        environment = child_environment(settings)
        folder = places.make_private(places.logs(settings.data))
        self._children = [
            RestartedProcess(child, environment=environment, log=folder / f"{child.name}.log", say=self._say)
            for child in self._plan.children(settings)
        ]
        for running in self._children:
            running.start()
        write_note(self._note, self._children)
        self._await_ready()

    def _await_ready(self) -> None:
        begin = time.monotonic()
        waiting = list(self._children)
        while waiting:
            self._look()
            for running in [running for running in waiting if running.is_ready()]:
                waiting.remove(running)
                self._say(f"  {running.child.name:<16} ready ({time.monotonic() - begin:.1f} s)")
            if waiting and time.monotonic() - begin > UNREADY:
                raise waiting[0].trouble(f"is not ready after {UNREADY:.0f} s")

    # --- The watch ---

    def _watch(self) -> None:
        while True:
            self._look()
            if time.monotonic() - self._looked_at > LOOK_AT_SERVERS:
                self._looked_at = time.monotonic()
                self._look_after_servers()

    def _look(self) -> None:
        if self._wake.wait(LOOK):
            raise _StopRequested
        changed = [running.child.name for running in self._children if running.look()]
        if changed:
            write_note(self._note, self._children)

    def _look_after_servers(self) -> None:
        if not self._settings.database_url and not postgres.is_running(self._settings):
            self._start_again("PostgreSQL", lambda: postgres.start(self._settings))
        if not self._settings.redis_url and not redis.is_running(self._settings):
            self._start_again("Redis", lambda: redis.start(self._settings))

    def _start_again(self, name: str, start: Callable[[], str]) -> None:
        now = time.monotonic()
        self._restarts = [*(moment for moment in self._restarts if now - moment < RESTART_WINDOW), now]
        if len(self._restarts) > TOO_MANY:
            raise EngineError(
                f"{name} has ended {TOO_MANY} times within a minute; see {places.logs(self._settings.data)}"
            )
        self._say(f"{name} has ended; starting it again")
        start()

    # --- The end ---

    def _stop(self) -> None:
        if self._children:
            self._say("Stopping ... (Ctrl-C again to hurry)")
        end_in_order(self._children, hurry=self._hurry)
        self._note.unlink(missing_ok=True)
        if not self._settings.redis_url:
            redis.stop(self._settings, hurry=self._hurry())
        if not self._settings.database_url:
            postgres.stop(self._settings, hurry=self._hurry())
        self._say("Stopped.")


def _refuse_if_alive(holder: Path, data: Path) -> None:
    for item in processes.read(holder):
        if item.is_alive():
            raise EngineError(
                f"Countersign is already running on {data} (process {item.pid}). Stop it there with Ctrl-C, "
                "or give this one its own place: make run COUNTERSIGN_DATA=var2 COUNTERSIGN_PORT=8001"
            )
