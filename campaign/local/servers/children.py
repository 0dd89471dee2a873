"""Child processes: started in groups of their own, watched, started again when they die, ended in order."""

import contextlib
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from campaign.errors import EngineError
from campaign.local.servers import places, processes

QUICK = 10.0
"""Seconds a child must live for its death not to count as one of a row."""

TOO_MANY = 5
"""So many quick deaths in a row: starting again is no use."""

_BACK_OFF = (0.5, 1.0, 2.0, 4.0, 8.0)

Say = Callable[[str], None]
"""Tells a line to the person who looks on."""


@dataclass(frozen=True)
class Child:
    """A program to run: how it is called, and how to see that it is ready."""

    name: str
    arguments: tuple[str, ...]
    is_ready: Callable[[str], bool]
    """Asked with what the child has written so far, a few times a second, until true."""
    stage: int = 0
    """When it ends: those of the lowest stage first, all of a stage at once."""
    patience: float = 30.0
    """Seconds it may take to end when asked; what is on the wire must get its answer (see docs on the worker)."""


class Running:
    """One child over all its lives."""

    def __init__(
        self, child: Child, *, environment: Mapping[str, str], folder: Path, say: Callable[[str], None]
    ) -> None:
        self.child = child
        self.log = folder / f"{child.name}.log"
        self._environment = environment
        self._say = say
        self._process: subprocess.Popen[bytes] | None = None
        self._began = 0.0
        self._log_begin = 0
        self._quick_deaths = 0
        self._start_at: float | None = None

    def start(self) -> None:
        """Start the program; its output goes to its log.

        Raises:
            EngineError: it can't be run at all.
        """
        places.trim(self.log)
        self._log_begin = places.size(self.log)
        try:
            with self.log.open("ab") as log:
                self._process = subprocess.Popen(
                    self.child.arguments,
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # Ctrl-C reaches the supervisor alone, which ends its children in order.
                )
        except OSError as problem:
            raise EngineError(f"{self.child.name} can't be run: {problem}") from problem
        self._began = time.monotonic()
        self._start_at = None

    @property
    def noted(self) -> processes.Noted | None:
        """The process as it is written down, while it runs."""
        if self._process is None or self._process.poll() is not None:
            return None
        return processes.identify(self.child.name, self._process.pid)

    def is_ready(self) -> bool:
        """Return whether it runs and serves."""
        if self._process is None or self._process.poll() is not None:
            return False
        return self.child.is_ready(places.written_since(self.log, self._log_begin))

    def look(self) -> bool:
        """Look after the child: note its death, start it again when it is time.

        Returns:
            Whether its process is another than at the last look.

        Raises:
            EngineError: it died too often in a row; says why, from its log.
        """
        if self._start_at is not None:
            if time.monotonic() < self._start_at:
                return False
            self.start()
            return True
        if self._process is None or self._process.poll() is None:
            return False
        self._bury(self._process)
        return True

    def _bury(self, process: subprocess.Popen[bytes]) -> None:
        processes.signal_group(process.pid, signal.SIGKILL)
        how = describe_end(process.returncode)
        self._quick_deaths = self._quick_deaths + 1 if time.monotonic() - self._began < QUICK else 1
        if self._quick_deaths >= TOO_MANY:
            raise EngineError(
                f"{self.child.name} {how}, for the {TOO_MANY}th time in a row. "
                f"The end of {self.log}:\n{places.tail(self.log)}"
            )
        wait = _BACK_OFF[self._quick_deaths - 1]
        self._start_at = time.monotonic() + wait
        self._say(f"{self.child.name} {how}; starting it again in {wait:g} s (see {self.log})")

    def ask_to_end(self) -> None:
        """Ask the child to end; it may take its time."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def end(self, hurry: Callable[[], bool]) -> None:
        """Wait for the child to end, kill it when its patience is over or ``hurry`` says so, and all it left."""
        if self._process is None:
            return
        deadline = time.monotonic() + self.child.patience
        while self._process.poll() is None and time.monotonic() < deadline and not hurry():
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=0.1)
        processes.signal_group(self._process.pid, signal.SIGKILL)
        self._process.wait()


def describe_end(status: int) -> str:
    """Say how a process ended, e.g. ``ended (status 1)`` or ``was killed (SIGKILL)``."""
    if status < 0:
        return f"was killed ({signal.Signals(-status).name})"
    return f"ended (status {status})"
