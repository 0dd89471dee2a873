"""`countersign faults`: a mail server that goes wrong as told, and says at the end what it accepted."""

import json
import signal
import smtplib
import socket
import subprocess
import sys
from contextlib import contextmanager

import pytest

from campaign.variables import ROOT
from tests.kit.commands import Shell

MESSAGE = b"Message-ID: <1@example.org>\r\nSubject: x\r\n\r\nHello\r\n"


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def serving(*arguments):
    """The command in a process of its own; ``said`` is complete afterwards."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "campaign.cli", "faults", "--port", str(port), *arguments], cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    process.port, process.said = port, ""
    assert "Listening" in process.stderr.readline()
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.said, _ = process.communicate(timeout=20)


def send(port, *recipients):
    with smtplib.SMTP("127.0.0.1", port, timeout=5) as client:
        for recipient in recipients:
            try:
                client.sendmail("a@example.org", [recipient], MESSAGE)
            except smtplib.SMTPRecipientsRefused as error:
                yield error.recipients[recipient][0]
            else:
                yield 250


def test_a_mix_greylists_each_recipient_once_and_the_end_says_what_was_accepted():
    with serving("--mix", "greylisting") as server:
        codes = list(send(server.port, "p@one.test", "p@one.test", "q@one.test"))

    assert codes == [450, 250, 450]
    assert server.returncode == 0
    assert server.said.startswith("Accepted 1 mails; 0 were accepted more than once.")
    assert "1  one.test" in server.said
    assert "450 4.2.0 Greylisted" in server.said


def test_a_script_is_followed_and_a_mail_that_is_taken_twice_is_status_1(tmp_path):
    script = tmp_path / "script.json"
    script.write_text('{"faults": [{"phase": "rcpt", "does": "550 5.1.1 Gone", "recipient": "gone@one.test"}]}')
    log = tmp_path / "accepted.log"
    with serving("--script", str(script), "--accepted", str(log), "--json") as server:
        codes = list(send(server.port, "gone@one.test", "p@one.test", "p@one.test"))

    found = json.loads(server.said)
    assert codes == [550, 250, 250]
    assert server.returncode == 1
    assert {name: found[name] for name in ("accepted", "distinct", "repeated", "domains")} == {
        "accepted": 2, "distinct": 1, "repeated": 1, "domains": {"one.test": 2},
    }  # fmt: skip
    assert found["faults"][0]["happened"] == 1
    assert log.read_text() == "<1@example.org> p@one.test\n" * 2


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--script", "missing.json"], 1, "missing.json"),
        (["--mix", "nobody"], 2, "'nobody' is not one of"),
        (["--mix", "gmail", "--script", "x"], 2, "not both"),
    ],
)
def test_what_can_not_be_followed_is_said(world, arguments, status, words):
    ran = Shell(world)("faults", *arguments)

    assert (ran.status, ran.out) == (status, "")
    assert words in ran.err


@pytest.mark.parametrize("text", ["{", "[]", '{"faults": [{"phase": "lunch", "does": "drop"}]}', '{"seeds": 1}'])
def test_a_script_that_makes_no_sense_is_used_wrongly(world, tmp_path, text):
    script = tmp_path / "script.json"
    script.write_text(text)

    ran = Shell(world)("faults", "--script", str(script))

    assert (ran.status, ran.out) == (2, "")


def test_a_script_with_tls_needs_a_place_for_its_certificates(world, tmp_path):
    script = tmp_path / "script.json"
    script.write_text('{"certificate": "good"}')

    ran = Shell(world)("faults", "--script", str(script))

    assert ran.status == 2
    assert "--certificates" in ran.err


def test_a_port_that_is_taken_is_status_1(world):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ran = Shell(world)("faults", "--port", str(taken.getsockname()[1]))

    assert ran.status == 1
    assert "can't listen" in ran.err
