"""Runs pytest and asks what failed once more, alone: ``python -m tests.kit.twice <pytest arguments>``.

Some tests kill and freeze real servers against the clock. A test that fails beside others and passes alone is flaky:
the run may pass then, but each such test is named in the last lines and in ``.pytest_cache/flaky.txt``. A test that
fails twice, and a run that ended in any other way than with failed tests, is a failure.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

CACHE = Path(".pytest_cache")
FAILED = CACHE / "v" / "cache" / "lastfailed"
"""Where pytest keeps the ids of the tests that failed last, and have not passed since."""

FLAKY = CACHE / "flaky.txt"
AGAIN = ("--last-failed", "--last-failed-no-failures=none", "-n", "0")


def run(folder: Path, arguments: list[str]) -> int:
    """Run pytest in a folder, and once more what failed; print and keep the names of flaky tests.

    Returns:
        The exit status: 0 if each test passed at least once.
    """
    (folder / FLAKY).unlink(missing_ok=True)
    status = _pytest(folder, arguments)
    failed = _failed(folder)
    # Only where all tests were run does it tell something that the failed ones pass now. An id without "::" is a
    # file that can't be read: its tests are unknown.
    if status != pytest.ExitCode.TESTS_FAILED or not failed or not all("::" in test for test in failed):
        return status
    print(f"\nOnce more, one at a time: the {len(failed)} that failed.", flush=True)  # noqa: T201
    status = _pytest(folder, [*arguments, *AGAIN])
    flaky = sorted(failed if status == 0 else failed - _failed(folder))
    lines = "".join(f"FLAKY {test} failed once and passed once\n" for test in flaky)
    if flaky:
        (folder / FLAKY).write_text(lines)
    print(lines, end="", flush=True)  # noqa: T201
    return status


def _pytest(folder: Path, arguments: list[str]) -> int:
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=folder, check=False).returncode


def _failed(folder: Path) -> set[str]:
    noted = folder / FAILED
    return set(json.loads(noted.read_text())) if noted.exists() else set()


if __name__ == "__main__":
    sys.exit(run(Path.cwd(), sys.argv[1:]))
