"""Where the embedded servers keep their files and sockets."""

import fcntl
import hashlib
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from campaign.errors import EngineError

SOCKET_LIMIT = 99
"""Longest path of a unix socket in bytes: sun_path holds 104 on macOS and 108 on Linux, with the final NUL."""

_LONGEST_NAME = ".s.PGSQL.5432"


def make_private(folder: Path) -> Path:
    """Make ``folder`` with mode 0700; its parents, when missing, get the usual mode.

    Raises:
        EngineError: it can't be made, or belongs to another user.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise EngineError(f"{folder} must be a folder of the user who starts Countersign; it is not. Remove it.")
        if stat.S_IMODE(found.st_mode) != 0o700:
            folder.chmod(0o700)
    except OSError as problem:
        raise EngineError(
            f"The folder {folder} can't be made: {problem.strerror}. Set COUNTERSIGN_DATA to a folder you may write to."
        ) from problem
    return folder


def make_data(data: Path) -> None:
    """Make the data folder with mode 0700; leave one that is there as it is, since it may belong to the user.

    Raises:
        EngineError: it can't be made.
    """
    if not data.is_dir():
        make_private(data)


def sockets(data: Path) -> Path:
    """Folder of the unix sockets that belong to the data folder ``data``: the same at every start.

    A deep data folder gets a short one under /tmp, since the paths of sockets are limited (see SOCKET_LIMIT).
    """
    near = data.resolve() / "run"
    if len(os.fsencode(near / _LONGEST_NAME)) <= SOCKET_LIMIT:
        return near
    name = hashlib.sha256(os.fsencode(data.resolve())).hexdigest()[:12]
    return Path(f"/tmp/countersign-{os.geteuid()}") / name  # noqa: S108 - made with mode 0700, owner checked


def make_sockets(data: Path) -> Path:
    """Make the folder of :func:`sockets` with mode 0700, and the one above it when that is ours as well.

    Raises:
        EngineError: as :func:`make_private`.
    """
    folder = sockets(data)
    if folder.parent != data.resolve():
        make_private(folder.parent)
    return make_private(folder)


def state(data: Path) -> Path:
    """Folder of locks and notes that a running instance keeps."""
    return data / "run"


def logs(data: Path) -> Path:
    """Folder of the log files."""
    return data / "log"


def tail(log: Path, *, lines: int = 12) -> str:
    """Return the last ``lines`` lines of a log file, for a message; empty if there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 8192))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])


def size(log: Path) -> int:
    """Return the bytes of a log file; 0 if there is none."""
    return log.stat().st_size if log.exists() else 0


def written_since(log: Path, begin: int) -> str:
    """Return what was written to a log file after its first ``begin`` bytes."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(begin)
        return file.read().decode("utf-8", "replace")


def trim(log: Path, *, limit: int = 10_000_000) -> None:
    """Set a log of more than ``limit`` bytes aside as ``<name>.old``, so that at most two such files exist."""
    if log.is_file() and log.stat().st_size > limit:
        log.replace(log.with_suffix(log.suffix + ".old"))


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
