import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent.parent / "bootstrap" / "install.py"


def make_wheel(folder, name):
    """A package of one module that says its name."""
    path = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{name}.py", f"NAME = {name!r}\n")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def checkout(tmp_path):
    """A checkout whose path has a space, with a lock of one package that lies beside it."""
    root = tmp_path / "my checkout"
    (root / "bootstrap").mkdir(parents=True)
    (root / "campaign" / "cli").mkdir(parents=True)
    (root / "campaign" / "__init__.py").touch()
    (root / "campaign" / "cli" / "__init__.py").write_text(
        "def main():\n    import tiny\n    print('hello', tiny.NAME)\n"
    )
    shutil.copy(SOURCE, root / "bootstrap")
    digest = make_wheel(tmp_path, "tiny")
    (root / "requirements.lock").write_text(f"tiny==1.0 \\\n    --hash=sha256:{digest}\n")
    return root


def install(root, **variables):
    environment = {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": root.parent.as_uri(), **variables}
    return subprocess.Popen(
        [getattr(sys, "_base_executable", sys.executable), str(root / "bootstrap" / "install.py")],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(process):
    said, _ = process.communicate(timeout=120)
    return process.returncode, said


def greeting(root):
    return subprocess.run([root / ".venv" / "bin" / "countersign"], check=False, capture_output=True, text=True).stdout


def test_an_installation_is_made_then_skipped_then_repaired(checkout):
    first = finish(install(checkout))
    second = finish(install(checkout))
    (checkout / ".venv" / "countersign-stamp").rename(checkout / ".venv" / "countersign-stamp.begun")
    third = finish(install(checkout))

    assert first[0] == 0, first
    assert "Installing 1 packages" in first[1]
    assert second == (0, "")
    assert "making it anew" in third[1]
    assert greeting(checkout) == "hello tiny\n"


def test_two_installations_at_once_wait_for_each_other(checkout):
    both = [install(checkout), install(checkout)]

    results = [finish(process) for process in both]

    assert [status for status, _ in results] == [0, 0]
    assert sum("Making .venv" in said for _, said in results) == 1
    assert greeting(checkout) == "hello tiny\n"


def test_an_installation_killed_midway_is_taken_up_again(checkout):
    process = install(checkout)
    while not (checkout / ".venv" / "pyvenv.cfg").exists():
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    finish(process)

    status, said = finish(install(checkout))

    assert status == 0, said
    assert greeting(checkout) == "hello tiny\n"


def test_a_package_whose_hash_is_not_in_the_lock_is_refused(checkout):
    make_wheel(checkout.parent, "tiny")
    (checkout / "requirements.lock").write_text(f"tiny==1.0 \\\n    --hash=sha256:{'0' * 64}\n")

    status, said = finish(install(checkout))

    assert status == 1
    assert "The packages can't be installed. pip said:" in said
    assert "Traceback" not in said
