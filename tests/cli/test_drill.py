"""`countersign drill`: the verdict in words and as JSON, its status, wrong use, and one small drill for real."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from campaign.cli.drill import Progress, describe
from campaign.cli.main import main
from campaign.local.drill.site import SLOTS
from campaign.local.drill.verdict import PROMISES, judge
from campaign.local.servers import processes
from campaign.variables import ROOT
from tests.kit.drills import good_evidence, with_message, without_taking
from tests.kit.waiting import until

DRILL = (sys.executable, "-m", "campaign.cli", "drill")


def environment(folder):
    """What a person might have set; nothing of it may be used."""
    return os.environ | {
        "TMPDIR": str(folder), "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "REDIS_URL": "redis://127.0.0.1:1/0", "SMTP_URL": "smtp://127.0.0.1:1",
        "COUNTERSIGN_DATA": str(folder / "mine"),
        "COUNTERSIGN_BASE_URL": "https://petitions.example.org", "COUNTERSIGN_KEYS": "",
    }  # fmt: skip


@pytest.fixture
def folder():
    """A short path: those of unix sockets are limited."""
    with tempfile.TemporaryDirectory(prefix="d-") as made:
        yield Path(made)


def left_over(folder):
    """Processes that still know the folder."""
    found = []
    for process in psutil.process_iter():
        # It may end between being listed and being read; psutil lets some FileNotFoundErrors of /proc through.
        with contextlib.suppress(psutil.Error, FileNotFoundError):
            if str(folder) in " ".join(process.cmdline()) or str(folder) in process.environ().get(
                "COUNTERSIGN_DATA", ""
            ):
                found.append(process)
    return found


def programs_of(folder):
    """What the drill has written down of the programs that it started."""
    return [program for note in folder.glob("cs-drill-*/processes.json") for program in processes.read(note)]


def test_a_small_drill_is_clean_and_leaves_nothing(folder):
    done = subprocess.run(
        [*DRILL, "--recipients", "150", "--kills", "3", "--seed", "5", "--json"],
        cwd=ROOT, env=environment(folder), capture_output=True, text=True, check=False, timeout=400,
    )  # fmt: skip

    verdict = json.loads(done.stdout)
    assert verdict["promises"] == dict.fromkeys(PROMISES, True), done.stderr
    assert done.returncode == 0
    assert (verdict["recipients"], verdict["kills"], verdict["lost"], verdict["repeated"]) == (150, 3, 0, 0)
    assert verdict["uncertain"] <= verdict["uncertain_limit"]
    assert verdict["accepted"] > 100
    assert verdict["restarts"] >= 2
    assert list(folder.iterdir()) == []
    assert left_over(folder) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_drill_leaves_nothing(folder, number):
    # So many kills that it can't end by itself before the signal comes.
    process = subprocess.Popen(
        [*DRILL, "--recipients", "150", "--kills", "1000"], cwd=ROOT, env=environment(folder), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        until(lambda: len(programs_of(folder)) == len(SLOTS) + 1, seconds=120)
        process.send_signal(number)
        said, complaint = process.communicate(timeout=120)
    finally:
        process.kill()
        process.wait()

    assert (process.returncode, said) == (130, "")
    assert "Interrupted." in complaint
    assert list(folder.iterdir()) == []
    assert left_over(folder) == []


@pytest.mark.parametrize(
    "words",
    [("--kills", "-1"), ("--kills", "many"), ("--recipients", "0"), ("--seed", "x"), ("--keep",), ("now",)],
)
def test_wrong_use_is_status_2_and_starts_nothing(words, capsys):
    status = main(["drill", *words])

    said = capsys.readouterr()
    assert (status, said.out) == (2, "")
    assert "Usage: countersign drill" in said.err


def test_a_good_verdict_is_told_in_words():
    lines = describe(judge(good_evidence()), seed=3, seconds=61.4)

    assert lines[0] == "Drill with seed 3: 1 kills and 1 restarts in 61 s."
    assert lines[-1] == "Every promise was kept."
    assert all(f"  {name}  kept    {sentence}" in lines for name, sentence in PROMISES.items())
    assert "  message 6 (update): scripted: the server had taken it, then drop instead of an answer" in lines


def test_a_bad_verdict_names_what_broke():
    lines = describe(judge(without_taking(good_evidence(), 1)), seed=3, seconds=61.4)

    assert lines[-1] == "A promise was BROKEN."
    assert any(line.startswith("  P1  BROKEN") for line in lines)
    assert "        message 1 (update): the ledger says accepted, but the server never took it" in lines


def test_many_findings_are_told_by_cause():
    good = good_evidence()
    rows = {
        number: replace(good.messages[1], id=number, signature_id=number, state="planned")
        for number in range(1000, 1050)
    }  # fmt: skip
    evidence = replace(with_message(good, 1, state="accepted"), messages={**good.messages, **rows})

    lines = describe(judge(evidence), seed=3, seconds=61.4)

    assert "        50 times: still planned when the drill ended" in lines


def test_progress_is_a_line_now_and_then_in_a_log_and_one_changing_line_for_a_person(capsys):
    for watched in (False, True):
        progress = Progress(watched=watched)
        progress("first")
        progress("second")
        progress.clear()

    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "first\n\rfirst\rsecond\r"
