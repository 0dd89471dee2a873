"""A failed test is asked once more, and a flaky one is named."""

import pytest

from tests.kit import twice

FLAKY = """
from pathlib import Path

def test_passes_the_second_time():
    seen = Path("seen")
    first = not seen.exists()
    seen.touch()
    assert not first

def test_passes():
    pass
"""
BROKEN = "def test_fails():\n    assert 1 == 2\n"
UNREADABLE = "import no_such_module\n"


@pytest.fixture
def run(tmp_path, capfd):
    """Run a file of tests twice over; the exit status and what was said."""

    def run(text):
        (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -p no:valkey\n")
        (tmp_path / "test_them.py").write_text(text)
        status = twice.run(tmp_path, ["-q"])
        return status, capfd.readouterr().out

    return run


def noted(tmp_path):
    file = tmp_path / twice.FLAKY
    return file.read_text() if file.exists() else None


def test_a_test_that_fails_once_and_passes_once_is_named_and_the_run_passes(run, tmp_path):
    status, said = run(FLAKY)

    line = "FLAKY test_them.py::test_passes_the_second_time failed once and passed once"
    assert status == 0
    assert said.splitlines()[-1] == line
    assert "1 failed, 1 passed" in said
    assert noted(tmp_path) == f"{line}\n"


def test_a_test_that_fails_twice_fails_the_run_and_the_flaky_one_beside_it_is_still_named(run, tmp_path):
    status, said = run(FLAKY + BROKEN)

    assert status == pytest.ExitCode.TESTS_FAILED
    assert said.count("FAILED test_them.py::test_fails") == 2
    assert noted(tmp_path) == "FLAKY test_them.py::test_passes_the_second_time failed once and passed once\n"


def test_a_run_without_failures_is_not_repeated(run, tmp_path):
    (tmp_path / twice.CACHE).mkdir()
    (tmp_path / twice.FLAKY).write_text("of an earlier run\n")

    status, said = run("def test_passes():\n    pass\n")

    assert status == 0
    assert "Once more" not in said
    assert noted(tmp_path) is None


@pytest.mark.parametrize("text", [UNREADABLE, "", "import os\ndef test_ends():\n    os._exit(9)\n"])
def test_a_run_that_did_not_reach_its_tests_fails_and_is_not_repeated(run, text):
    status, said = run(text)

    assert status != 0
    assert "Once more" not in said
