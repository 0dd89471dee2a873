"""A file that a test leaves open is that test's error."""

import subprocess
import sys

from tests.kit.engines import ROOT

CONFTEST = "from tests.kit.open_files import open_files\n"
TESTS = """
class Holder:
    def __init__(self, path):
        self.file = open(path)
        self.itself = self

def test_of_a_holder(tmp_path):
    Holder(__file__)

def test_of_nothing():
    pass
"""


def test_a_file_left_open_in_a_cycle_is_an_error_of_the_test_that_opened_it(tmp_path):
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_it.py").write_text(TESTS)

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "-p", "no:valkey"],
        cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip

    assert "ERROR test_it.py::test_of_a_holder" in done.stdout
    assert "2 passed, 1 error" in done.stdout
