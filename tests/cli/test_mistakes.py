"""Whatever an admin gets wrong in the settings, each command says so in a sentence, without a traceback (C4)."""

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from campaign.cli.main import countersign, main
from tests.kit.faulty_postgres import FaultyPostgres
from tests.kit.worlds import KEYS

SECRET = "s3cret"

SERVERS = {"up", "web", "worker", "mailserver", "faults", "drill"}
"""Commands that run until they are ended; tests/cli/test_starting.py has web and worker."""

PEM = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"


def leaves(command: click.Command, *names: str) -> Iterator[tuple[list[str], click.Command]]:
    """All commands below a group, with the words that call them."""
    if not isinstance(command, click.Group):
        yield list(names), command
        return
    for name, below in command.commands.items():
        if name not in SERVERS:
            yield from leaves(below, *names, name)


def value_of(parameter: click.Parameter) -> str:
    """Something that the command takes for what it must be given."""
    kind = parameter.type
    if isinstance(kind, click.Choice):
        return str(kind.choices[0])
    return "1" if isinstance(kind, (click.types.IntParamType, click.IntRange)) else "a@example.org"


def lines() -> list[list[str]]:
    """Each command with what it must be given, and nothing more."""
    found = []
    for words, command in leaves(countersign):
        for parameter in command.params:
            if parameter.required:
                name = [parameter.opts[0]] if isinstance(parameter, click.Option) else []
                words += [*name, value_of(parameter)]
        found.append(words)
    return found


def run_all(**environ: str) -> dict[str, tuple[int, str]]:
    """Run every command with these settings: exit status and words by command. An exception is the test's end."""
    told = {}
    known = {"DATABASE_URL": f"postgresql://guest:{SECRET}@127.0.0.1:1/x", "REDIS_URL": "redis://127.0.0.1:1/0"}
    for words in lines():
        with CliRunner().isolation(input=b"", env=known | {"COUNTERSIGN_KEYS": KEYS} | environ) as (out, err, _):
            status = main(words)
            told[" ".join(words)] = status, (out.getvalue() + err.getvalue()).decode()
    assert {status for status, _ in told.values()} <= {0, 1, 2, 78}
    assert SECRET not in "".join(said for _, said in told.values())
    return told


def test_the_commands_of_this_test_are_most_of_all():
    called = {" ".join(words[:2]) for words in lines()}

    assert {"account list", "db upgrade", "keys status", "messages list", "petition list"} <= called


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (f"postgresql://guest:{SECRET}@127.0.0.1:1/x", "Nothing answers at the host and port of DATABASE_URL"),
        (f"postgresql://guest:{SECRET}@host.invalid/x", "host in DATABASE_URL"),
        (f"postgresql://guest:{SECRET}@127.0.0.1:99999/x", "DATABASE_URL has no usable host and port"),
        (f"postgresql://guest:{SECRET}@[::1/x", "DATABASE_URL"),
        (f"postgresql://guest:{SECRET}/word@127.0.0.1/x", "DATABASE_URL"),
        (f"postgresql://guest:{SECRET}@127.0.0.1:1/x?misspelt=1", "DATABASE_URL can't be read"),
        (f"mysql://guest:{SECRET}@127.0.0.1/x", "DATABASE_URL must begin with postgresql://"),
    ],
)
def test_a_database_url_that_leads_nowhere(tmp_path, url, words):
    told = run_all(DATABASE_URL=url, COUNTERSIGN_DATA=str(tmp_path))

    for command in ("account list", "db upgrade", "keys status", "messages list", "petition list"):
        assert words in told[command][1]


def test_a_server_that_refuses_our_log_in_or_lacks_our_database(own_server, tmp_path):
    faulty = FaultyPostgres(*own_server)
    for url, words in {
        faulty.url_of(password=SECRET): "refuses the user name or the password in DATABASE_URL",
        faulty.url_of(database="absent"): "no database of the name in DATABASE_URL",
        faulty.url_of(user="unknown"): "does not let the user of DATABASE_URL log in",
        faulty.url_of(): "The user of DATABASE_URL may not do what Countersign needs",
    }.items():
        told = run_all(DATABASE_URL=url, COUNTERSIGN_DATA=str(tmp_path))
        assert (told["account list"][0], words in told["account list"][1]) == (78, True), told["account list"]


def test_files_and_folders_that_can_not_be_used(tmp_path):
    (tmp_path / "file").write_text("garbage")
    (tmp_path / "pem").write_text(PEM)
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "instance").write_text("garbage")
    mistakes = {
        "COUNTERSIGN_DATA": str(tmp_path / "file" / "data"),
        "COUNTERSIGN_RETENTION_KEYS": str(tmp_path),
        "COUNTERSIGN_DKIM_KEY_FILE": str(tmp_path / "file"),
        "COUNTERSIGN_CA_FILE": str(tmp_path / "absent"),
        "COUNTERSIGN_KEYS": "garbage",
        "SMTP_URL": f"smtp://ada:{SECRET}@relay.example.org",
        "REDIS_URL": f"redis://:{SECRET}@127.0.0.1:none/0",
        "RETURN_MAILBOX_URL": f"imaps://ada:{SECRET}@host.invalid/INBOX",
    }
    for variable, value in mistakes.items():
        run_all(**{"COUNTERSIGN_DATA": str(tmp_path / "data"), variable: value})
    told = run_all(COUNTERSIGN_DATA=str(tmp_path), COUNTERSIGN_KEYS="")
    assert (told["keys status"][0], "instance key" in told["keys status"][1]) == (78, True)
