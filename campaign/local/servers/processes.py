"""Processes that outlive the program that started them: how they are noted, recognised and ended.

A process is recognised by its number and the moment it began, so that another program that was later given the same
number is never touched.
"""

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

_SAME_MOMENT = 2.0
"""Seconds by which the start of one process may seem to differ: the system's clock may have been set meanwhile."""


@dataclass(frozen=True)
class ProcessRecord:
    """A process as it is written down."""

    name: str
    pid: int
    started: float

    def is_alive(self) -> bool:
        """Return whether this very process still runs."""
        try:
            process = psutil.Process(self.pid)
            same: bool = abs(process.create_time() - self.started) < _SAME_MOMENT
            zombie: bool = process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False
        return same and not zombie


def identify(name: str, pid: int) -> ProcessRecord | None:
    """Note a running process; None if it has ended already."""
    try:
        return ProcessRecord(name, pid, psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return None


def write(path: Path, noted: Iterable[ProcessRecord]) -> None:
    """Write processes down, as a whole or not at all."""
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps([asdict(item) for item in noted]))
    draft.replace(path)


def read(path: Path) -> list[ProcessRecord]:
    """Read what :func:`write` wrote; empty if there is nothing, or nothing that can be read."""
    try:
        return [ProcessRecord(**item) for item in json.loads(path.read_text())]
    except (FileNotFoundError, ValueError, TypeError):
        return []


def signal_group(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process and those it started; silent if all are gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def end_recorded(path: Path, *, patience: float = 25.0) -> list[str]:
    """End the processes noted in ``path``, kindly first, and remove the note.

    Each leads a process group of its own, so that what it started ends with it.

    Args:
        path: written by :func:`write`.
        patience: seconds between asking (SIGTERM) and killing (SIGKILL).

    Returns:
        The names of those that still ran.
    """
    alive = [item for item in read(path) if item.is_alive()]
    for item in alive:
        with contextlib.suppress(ProcessLookupError):
            os.kill(item.pid, signal.SIGTERM)
    wait_for(alive, patience=patience)
    for item in alive:
        # The leader may be gone and leave others behind: its number stays taken as long as its group lives.
        signal_group(item.pid, signal.SIGKILL)
    path.unlink(missing_ok=True)
    return [item.name for item in alive]


def wait_for(noted: Sequence[ProcessRecord], *, patience: float) -> None:
    """Wait until all have ended, for at most ``patience`` seconds."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and any(item.is_alive() for item in noted):
        time.sleep(0.05)
