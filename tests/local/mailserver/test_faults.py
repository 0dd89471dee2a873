"""The fault server and the sink, spoken to by smtplib and as processes."""

import signal
import smtplib
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from campaign.errors import SettingsError
from campaign.local.mailserver.certificates import Certificate
from campaign.local.mailserver.faults import FaultServer
from campaign.local.mailserver.provider_profiles import MIXES, realistic, script_of
from campaign.local.mailserver.script import Fault, Script
from campaign.variables import ROOT
from tests.kit.waiting import listens, until
from tests.mail import kit

MESSAGE = b"Message-ID: <1@example.org>\r\nSubject: x\r\n\r\nHello\r\n"


def smtp(port: int) -> smtplib.SMTP:
    return smtplib.SMTP("127.0.0.1", port, timeout=30)


def test_another_client_is_served_too() -> None:
    with FaultServer() as server, smtp(server.port) as client:
        client.sendmail("a@example.org", ["b@example.net"], MESSAGE)

        assert server.rules.received == [("a@example.org", "b@example.net", MESSAGE)]
        assert server.rules.accepted == {("<1@example.org>", "b@example.net"): 1}


def test_starttls_and_auth_work_with_another_client(tmp_path: Path) -> None:
    script = Script(certificate=Certificate.GOOD, credentials=("ada", "secret"))
    with FaultServer(script, folder=tmp_path) as server, smtp(server.port) as client:
        client.starttls(context=kit.trusting(tmp_path / "ca.pem"))
        client.login("ada", "secret")
        client.sendmail("a@example.org", ["b@example.net"], MESSAGE)

        assert len(server.rules.received) == 1


def test_faults_are_limited_by_recipient_domain_times_and_after() -> None:
    faults = (
        Fault("rcpt", "550 5.1.1 Gone", recipient="gone@example.net"),
        Fault("rcpt", "450 4.2.0 Later", domain="slow.test", times=1),
        Fault("dot", "451 4.3.0 Later", after=1, times=1),
    )
    with FaultServer(Script(faults=faults)) as server, smtp(server.port) as client:
        codes = []
        for to in ("gone@example.net", "a@slow.test", "a@slow.test", "b@example.net", "c@example.net"):
            try:
                client.sendmail("a@example.org", [to], MESSAGE)
                codes.append(250)
            except smtplib.SMTPRecipientsRefused as error:
                codes.append(error.recipients[to][0])
            except smtplib.SMTPDataError as error:
                codes.append(error.smtp_code)

    assert codes == [550, 450, 250, 451, 250]


def codes_of(client: smtplib.SMTP, *recipients: str) -> list[int]:
    codes = []
    for recipient in recipients:
        client.ehlo_or_helo_if_needed()
        client.mail("a@example.org")
        codes.append(client.rcpt(recipient)[0])
        client.rset()
    return codes


def test_a_fault_can_meet_each_recipient_once() -> None:
    with FaultServer(Script(faults=(Fault("rcpt", "450 4.2.0 Later", each=1),))) as server, smtp(server.port) as client:
        codes = codes_of(client, "a@one.test", "b@one.test", "a@one.test", "b@one.test")

    assert codes == [450, 450, 250, 250]


def test_a_fault_can_begin_above_a_rate_of_one_domain() -> None:
    fault = Fault("rcpt", "450 4.7.28 Slow down", above=5)
    with FaultServer(Script(faults=(fault,))) as server, smtp(server.port) as client:
        codes = codes_of(client, *["a@one.test"] * 7, "a@other.test")
        time.sleep(1.05)
        later = codes_of(client, "a@one.test")
        happened = server.rules.happened()

    assert codes == [250] * 5 + [450] * 2 + [250]
    assert later == [250]
    assert happened == [(fault, 2)]


@pytest.mark.parametrize("name", MIXES)
def test_every_mix_is_a_script_and_those_with_a_domain_are_in_the_realistic_one(name: str) -> None:
    mix = MIXES[name]

    assert script_of(name, seed=1).faults == mix.faults
    assert mix.faults
    domains = {fault.domain for fault in realistic(seed=1).faults}
    assert mix.domain is None or mix.domain in domains
    assert None not in domains


