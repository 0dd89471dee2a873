import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent.parent / "bootstrap" / "find-python.sh"


@pytest.fixture
def find(tmp_path):
    """Run the script on a PATH that holds only the given Pythons, each by what its probe says."""

    def run(pythons, **variables):
        folder = tmp_path / "programs"
        folder.mkdir()
        for name, said in pythons.items():
            (folder / name).write_text(f"#!/bin/sh\necho {said}\n" if said else "#!/bin/sh\nexit 1\n")
            (folder / name).chmod(0o755)
        (folder / "cat").symlink_to("/bin/cat")
        done = subprocess.run(
            ["/bin/sh", str(SCRIPT)],
            check=False,
            capture_output=True,
            text=True,
            env={"PATH": str(folder), **variables},
        )
        return done.returncode, done.stdout.strip().removeprefix(f"{folder}/"), done.stderr

    return run


def test_the_first_good_python_is_taken(find):
    status, found, _ = find({"python3": "old 3.9.2", "python3.12": "good 3.12.4", "python3.11": "good 3.11.2"})

    assert (status, found) == (0, "python3.12")


def test_a_python_without_venv_gives_way_to_one_that_has_it(find):
    status, found, _ = find({"python3": "bare 3.11.2", "python3.13": "good 3.13.1"})

    assert (status, found) == (0, "python3.13")


def test_a_known_python_is_better_than_a_newer_one(find):
    status, found, _ = find({"python3": "newer 3.15.0", "python3.14": "good 3.14.0"})

    assert (status, found) == (0, "python3.14")


def test_a_newer_python_is_better_than_none(find):
    status, found, _ = find({"python3": "newer 3.15.0"})

    assert (status, found) == (0, "python3")


def test_a_broken_python_is_passed_over(find):
    status, found, _ = find({"python3": "", "python3.11": "good 3.11.9"})

    assert (status, found) == (0, "python3.11")


def test_a_python_too_old_is_named_with_what_to_do(find):
    status, found, said = find({"python3": "old 3.9.2"})

    assert (status, found) == (1, "")
    assert "Python 3.11 or newer is needed; found 3.9.2 (" in said
    assert "make run PYTHON=" in said


def test_no_python_at_all_is_said(find):
    status, _, said = find({})

    assert status == 1
    assert "Python 3.11 or newer is needed; found none." in said


def test_a_missing_venv_module_names_the_package(find):
    status, _, said = find({"python3": "bare 3.11.2"})

    assert status == 1
    assert "Python 3.11.2 at " in said
    assert "sudo apt install python3-venv" in said


def test_only_the_named_python_counts(find, tmp_path):
    other = tmp_path / "my python"
    other.write_text("#!/bin/sh\necho good 3.12.0\n")
    other.chmod(0o755)

    status, found, _ = find({"python3": "good 3.13.0"}, PYTHON=str(other))

    assert (status, found) == (0, str(other))


def test_a_wrong_name_is_said(find):
    status, _, said = find({"python3": "good 3.13.0"}, PYTHON="/no/python")

    assert status == 1
    assert "found nothing that runs at PYTHON=/no/python." in said


def test_the_probe_runs_in_this_python(find):
    done = subprocess.run(
        ["/bin/sh", str(SCRIPT)],
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": os.defpath, "PYTHON": getattr(sys, "_base_executable", sys.executable)},
    )

    assert done.returncode == 0, done.stderr
