"""Waiting for what happens in another process."""

import contextlib
import socket
import time
from collections.abc import Callable, Iterator

import psutil


def until(condition: Callable[[], object], *, seconds: float = 60.0) -> None:
    """Wait until ``condition`` holds; fail if it does not within ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def listens(port: int) -> bool:
    """Whether somebody takes connections on a port of this machine."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=30):
        return True
    return False


@contextlib.contextmanager
def frozen(process: psutil.Process) -> Iterator[None]:
    """A process that stands still for a while."""
    process.suspend()
    try:
        yield
    finally:
        process.resume()
