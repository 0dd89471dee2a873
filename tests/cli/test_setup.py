"""`countersign setup`: from nothing to settings, keys, tables, an admin and DNS records; again without harm."""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from campaign.cli import env_file
from campaign.local.mailserver.faults import FaultServer
from campaign.mail.dkim import load_key
from campaign.settings import VARIABLES, load_settings
from campaign.variables import parse_keys
from tests.kit.databases import own_database
from tests.kit.engines import ROOT
from tests.kit.waiting import until

SITE = "https://petitions.example.org"


@dataclass
class Host:
    """A host on which nothing is set up yet."""

    folder: Path
    answers: dict[str, str]

    @property
    def settings(self) -> Path:
        return self.folder / "etc" / "countersign.env"

    @property
    def file(self) -> dict[str, str]:
        return env_file.read(self.settings)

    @property
    def environment(self) -> dict[str, str]:
        ours = {variable.name for variable in VARIABLES.values()}
        return {name: value for name, value in os.environ.items() if name not in ours} | {"PYTHONPATH": str(ROOT)}

    def setup(self, *words: str, without: tuple[str, ...] = (), **answers: str) -> subprocess.CompletedProcess[str]:
        """Run it without a terminal."""
        given = {name: value for name, value in (self.answers | answers).items() if name not in without}
        options = [text for name, value in given.items() for text in (f"--{name.replace('_', '-')}", value)]
        return self.countersign("setup", "--set", f"COUNTERSIGN_DATA={self.folder}/data", *options, *words)

    def countersign(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "campaign.cli", "--env-file", self.settings, *words],
            cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip


@pytest.fixture
def host(database_url, redis_url, tmp_path) -> Iterator[Host]:
    (tmp_path / "etc").mkdir()
    with own_database(database_url, "setup") as database, FaultServer() as mail:
        answers = {
            "base_url": SITE, "site_name": 'Petitions of "Example" & $friends', "database_url": database,
            "postal_address": "Example e. V., 1 Street #2, 10115 Berlin", "redis_url": redis_url,
            "smtp_url": f"smtp://127.0.0.1:{mail.port}", "mail_from": "petitions@example.org",
            "return_domain": "bounces.example.org", "admin_email": "ada@example.org", "admin_name": "Ada",
        }  # fmt: skip
        yield Host(tmp_path, answers)


def outcomes(ran: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """How each step ended."""
    found = re.findall(r"^(done|there|failed|left) +([A-Za-z ]+): ", ran.stdout, re.MULTILINE)
    return {name: outcome for outcome, name in found}


def test_one_command_sets_up_an_installation_that_can_start(host: Host):
    ran = host.setup()

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert host.file.items() >= {
        "COUNTERSIGN_BASE_URL": SITE, "COUNTERSIGN_SITE_NAME": host.answers["site_name"], "COUNTERSIGN_PROXIES": "1",
        "COUNTERSIGN_POSTAL_ADDRESS": host.answers["postal_address"], "DATABASE_URL": host.answers["database_url"],
        "COUNTERSIGN_BIND": "unix:/run/countersign/web.sock", "COUNTERSIGN_DATA": f"{host.folder}/data",
    }.items()  # fmt: skip
    assert len(parse_keys(host.file["COUNTERSIGN_KEYS"])) == 1
    assert load_settings(host.file).mail_from == "petitions@example.org"
    assert outcomes(ran) == {
        "DKIM key": "done", "settings": "done", "database": "done", "admin": "done", "Redis": "there",
        "mail server": "there",
    }  # fmt: skip
    assert f"{SITE}/sign-in/" in ran.stdout


def test_only_the_owner_may_read_what_was_written(host: Host):
    host.setup("--ed25519")

    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in host.settings.parent.iterdir()}
    assert modes == dict.fromkeys(("countersign.env", "dkim.pem", "dkim-ed25519.pem"), "0o600")
    assert load_pem_private_key((host.settings.parent / "dkim.pem").read_bytes(), None).key_size == 2048


def test_the_dns_records_can_be_pasted_and_belong_to_the_keys(host: Host):
    ran = host.setup("--ed25519", smtp_url="smtp+starttls://u:p@smtp.sendgrid.net:1")

    lines = [line for line in ran.stdout.splitlines() if " IN " in line]
    texts = {
        name.rstrip("."): "".join(re.findall(r'"([^"]*)"', value))
        for name, _, value in (line.partition(" IN TXT ") for line in lines)
        if value
    }
    strings = [one for line in lines for one in re.findall(r'"([^"]*)"', line)]
    rsa = load_key(host.settings.parent / "dkim.pem", domain="example.org", selector="countersign")
    second = load_key(host.settings.parent / "dkim-ed25519.pem", domain="example.org", selector="countersign-ed")
    assert texts == {
        "bounces.example.org": "v=spf1 include:sendgrid.net ~all",
        "countersign._domainkey.example.org": rsa.dns_record(),
        "countersign-ed._domainkey.example.org": second.dns_record(),
        "_dmarc.example.org": "v=DMARC1; p=none",
    }
    assert "bounces.example.org. IN MX 10 petitions.example.org." in lines
    assert max(map(len, strings)) == 255


