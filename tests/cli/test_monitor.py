import json
import os
import re
import subprocess
import sys

import pytest

from campaign.outbox import relays, workers
from campaign.states import Lane
from tests.kit.commands import Shell
from tests.kit.engines import ROOT
from tests.kit.worlds import KEYS


@pytest.fixture
def shell(world):
    return Shell(world)


def test_the_sentence_comes_first_then_lanes_workers_troubles_and_petitions(world, shell):
    world.petition("save-the-lake")
    for lane in Lane:
        world.read(lambda tx, lane=lane: workers.add(tx, host="mail-1", pid=42, lane=lane))

    ran = shell("monitor")

    lines = ran.out.splitlines()
    assert (ran.status, ran.err) == (0, "")
    assert lines[0] == "Workers are running, but none of them has looked for due work yet."
    assert "PostgreSQL  answers, takes writes" in lines
    assert any(line.startswith("Redis       does not answer (not running)") for line in lines)
    assert "Delivery problems: none" in lines
    [head] = [line for line in lines if line.split() == ["URGENT", "BULK"]]
    [waiting] = [line for line in lines if line.startswith("waiting")]
    assert len(waiting) == len(head)
    assert any(re.match(r"save-the-lake +live +0 +1,000$", line) for line in lines)
    assert sum("mail-1" in line for line in lines) == 2


def test_json_is_the_same_snapshot(world, shell):
    world.signature(world.petition(), confirmed=True)

    ran = shell("monitor", "--json")

    document = json.loads(ran.out)
    assert (ran.status, ran.err) == (0, "")
    assert document["sentence"]["code"] == "no_worker"
    assert document["lanes"][0]["lane"] == "urgent"
    assert document["lanes"][0]["waiting"] == 2
    assert document["broker"] == {
        "ok": False, "depths": {}, "unacknowledged": 0, "problem": "not running", "refuses": False, "cause": None,
    }  # fmt: skip


def test_with_redis_the_depths_are_shown(world, shell, redis_url, redis_prefix):
    ran = shell("monitor", REDIS_URL=redis_url, COUNTERSIGN_REDIS_PREFIX=redis_prefix)

    assert "Redis       answers; wake-ups: urgent 0, bulk 0, upkeep 0, in work 0" in ran.out


def test_check_turns_bad_news_into_an_exit_status(world, shell):
    assert [shell("monitor").status, shell("monitor", "--check").status] == [0, 1]
    assert shell("monitor", "--check", "--json").status == 1


def test_a_database_that_does_not_answer_is_shown_and_fails(world, shell):
    table = shell("monitor", DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing")
    document = shell("monitor", "--json", DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing")

    assert [table.status, document.status] == [1, 1]
    assert table.out.startswith("The database can’t be used. Nothing answers at the host and port of DATABASE_URL.")
    assert json.loads(document.out)["sentence"]["code"] == "no_database"


def test_help_shows_an_example(world, shell):
    ran = shell("monitor", "--help")

    assert "Example: countersign monitor --json" in ran.out
    assert "Exit status" in ran.out


def test_it_says_whether_the_mail_server_takes_addresses_beyond_ascii(world, shell):
    [name] = relays.relay_names(world.runtime.settings.smtp_url)
    before = shell("monitor").out
    world.read(lambda tx: relays.note(tx, {name: False}, now=world.clock.now))

    after = shell("monitor")
    document = json.loads(shell("monitor", "--json").out)

    assert re.search(rf"(?m)^{name} +not known yet +never$", before)
    assert re.search(rf"(?m)^{name} +not taken ", after.out)
    assert [(relay["name"], relay["smtputf8"]) for relay in document["relays"]] == [(name, False)]


@pytest.mark.parametrize(("arguments", "status"), [(["monitor", "--check"], 1), (["monitor"], 0), (["--help"], 0)])
def test_a_reader_that_leaves_early_changes_no_exit_status(world, arguments, status):
    settings = world.runtime.settings
    environ = {
        "PATH": os.environ["PATH"], "DATABASE_URL": settings.database_url, "COUNTERSIGN_DATA": str(settings.data),
        "COUNTERSIGN_KEYS": KEYS, "SMTP_URL": settings.smtp_url, "REDIS_URL": "",
    }  # fmt: skip
    # The reading end is closed before anything is written: each write fails with EPIPE.
    reading, writing = os.pipe()
    os.close(reading)

    ran = subprocess.run(
        [sys.executable, "-m", "campaign.cli", *arguments], env=environ, cwd=ROOT, stdout=writing,
        stderr=subprocess.PIPE, check=False, text=True,
    )  # fmt: skip
    os.close(writing)

    assert (ran.returncode, ran.stderr) == (status, "")