def test_a_late_answer_comes_after_its_time_and_what_was_pipelined_waits_for_it() -> None:
    with FaultServer(Script(faults=(Fault("accepted", "slow 0.3 250 2.0.0 Ok: at last"),))) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as client:
            answers = client.makefile("rb")
            client.sendall(b"EHLO x\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n")
            while not answers.readline().startswith(b"354"):
                pass
            begun = time.monotonic()
            client.sendall(MESSAGE + b".\r\nNOOP\r\n")
            said = [answers.readline() for _ in range(2)]

        assert time.monotonic() - begun >= 0.3
        assert said == [b"250 2.0.0 Ok: at last\r\n", b"250 2.0.0 Ok\r\n"]


def test_the_same_seed_gives_the_same_faults() -> None:
    def run(seed: int) -> list[int]:
        codes = []
        script = Script(faults=(Fault("mail", "451 4.3.0 x", odds=0.5),), seed=seed)
        with FaultServer(script) as server, smtp(server.port) as client:
            client.ehlo()
            for _ in range(30):
                codes.append(client.mail("a@example.org")[0])
                client.rset()
        return codes

    assert run(1) == run(1)
    assert run(1) != run(2)
    assert {250, 451} == set(run(1))


def test_what_is_accepted_twice_is_told() -> None:
    with FaultServer() as server, smtp(server.port) as client:
        for _ in range(2):
            client.sendmail("a@example.org", ["b@example.net"], MESSAGE)

        assert server.rules.repeated() == {("<1@example.org>", "b@example.net"): 2}


def test_a_bare_line_feed_does_not_end_the_data() -> None:
    with FaultServer() as server, socket.create_connection(("127.0.0.1", server.port), timeout=30) as wire:
        wire.sendall(
            b"EHLO x\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<b@x.test>\r\nDATA\r\n"
            b"one\n.\nMAIL FROM:<evil@x.test>\r\nRCPT TO:<evil@x.test>\r\nDATA\r\ntwo\r\n.\r\nQUIT\r\n"
        )
        while wire.recv(4096):
            pass

        assert [to for _, to, _ in server.rules.received] == ["b@x.test"]


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "3",
        '{"faults": [{"phase": "lunch", "does": "drop"}]}',
        '{"faults": [{"phase": "rcpt", "does": "explode"}]}',
        '{"nonsense": 1}',
        "{",
    ],
)
def test_a_script_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(SettingsError):
        Script.from_json(text)


def test_the_process_logs_each_message_before_it_answers(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script = tmp_path / "script.json"
    script.write_text('{"faults": [{"phase": "accepted", "does": "drop", "times": 1}], "seed": 3}')
    log = tmp_path / "accepted.log"
    command = [sys.executable, "-m", "campaign.local.mailserver.faults", script, "--port", str(port), "--accepted", log]
    process = subprocess.Popen(command, cwd=ROOT)
    until(lambda: listens(port))

    with pytest.raises(smtplib.SMTPServerDisconnected), smtp(port) as client:
        client.sendmail("a@example.org", ["b@example.net"], MESSAGE)
    process.kill()
    process.wait()

    assert log.read_text() == "<1@example.org> b@example.net\n"


def test_the_sink_takes_everything_and_counts(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "campaign.local.mailserver.sink"], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None
    port = int(process.stdout.readline())
    ours = kit.deliveries(port)
    ours.send(*map(kit.envelope, range(200)))
    ours.transport.close()
    with smtp(port) as client:
        client.sendmail("a@example.org", ["b@example.net"], MESSAGE)
    process.send_signal(signal.SIGTERM)

    assert {outcome.code for outcome in ours.outcomes} == {250}
    assert int(process.stdout.read()) == 201
    process.stdout.close()
    assert process.wait(timeout=60) == 0
