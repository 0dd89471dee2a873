"""File locks: the kernel lets go of them when their holder dies, so a stale lock can't exist."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from campaign.errors import EngineError

_POLL = 0.05  # seconds between two tries


def take(path: Path, *, wait: float = 0.0) -> int | None:
    """Lock ``path`` for this process (and those that inherit the descriptor).

    Args:
        path: the lock file; made when missing and never removed, since removing it would let two in.
        wait: seconds to keep trying.

    Returns:
        The open descriptor, which holds the lock until it is closed; None if another process has it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                os.close(descriptor)
                return None
            time.sleep(_POLL)
        else:
            return descriptor


@contextmanager
def held(path: Path, *, wait: float = 60.0) -> Iterator[None]:
    """Hold the lock ``path`` inside the block.

    Raises:
        EngineError: another process holds it for longer than ``wait`` seconds.
    """
    descriptor = take(path, wait=wait)
    if descriptor is None:
        raise EngineError(f"Another process has held {path} for {wait:.0f} seconds. End it, then try again.")
    try:
        yield
    finally:
        os.close(descriptor)
