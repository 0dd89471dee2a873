"""Make ``.venv`` from a lock file and put this checkout into it; do nothing when that is done already.

``--production`` leaves out the embedded servers and what developers need.

Standard library only: it runs before anything is installed. The checkout is added by a ``.pth`` file and a small
script instead of ``pip install -e``: that would need a build backend, which pip fetches without checking hashes.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = "requirements.lock"
PRODUCTION = "requirements-production.lock"
STAMP = "countersign-stamp"
"""In .venv: a digest of all that the installation depends on; absent while an installation is under way."""

SCRIPT = """#!/bin/sh
'''exec' "{python}" "$0" "$@"
' '''
import sys

from campaign.cli import main

sys.exit(main())
"""
"""Valid for the shell and for Python: a line of ``#!`` allows neither spaces nor long paths."""


class InstallError(Exception):
    """Raised when the installation can't go on; its text says what to do."""


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(root: Path = ROOT, say: Callable[[str], None] = _say, *, lock: str = LOCK) -> int:
    """Install what is missing of a lock file, with progress on standard output; return the exit status."""
    try:
        with _alone(root, say):
            _install(root, say, lock)
    except InstallError as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted. The next start takes it up again.\n")
        return 130
    return 0


@contextmanager
def _alone(root: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Let one installation run at a time. The kernel frees the lock when its holder dies."""
    with (root / LOCK).open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another installation is under way here; waiting for it ...")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _install(root: Path, say: Callable[[str], None], lock: str) -> None:
    venv = root / ".venv"
    digest = _digest(root, lock)
    if _is_complete(venv, digest):
        return
    begin = time.monotonic()
    if not _is_reusable(venv, lock):
        _make_venv(venv, say)
    (venv / STAMP).unlink(missing_ok=True)
    (venv / f"{STAMP}.begun").touch()
    (venv / f"{STAMP}.lock").write_text(lock)
    _install_locked(root / lock, venv, say)
    _add_checkout(root, venv)
    (venv / f"{STAMP}.begun").unlink()
    (venv / STAMP).write_text(digest)
    say(f"Installed in {time.monotonic() - begin:.0f} s.")


def _digest(root: Path, lock: str) -> str:
    parts = [lock.encode(), *((root / name).read_bytes() for name in (lock, "bootstrap/install.py"))]
    parts += [sys.version.encode(), os.path.realpath(sys.executable).encode(), str(root).encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _is_complete(venv: Path, digest: str) -> bool:
    try:
        return (venv / STAMP).read_text() == digest and (venv / "bin" / "python").exists()
    except OSError:
        return False


def _is_reusable(venv: Path, lock: str) -> bool:
    """Whether .venv is whole, of this Python and this lock file, and not left by an interrupted installation."""
    noted = venv / f"{STAMP}.lock"
    if (noted.read_text() if noted.exists() else LOCK) != lock:
        return False
    if (venv / f"{STAMP}.begun").exists() or not (venv / "bin" / "python").exists():
        return False
    probe = "import sys, pip; print(sys.version, sys.prefix, sep='|')"
    found = subprocess.run([venv / "bin" / "python", "-c", probe], check=False, capture_output=True, text=True)
    return found.stdout.strip() == f"{sys.version}|{venv}"


def _make_venv(venv: Path, say: Callable[[str], None]) -> None:
    if venv.is_symlink():
        raise InstallError(f"{venv} is a link. Remove it, so that a folder can be made there.")
    if venv.exists():
        say("The folder .venv is incomplete, of another Python or for another use: making it anew ...")
        shutil.rmtree(venv)
    say(f"Making .venv with Python {'.'.join(map(str, sys.version_info[:3]))} ...")
    made = subprocess.run([sys.executable, "-m", "venv", venv], check=False, capture_output=True, text=True)
    if made.returncode != 0:
        shutil.rmtree(venv, ignore_errors=True)
        raise InstallError(
            f"Python's module venv does not work:\n{(made.stdout + made.stderr).strip()}\n"
            "On Debian and Ubuntu: sudo apt install python3-venv"
        )


def _install_locked(lock: Path, venv: Path, say: Callable[[str], None]) -> None:
    """Install the locked packages; pip refuses every file whose hash is not in the lock.

    Raises:
        InstallError: with pip's last lines.
    """
    total = sum("==" in line for line in lock.read_text().splitlines())
    options = ["--require-hashes", "--no-deps", "--no-input", "--progress-bar", "off", "--disable-pip-version-check"]
    last: deque[str] = deque(maxlen=12)
    say(f"Installing {total} packages from {lock.name} ...")
    with subprocess.Popen(
        [venv / "bin" / "python", "-m", "pip", "install", *options, "-r", lock],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PIP_ROOT_USER_ACTION": "ignore", "PYTHONUNBUFFERED": "1"},
    ) as pip:
        assert pip.stdout is not None  # noqa: S101 - it is a pipe
        for line in _counted(pip.stdout, total, last):
            say(line)
    if pip.returncode != 0:
        raise InstallError(
            "The packages can't be installed. pip said:\n  " + "\n  ".join(last) + "\n"
            "Without a network, or behind a proxy, set what pip needs (HTTPS_PROXY, PIP_INDEX_URL), then try again."
        )


def _counted(lines: Iterator[str], total: int, last: deque[str]) -> Iterator[str]:
    """Turn pip's lines into a line for every tenth of the way, and a word for the silent end."""
    done, shown = 0, 0
    for line in lines:
        last.append(line.rstrip())
        if line.startswith(("Collecting ", "Requirement already satisfied", "Ignoring ")):
            done += 1
            if done * 10 // total > shown:
                shown = done * 10 // total
                yield f"  {min(done, total):3d} of {total}"
        elif line.startswith("Installing collected packages"):
            yield "  unpacking ..."


def _add_checkout(root: Path, venv: Path) -> None:
    """Make ``import campaign`` and the command ``countersign`` work in .venv."""
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(venv), "platbase": str(venv)}))
    (packages / "countersign.pth").write_text(f"{root}\n")
    script = venv / "bin" / "countersign"
    script.write_text(SCRIPT.format(python=venv / "bin" / "python"))
    script.chmod(0o755)


if __name__ == "__main__":
    if sys.argv[1:] not in ([], ["--production"]):
        sys.exit("Usage: install.py [--production]")
    sys.exit(main(lock=PRODUCTION if sys.argv[1:] else LOCK))
