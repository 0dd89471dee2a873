"""Files and sockets that a test leaves open are reported as an error of that test, not of a later one."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

OPEN = Path("/dev/fd")


@pytest.fixture(autouse=True)
def open_files() -> Iterator[None]:
    """Collect garbage after a test that leaves more open than it found.

    An open file or socket in a cycle that nothing refers to is found only when garbage is collected, and its
    ResourceWarning then fails the test that happens to run. Collecting after each test would take minutes in all; few
    tests leave anything open. Journals do not count: some hundred tests let their workers die, and a journal is a bare
    number that warns of nothing.
    """
    before = _number()
    yield
    if _number() > before:
        gc.collect()


def _number() -> int:
    return sum(_counts(path) for path in OPEN.iterdir())


def _counts(path: Path) -> bool:
    try:
        return path.readlink().suffix != ".journal"
    except OSError:
        return True  # Not every system tells.