def test_running_it_again_changes_nothing_and_shows_what_is_there(host: Host):
    host.setup()
    before = {path: (path.read_bytes(), path.stat().st_ino) for path in host.settings.parent.iterdir()}

    again = host.setup(without=("admin_name",))
    bare = host.countersign("setup")

    assert (again.returncode, bare.returncode) == (0, 0), again.stderr + bare.stderr
    assert set(outcomes(again).values()) == set(outcomes(bare).values()) == {"there"}
    assert {path: (path.read_bytes(), path.stat().st_ino) for path in host.settings.parent.iterdir()} == before
    assert "/sign-in/" in again.stdout
    assert "/sign-in/" not in bare.stdout


def test_values_that_are_there_stay_until_told_otherwise_and_comments_stay_always(host: Host):
    host.setup()
    keys = host.file["COUNTERSIGN_KEYS"]
    host.settings.write_text(f"# Ours.\n{host.settings.read_text()}; the end\n")

    kept = host.setup(site_name="Another")
    kept_name = host.file["COUNTERSIGN_SITE_NAME"]
    other_keys = "k9:" + parse_keys(keys)[0].id.ljust(43, "A") + "="
    replaced = host.setup("--overwrite", "--set", f"COUNTERSIGN_KEYS={other_keys}", site_name="Another")

    assert (kept.returncode, replaced.returncode) == (0, 0), kept.stderr + replaced.stderr
    assert kept_name == host.answers["site_name"]
    assert "COUNTERSIGN_SITE_NAME stays as the file has it; --overwrite replaces it." in kept.stderr
    assert host.file["COUNTERSIGN_SITE_NAME"] == "Another"
    assert host.file["COUNTERSIGN_KEYS"] == keys
    text = host.settings.read_text()
    assert text.startswith("# Ours.\n# Written by")
    assert text.endswith("; the end\n")
    assert text.count("COUNTERSIGN_SITE_NAME=") == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_files_get_the_owner_of_their_folder_and_keep_their_own(host: Host):
    os.chown(host.settings.parent, 12345, 12346)
    host.setup()
    made = {path.name: (path.stat().st_uid, path.stat().st_gid) for path in host.settings.parent.iterdir()}
    os.chown(host.settings, 23456, 23457)
    host.setup("--overwrite", site_name="Another")

    assert made == dict.fromkeys(("countersign.env", "dkim.pem"), (12345, 12346))
    assert (host.settings.stat().st_uid, host.settings.stat().st_gid) == (23456, 23457)
    assert host.file["COUNTERSIGN_SITE_NAME"] == "Another"


def test_without_a_terminal_all_that_is_missing_is_named_at_once_and_nothing_is_written(host: Host):
    ran = host.setup(without=("base_url", "smtp_url", "mail_from", "admin_name"))

    assert ran.returncode == 2
    for option in ("--base-url", "--smtp-url", "--admin-name"):
        assert option in ran.stderr
    assert "--mail-from" not in ran.stderr
    assert list(host.settings.parent.iterdir()) == []


def test_what_can_be_derived_need_not_be_given(host: Host):
    ran = host.setup("--yes", without=("mail_from", "return_domain"))

    assert ran.returncode == 0, ran.stderr
    assert host.file["COUNTERSIGN_MAIL_FROM"] == "petitions@petitions.example.org"
    assert host.file["COUNTERSIGN_RETURN_DOMAIN"] == "bounces.petitions.example.org"


WRONG = {
    "base_url": ("http://petitions.example.org", "must be https"),
    "site_name": ("Two\nlines", "must be on one line"),
    "postal_address": ("  ", "can't be empty"),
    "database_url": ("mysql://db/x", "must begin with postgresql://"),
    "redis_url": ("localhost:6379", "must begin with redis://"),
    "smtp_url": ("smtp://u:p@smtp.example.net:25", "SMTP_URL"),
    "mail_from": ("petitions", "must be one plain address"),
    "return_domain": ("a b", "must be a host or domain name"),
    "admin_email": ("ada", "name@example.org"),
    "admin_name": ("<>", "Use letters"),
}


@pytest.mark.parametrize("name", WRONG)
def test_each_answer_is_checked_and_nothing_is_written_while_one_is_wrong(name, host: Host):
    value, sentence = WRONG[name]

    ran = host.setup(**{name: value})

    assert ran.returncode == 2, ran.stdout
    assert sentence in ran.stderr
    assert "Traceback" not in ran.stderr
    assert list(host.settings.parent.iterdir()) == []


