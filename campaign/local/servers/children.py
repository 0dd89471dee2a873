"""Child processes: started in groups of their own, watched, started again when they die, ended in order."""

import contextlib
import math
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from campaign.errors import EngineError
from campaign.local.servers import places, processes

QUICK = 10.0
"""Seconds a child must live for its end not to count as one of a row."""

TOO_MANY = 5
"""Give up after this many quick exits in a row."""

_BACK_OFF = (0.5, 1.0, 2.0, 4.0, 8.0)

Say = Callable[[str], None]
"""Prints a line for the user."""


@dataclass(frozen=True)
class Child:
    """A program to run: how it is called, and how to see that it is ready."""

    name: str
    arguments: tuple[str, ...]
    is_ready: Callable[[str], bool] = lambda _: True
    """Called with what the child has written so far, a few times a second, until true."""
    stage: int = 0
    """When it ends: those of the lowest stage first, all of a stage at once."""
    patience: float = 30.0
    """Seconds between the request to end and SIGKILL; mail that is on the wire must get its answer."""


class ChildProcess:
    """A program that this process runs, in a session of its own: Ctrl-C reaches this process only.

    It may be started again after its end.
    """

    def __init__(
        self,
        child: Child,
        *,
        environment: Mapping[str, str],
        log: Path | None = None,
        cwd: Path | None = None,
        lifeline: bool = False,
        keep: Sequence[int] = (),
    ) -> None:
        """Prepare to run ``child``.

        Args:
            child: the program.
            environment: all its variables.
            log: takes its output; without it, the output goes where that of this process goes.
            cwd: its working directory; by default that of this process.
            lifeline: it reads a pipe as its standard input and is to end when that ends. The kernel closes the pipe
                if this process dies.
            keep: file descriptors that it inherits.
        """
        self.child = child
        self.log = log
        self._environment = environment
        self._cwd = cwd
        self._lifeline = lifeline
        self._keep = tuple(keep)
        self._process: subprocess.Popen[bytes] | None = None
        self._log_begin = 0

    def start(self) -> int:
        """Start the program; return its process id.

        Raises:
            EngineError: it can't be run at all.
        """
        with contextlib.ExitStack() as stack:
            output = None
            if self.log is not None:
                places.trim(self.log)
                self._log_begin = places.size(self.log)
                output = stack.enter_context(self.log.open("ab"))
            try:
                self._process = subprocess.Popen(
                    self.child.arguments,
                    cwd=self._cwd,
                    env=self._environment,
                    stdin=subprocess.PIPE if self._lifeline else subprocess.DEVNULL,
                    stdout=output,
                    stderr=None if output is None else subprocess.STDOUT,
                    pass_fds=self._keep,
                    start_new_session=True,
                )
            except OSError as problem:
                raise EngineError(f"{self.child.name} can't be run: {problem}") from problem
        return self._process.pid

    @property
    def pid(self) -> int | None:
        """The process id, while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def status(self) -> int | None:
        """The exit status of the last run, negative for a signal; None while it runs, or if it never did."""
        return None if self._process is None else self._process.poll()

    @property
    def noted(self) -> processes.ProcessRecord | None:
        """The process as it is written down, while it runs."""
        return None if self.pid is None else processes.identify(self.child.name, self.pid)

    def workers(self) -> list[psutil.Process]:
        """The processes that it started for its work; empty if it does not run."""
        with contextlib.suppress(psutil.NoSuchProcess):
            if self.pid is not None:
                return [process for process in psutil.Process(self.pid).children() if _works(process)]
        return []

    def is_ready(self) -> bool:
        """Return whether it runs and serves."""
        return self.pid is not None and self.child.is_ready(self._written())

    def await_ready(self, *, seconds: float) -> None:
        """Wait until it is ready.

        Raises:
            EngineError: it ended, or it is not ready in time; with the end of its log.
        """
        deadline = time.monotonic() + seconds
        while not self.is_ready():
            if self.pid is None or time.monotonic() > deadline:
                raise self.trouble("does not begin")
            time.sleep(0.1)

    def trouble(self, what: str) -> EngineError:
        """An error that says what is wrong, with the end of the log."""
        if self.log is None:
            return EngineError(f"{self.child.name} {what}.")
        return EngineError(f"{self.child.name} {what}. The end of {self.log}:\n{places.tail(self.log)}")

    def ask_to_end(self) -> None:
        """Ask it to end, by SIGTERM or the end of its input; it may take its time."""
        if self._process is None:
            return
        if self._process.stdin is not None:
            self._process.stdin.close()
        elif self._process.poll() is None:
            self._process.terminate()

    def end(self, *, until: float = math.inf, hurry: Callable[[], bool] = lambda: False) -> None:
        """Wait for its end, then kill it if it still runs, and all that it left.

        Args:
            until: kill it at this moment of the monotonic clock.
            hurry: kill it as soon as this returns true.
        """
        if self._process is None:
            return
        while self._process.poll() is None and time.monotonic() < until and not hurry():
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=0.1)
        self.kill()

    def kill(self) -> None:
        """Kill it and all that it left, and reap it."""
        if self._process is None:
            return
        processes.signal_group(self._process.pid, signal.SIGKILL)
        self.reap()
        if self._process.stdin is not None:
            self._process.stdin.close()

    def reap(self) -> None:
        """Wait for a process that was killed, so that no zombie is left."""
        if self._process is not None:
            self._process.wait()

    def _written(self) -> str:
        return "" if self.log is None else places.written_since(self.log, self._log_begin)


class RestartedProcess(ChildProcess):
    """A child that is started again when it ends, after a wait that grows."""

    def __init__(self, child: Child, *, environment: Mapping[str, str], log: Path, say: Say) -> None:
        super().__init__(child, environment=environment, log=log)
        self._say = say
        self._began = 0.0
        self._quick_ends = 0
        self._start_at: float | None = None

    def start(self) -> int:
        """See :meth:`ChildProcess.start`."""
        self._began = time.monotonic()
        self._start_at = None
        return super().start()

    def look(self) -> bool:
        """Note the end of the child; start it again when it is time.

        Returns:
            Whether its process is another than at the last look.

        Raises:
            EngineError: it ended too often in a row; says why, from its log.
        """
        if self._start_at is not None:
            if time.monotonic() < self._start_at:
                return False
            self.start()
            return True
        if self.status is None:
            return False
        self._plan_restart(describe_end(self.status))
        return True

    def _plan_restart(self, how: str) -> None:
        self.kill()
        self._quick_ends = self._quick_ends + 1 if time.monotonic() - self._began < QUICK else 1
        if self._quick_ends >= TOO_MANY:
            raise self.trouble(f"{how}, for the {TOO_MANY}th time in a row")
        wait = _BACK_OFF[self._quick_ends - 1]
        self._start_at = time.monotonic() + wait
        self._say(f"{self.child.name} {how}; starting it again in {wait:g} s (see {self.log})")


def end_in_order(children: Iterable[ChildProcess], *, hurry: Callable[[], bool] = lambda: False) -> None:
    """End children by stage, all of a stage at once: each is asked, then killed when its patience is over.

    Args:
        children: those that run, and others.
        hurry: as soon as this returns true, whatever still runs is killed.
    """
    by_stage: dict[int, list[ChildProcess]] = {}
    for child in children:
        by_stage.setdefault(child.child.stage, []).append(child)
    for _, together in sorted(by_stage.items()):
        for child in together:
            child.ask_to_end()
        begin = time.monotonic()
        for child in together:
            child.end(until=begin + child.child.patience, hurry=hurry)


def write_note(path: Path, children: Iterable[ChildProcess]) -> None:
    """Write down the children that run, so that they can be ended even after this process was killed."""
    processes.write(path, filter(None, [child.noted for child in children]))


def describe_end(status: int) -> str:
    """Say how a process ended, e.g. ``ended (status 1)`` or ``was killed (SIGKILL)``."""
    if status < 0:
        return f"was killed ({signal.Signals(-status).name})"
    return f"ended (status {status})"


def _works(process: psutil.Process) -> bool:
    # The resource tracker of multiprocessing does no work of the program.
    try:
        return "resource_tracker" not in " ".join(process.cmdline())
    except psutil.Error:
        return False
