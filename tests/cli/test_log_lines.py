"""COUNTERSIGN_LOG_FORMAT=json: every line that web, workers and commands log is one JSON object."""

import http.client
import json
import logging
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest

from campaign import log_lines
from campaign.local.servers import ports
from campaign.settings import Settings, child_environment
from campaign.variables import ROOT
from tests.kit.waiting import until
from tests.kit.worlds import settings_for


@contextmanager
def running(settings: Settings, log: Path, *words: str):
    """A program whose whole output goes to a file; ended by its number."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "campaign.cli", *words],
            cwd=ROOT, env=os.environ | child_environment(settings), stdout=output, stderr=output,
        )  # fmt: skip
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=90)


def ended(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("COUNTERSIGN_")}
    return subprocess.run(
        [sys.executable, "-m", "campaign.cli", *words],
        cwd=ROOT, env=clean | environ, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip


def lines(log: Path) -> list[dict[str, object]]:
    """All lines as objects; one that is none fails the test with its text."""
    found = []
    for line in log.read_text().splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            pytest.fail(f"no JSON: {line}")
    return found


def made(world, redis_url: str, redis_prefix: str, **more: object) -> Settings:
    return world.runtime.settings.replace(
        log_format="json", redis_url=redis_url, redis_prefix=redis_prefix, port=ports.find_free("127.0.0.1"), **more
    )


def check(line: dict[str, object]) -> None:
    assert {"time", "level", "logger", "message", "host", "process"} <= line.keys()
    assert datetime.fromisoformat(str(line["time"])).utcoffset() is not None
    assert line["level"] in {"debug", "info", "warning", "error", "critical"}
    assert isinstance(line["process"], int)


def test_the_web_server_and_its_processes_log_json_from_the_first_line_to_the_last(
    world, redis_url, redis_prefix, tmp_path
):
    settings = made(world, redis_url, redis_prefix)
    log = tmp_path / "web.log"

    with running(settings, log, "web") as process:
        until(lambda: ports.serves_http("127.0.0.1", settings.port, path="/healthz", name="localhost"), seconds=90)
        connection = http.client.HTTPConnection("127.0.0.1", settings.port, timeout=30)
        connection.request("GET", "/", headers={"Host": "localhost"})
        connection.getresponse().read()
        connection.close()

    found = lines(log)
    for line in found:
        check(line)
    assert {"_granian"} <= {str(line["logger"]) for line in found}
    assert process.pid in {line["process"] for line in found}
    assert any("Shutting down" in str(line["message"]) for line in found)


def test_a_worker_logs_json_celery_s_own_lines_too(world, redis_url, redis_prefix, tmp_path):
    settings = made(world, redis_url, redis_prefix)
    log = tmp_path / "worker.log"

    with running(settings, log, "worker", "--lane", "urgent"):
        until(lambda: " ready." in log.read_text(), seconds=90)

    found = lines(log)
    for line in found:
        check(line)
    assert any(str(line["logger"]).startswith("celery") and " ready." in str(line["message"]) for line in found)


def test_a_worker_logs_text_unless_it_is_told_otherwise(world, redis_url, redis_prefix, tmp_path):
    settings = made(world, redis_url, redis_prefix).replace(log_format="text")
    log = tmp_path / "worker.log"

    with running(settings, log, "worker", "--lane", "urgent"):
        until(lambda: " ready." in log.read_text(), seconds=90)

    assert not any(line.startswith("{") for line in log.read_text().splitlines())


@pytest.mark.parametrize("words", [("web",), ("worker", "--lane", "bulk"), ("monitor",)])
def test_what_ends_a_command_is_told_as_json_even_if_a_setting_is_wrong(words):
    done = ended(*words, COUNTERSIGN_LOG_FORMAT="json", COUNTERSIGN_PORT="eighty")

    [line] = [json.loads(one) for one in done.stderr.splitlines()]
    assert (done.returncode, done.stdout) == (78, "")
    check(line)
    assert line["level"] == "error"
    assert "COUNTERSIGN_PORT must be a whole number" in line["message"]


def test_a_wrong_format_is_named(database_url, tmp_path):
    done = ended("monitor", COUNTERSIGN_LOG_FORMAT="xml")

    assert done.returncode == 78
    assert "COUNTERSIGN_LOG_FORMAT must be 'text' or 'json'" in done.stderr


def test_what_a_command_is_asked_for_stays_on_standard_output_as_it_is(tmp_path):
    done = ended("settings", COUNTERSIGN_LOG_FORMAT="json")

    assert done.stdout.startswith("| ")
    assert done.stderr == ""


def record(message: str, *arguments: object, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("campaign.delivery", logging.WARNING, "file.py", 1, message, arguments, None)
    vars(made).update(extra)
    return made


@pytest.mark.parametrize(
    ("message", "arguments", "ids"),
    [
        ("message %d can't be rendered: %s", (7, "KeyError"), {"message_id": 7}),
        ("lane %s waits %.0f s: %s", ("bulk", 5.0, "no"), {"lane": "bulk"}),
        ("recount: petition %d was off by %d", (3, 12), {"petition_id": 3}),
        ("100 %% of blast %d: %s", (4, "x"), {"blast_id": 4}),
        ("a batch of %d requests was refused", (9,), {}),
        ("message %s", ("<zahra@example.org>",), {}),
        ("tick: %s", ("message 7",), {}),
        ("no arguments, message %d", (), {}),
    ],
)
def test_ids_in_a_message_are_fields_of_their_own_and_nothing_else_is(message, arguments, ids):
    assert log_lines.ids_of(record(message, *arguments)) == ids


def test_an_error_is_one_line_with_its_traceback_and_given_fields_never_replace_ours():
    made = record("it\nbroke", blast_id=5, level="mine", payload=object())
    try:
        int("two\nlines")
    except ValueError:
        made.exc_info = sys.exc_info()

    [line] = log_lines.JsonFormatter().format(made).splitlines()

    found = json.loads(line)
    assert (found["message"], found["error"], found["level"], found["blast_id"]) == (
        "it\nbroke", "ValueError", "warning", 5,
    )  # fmt: skip
    assert "Traceback" in found["traceback"]
    assert "payload" not in found


def test_the_setting_reaches_the_processes_of_a_program(database_url, tmp_path):
    settings = settings_for(database_url, tmp_path, log_format="JSON")

    assert child_environment(settings)["COUNTERSIGN_LOG_FORMAT"] == "json"