def test_a_public_site_is_not_at_localhost_and_a_setting_has_a_known_name(host: Host):
    ran = host.setup("--set", "COUNTERSIGN_COLOUR=red", base_url="http://localhost:8000")

    assert ran.returncode == 2
    assert "COUNTERSIGN_BASE_URL must be the public address" in ran.stderr
    assert "COUNTERSIGN_COLOUR is not a setting" in ran.stderr


def test_a_step_that_fails_is_named_and_a_second_run_takes_it_up(host: Host):
    database = host.answers["database_url"]
    there = database.replace("_setup?", "_setup_not_yet?")
    first = host.setup("--ed25519", database_url=there)
    keys = host.file["COUNTERSIGN_KEYS"], (host.settings.parent / "dkim.pem").read_bytes()

    second = host.setup("--overwrite")

    assert first.returncode == 1
    assert outcomes(first) | {"database": "failed", "admin": "left", "settings": "done"} == outcomes(first)
    assert "DATABASE_URL" in first.stdout
    assert "Not done: database, admin." in first.stderr
    assert second.returncode == 0, second.stdout + second.stderr
    assert outcomes(second) | {"database": "done", "admin": "done", "DKIM key": "there"} == outcomes(second)
    assert (host.file["COUNTERSIGN_KEYS"], (host.settings.parent / "dkim.pem").read_bytes()) == keys


def test_keys_of_another_installation_are_told_in_a_sentence(host: Host):
    host.setup()
    host.settings.write_text(re.sub(r"(?m)^COUNTERSIGN_KEYS=.*\n", "", host.settings.read_text()))

    ran = host.setup()

    assert ran.returncode == 1
    assert outcomes(ran)["database"] == "failed"
    assert "The keys do not open this database" in ran.stdout


def test_a_folder_that_is_missing_is_named(host: Host):
    host.settings.parent.rmdir()

    ran = host.setup()

    assert ran.returncode == 1
    assert str(host.settings.parent) in ran.stdout
    assert "Traceback" not in ran.stderr


def test_a_terminal_is_asked_until_each_answer_can_be_used(host: Host):
    host.answers["smtp_url"] += "?connections=2"
    typed = {
        "Public address": ["petitions.example.org", SITE], "Name of the site": [host.answers["site_name"]],
        "Postal address": [host.answers["postal_address"]], "PostgreSQL": [host.answers["database_url"]],
        "Redis": [host.answers["redis_url"]], "Mail server": [host.answers["smtp_url"]], "Sender address": [""],
        "Domain that bounces": [""], "Address of the first admin": ["nobody", "ada@example.org"],
        "Name of the first admin": ["Ada"],
    }  # fmt: skip
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "campaign.cli", "--env-file", host.settings, "setup"],
        stdin=theirs, stdout=theirs, stderr=theirs, cwd=host.folder, env=host.environment, start_new_session=True,
    ) as process:  # fmt: skip
        os.close(theirs)
        said, at = "", 0

        def comes(words: str) -> bool:
            nonlocal said
            if words not in said[at:]:
                said += os.read(ours, 65536).decode()
            return words in said[at:]

        for question, answers in typed.items():
            for answer in answers:
                until(lambda words=question: comes(words))
                until(lambda: comes(": "))
                at = len(said)
                os.write(ours, f"{answer}\n".encode())
        until(lambda: comes("Next: publish the records"))
        process.wait(60)
    os.close(ours)

    assert process.returncode == 0, said
    assert "must be like https://petitions.example.org" in said
    assert host.file["COUNTERSIGN_MAIL_FROM"] == "petitions@petitions.example.org"
    assert host.file["SMTP_URL"] == host.answers["smtp_url"]
    assert "/sign-in/" in said


def test_passwords_may_come_by_variables_instead_of_options(host: Host):
    named = {"DATABASE_URL": host.answers["database_url"], "SMTP_URL": host.answers["smtp_url"]}
    options = [text for name, value in host.answers.items() if name not in {"database_url", "smtp_url"}
               for text in (f"--{name.replace('_', '-')}", value)]  # fmt: skip
    ran = subprocess.run(
        [sys.executable, "-m", "campaign.cli", "--env-file", host.settings, "setup", *options],
        cwd=host.folder, env=host.environment | named, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert host.file.items() >= named.items()
    assert host.answers["database_url"] not in ran.stdout + ran.stderr


def test_another_key_beside_ours_is_no_matter_but_a_broken_one_is_named(host: Host):
    (host.settings.parent / "dkim.pem").write_text("-----BEGIN NOTHING-----\n")

    ran = host.setup()

    assert ran.returncode == 1
    assert outcomes(ran)["DKIM key"] == "failed"
    assert (host.settings.parent / "dkim.pem").read_text() == "-----BEGIN NOTHING-----\n"
