"""Costly installations are started once per run, not once per process."""

import subprocess
import sys

import pytest

from tests.kit import sharing
from tests.kit.engines import ROOT


@pytest.mark.parametrize(
    ("test", "scope"),
    [
        ("tests/journeys/test_abuse.py::test_a[x@y]", "tests/journeys/"),
        ("tests/journeys/test_updates.py::test_b", "tests/journeys/"),
        ("tests/views/test_web.py::test_c[a]", "tests/views/test_web.py::test_c[a]"),
    ],
)
def test_a_folder_that_shares_something_is_handed_out_as_a_whole(test: str, scope: str) -> None:
    assert sharing.scope_of(test) == scope


def test_pytest_hands_such_a_folder_to_one_process(tmp_path) -> None:
    folder = tmp_path / "tests" / "journeys"
    folder.mkdir(parents=True)
    note = "with open('told', 'a') as file: file.write(f'{os.getpid()}\\n')"
    for name in ("one", "two"):
        (folder / f"test_{name}.py").write_text(
            "import os, pytest\n@pytest.mark.parametrize('n', range(5))\n"
            f"def test_{name}(n):\n    {note}\n"
        )  # fmt: skip
    (tmp_path / "conftest.py").write_text(
        "from tests.kit.sharing import make_scheduler\n"
        "def pytest_xdist_make_scheduler(config, log): return make_scheduler(config, log)\n"
    )
    arguments = f"-m pytest -p no:valkey -c /dev/null --rootdir {tmp_path} -n 2 {folder}".split()

    subprocess.run([sys.executable, *arguments], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, check=True)

    assert len((tmp_path / "told").read_text().split()) == 10
    assert len(set((tmp_path / "told").read_text().split())) == 1


def test_no_test_relies_on_a_mark_that_groups_nothing() -> None:
    mark = "mark.xdist_" + "group"

    assert [str(path) for path in (ROOT / "tests").rglob("*.py") if mark in path.read_text()] == []
