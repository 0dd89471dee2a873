import subprocess
import sys
from pathlib import Path

import click
import pytest

from campaign.cli.main import countersign, main
from campaign.cli.serve import worker_arguments, worker_environment
from campaign.security import keys
from campaign.settings import load_settings
from campaign.variables import format_keys, parse_keys

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Run `countersign …` in an environment of its own, on a data folder of its own."""

    def run(*words, **variables):
        for name in ("DATABASE_URL", "REDIS_URL", "SMTP_URL"):
            monkeypatch.delenv(name, raising=False)
        for name, value in ({"COUNTERSIGN_DATA": str(tmp_path / "data")} | variables).items():
            monkeypatch.setenv(name, value)
        capsys.readouterr()
        status = main(list(words))
        return status, *capsys.readouterr()

    return run


def all_commands(group, path=()):
    for name, found in group.commands.items():
        if isinstance(found, click.Group):
            yield from all_commands(found, (*path, name))
        else:
            yield pytest.param((*path, name), id=" ".join((*path, name)))


@pytest.mark.parametrize("words", list(all_commands(countersign)))
def test_every_command_has_help_with_an_example(words, capsys):
    status = main([*words, "--help"])

    said = capsys.readouterr().out
    assert status == 0
    assert said.startswith(f"Usage: countersign {' '.join(words)}")
    assert "Example: " in said


def all_groups(group, path=()):
    yield path
    for name, found in group.commands.items():
        if isinstance(found, click.Group):
            yield from all_groups(found, (*path, name))


@pytest.mark.parametrize("words", list(all_groups(countersign)), ids=" ".join)
def test_a_list_of_commands_cuts_no_sentence(words, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")

    main([*words, "--help"])

    commands = capsys.readouterr().out.partition("\nCommands:\n")[2].partition("\n\n")[0].splitlines()
    assert commands
    assert [line for line in commands if line.endswith("...")] == []
    assert [line for line in commands if len(line.split(maxsplit=1)[1]) > 45] == []


def test_wrong_use_is_status_2_on_standard_error(capsys):
    status = main(["worker", "--lane", "slow"])

    said = capsys.readouterr()
    assert (status, said.out) == (2, "")
    assert "'slow' is not one of 'bulk', 'urgent'" in said.err


def test_no_command_shows_the_commands(capsys):
    status = main([])

    said = capsys.readouterr()
    assert status == 2
    assert "keys" in said.out + said.err


def test_a_failure_is_status_1_with_a_sentence_on_standard_error(command):
    status, out, err = command("db", "upgrade")

    assert (status, out) == (1, "")
    assert "PostgreSQL is not running for" in err
    assert "make run" in err
    assert "Traceback" not in err


def test_every_wrong_setting_is_named_at_once(command):
    status, _, err = command("keys", "rotate", COUNTERSIGN_PORT="many", COUNTERSIGN_BIND="here")

    assert status == 78
    assert "COUNTERSIGN_PORT must be a whole number" in err
    assert "COUNTERSIGN_BIND must be an IP address" in err


def test_the_module_runs_as_a_program():
    done = subprocess.run(
        [sys.executable, "-m", "campaign.cli", "keys", "generate"],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("COUNTERSIGN_KEYS=")


def test_a_generated_key_is_a_line_for_the_environment(command):
    status, out, _ = command("keys", "generate")

    assert status == 0
    name, _, value = out.strip().partition("=")
    assert name == "COUNTERSIGN_KEYS"
    assert len(parse_keys(value)) == 1


def test_rotating_keys_of_the_environment_prints_them_newest_first(command):
    old = format_keys([keys.new_key()])

    status, out, err = command("keys", "rotate", COUNTERSIGN_KEYS=old)

    assert status == 0
    assert out.startswith("COUNTERSIGN_KEYS=k")
    assert out.strip().endswith(f",{old}")
    assert "restart web and workers" in err


def test_rotating_keys_of_the_folder_writes_them(command, tmp_path):
    settings = keys.ensure_local_keys(load_settings({"COUNTERSIGN_DATA": str(tmp_path / "data")}))

    status, out, _ = command("keys", "rotate")

    rotated = keys.read_local_keys(load_settings({"COUNTERSIGN_DATA": str(tmp_path / "data")})).keys
    assert status == 0
    assert rotated[1:] == settings.keys
    assert f"begins with the new key {rotated[0].id}" in out


def test_the_migrations_lead_to_the_schema(command):
    status, out, err = command("db", "check")

    assert status == 0, err
    assert out == "The migrations lead to the schema in the code.\n"


def test_an_upgrade_of_a_present_database_changes_nothing(command, database_url):
    status, out, err = command("db", "upgrade", DATABASE_URL=database_url)

    assert status == 0, err
    assert out.startswith("The database is at ")


@pytest.mark.parametrize(("lane", "queues", "processes"), [("urgent", "urgent", "3"), ("bulk", "upkeep,bulk", "5")])
def test_a_worker_listens_to_the_queues_of_its_lane(lane, queues, processes):
    settings = load_settings({"COUNTERSIGN_URGENT_PROCESSES": "3", "COUNTERSIGN_BULK_PROCESSES": "5"})

    arguments = worker_arguments(settings, lane)

    assert arguments[arguments.index("--queues") + 1] == queues
    assert arguments[arguments.index("--concurrency") + 1] == processes


def test_no_secret_is_on_the_command_line_of_a_worker():
    secret = format_keys([keys.new_key()])
    settings = load_settings({"COUNTERSIGN_KEYS": secret, "DATABASE_URL": "postgresql://user:hidden@db/name"})

    arguments = " ".join(worker_arguments(settings, "bulk"))

    assert "hidden" not in arguments
    assert secret not in arguments
    assert worker_environment(settings, "bulk")["COUNTERSIGN_KEYS"] == secret
