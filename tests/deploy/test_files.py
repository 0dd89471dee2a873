"""What deploy/ holds for installing: units, the example of settings, the command for every shell."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from campaign.cli import env_file
from campaign.settings import VARIABLES
from tests.kit.engines import ROOT
from tests.kit.skipping import skip_loudly

DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").iterdir())


def analyze(*arguments: str | Path) -> str:
    program = shutil.which("systemd-analyze")
    if program is None:
        skip_loudly("the units in deploy/systemd/: it needs the program systemd-analyze")
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


@pytest.fixture
def units(tmp_path) -> Path:
    """The units with a program and a user that this machine has."""
    for unit in UNITS:
        text = unit.read_text().replace("/srv/countersign/.venv/bin/countersign", "/bin/true")
        text = re.sub(r"^(User|Group)=countersign$", r"\1=daemon", text, flags=re.MULTILINE)
        (tmp_path / unit.name).write_text(text)
    return tmp_path


def test_systemd_finds_nothing_to_complain_of_in_the_units(units: Path):
    found = analyze("verify", units / "countersign.target", units / "countersign-web.service",
                    units / "countersign-worker@.service")  # fmt: skip

    assert [line for line in found.splitlines() if "countersign" in line] == []


@pytest.mark.parametrize("name", ["countersign-web.service", "countersign-worker@.service"])
def test_a_unit_may_do_little_of_what_it_need_not(name, units: Path):
    found = analyze("security", "--offline=true", units / name)

    exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", found)
    assert exposure is not None, found
    assert float(exposure[1]) <= 2


def test_the_units_run_commands_that_there_are_and_share_one_file_of_settings():
    texts = {unit.name: unit.read_text() for unit in UNITS}

    assert "countersign web\n" in texts["countersign-web.service"]
    assert "countersign worker --lane %i\n" in texts["countersign-worker@.service"]
    for name in ("countersign-web.service", "countersign-worker@.service"):
        assert "EnvironmentFile=/etc/countersign/countersign.env\n" in texts[name]
        assert "RestartPreventExitStatus=78\n" in texts[name]
    assert "/etc/countersign/countersign.env" in (DEPLOY / "countersign").read_text()


def test_the_example_of_settings_has_known_names_and_valid_values():
    found = env_file.read(DEPLOY / "countersign.env.example")

    known = {variable.name: name for name, variable in VARIABLES.items()}
    assert found.keys() <= known.keys()
    assert [name for name, value in found.items() if "#" in value] == []
    assert [name for name, value in found.items() if not value] == ["COUNTERSIGN_KEYS"]
    assert found["COUNTERSIGN_BIND"].removeprefix("unix:") in (DEPLOY / "nginx" / "countersign.conf").read_text()


def test_the_command_for_every_shell_runs_as_the_user_of_countersign(tmp_path):
    script = tmp_path / "countersign"
    program = tmp_path / "program"
    program.write_text('#!/bin/sh\necho "$(id -un)" "$@"\n')
    program.chmod(0o755)
    tmp_path.chmod(0o755)
    user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    text = (DEPLOY / "countersign").read_text().replace("/srv/countersign/.venv/bin/countersign", str(program))
    script.write_text(text.replace("cd /srv/countersign", "cd /").replace("= countersign ]", f"= {user} ]"))
    script.chmod(0o755)

    ran = subprocess.run([script, "monitor", "--json"], capture_output=True, text=True, check=False, timeout=30)

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == [user, "--env-file", "/etc/countersign/countersign.env", "monitor", "--json"]


def test_whoever_may_not_become_that_user_is_told_what_to_type():
    if os.geteuid() != 0:
        skip_loudly("the command of deploy/countersign as another user: it needs root")
    script = (DEPLOY / "countersign").read_text().replace("cd /srv/countersign", "cd /")

    ran = subprocess.run(
        ["runuser", "-u", "nobody", "--", "sh", "-c", script, "countersign", "monitor"],
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip

    assert ran.returncode == 77
    assert "sudo countersign monitor" in ran.stderr
