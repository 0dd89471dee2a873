"""The return mailbox that a mail server delivers to by LMTP, over real sockets."""

import contextlib
import logging
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from campaign.feedback import applying
from campaign.feedback.events import unsealed
from campaign.feedback.lmtp import MAX_SIZE, serve_lmtp
from campaign.feedback.maildir import MailboxError
from campaign.feedback.return_mailbox import LmtpListener
from campaign.feedback.returned import MAX_MAIL
from campaign.local.servers import postgres
from campaign.mail.verp import Names
from tests.kit.postfix import free_port
from tests.kit.returned_mail import CANARY, report, sample, send, stored, suppressions
from tests.kit.waiting import listens, until
from tests.kit.worlds import World, make_world


class Client:
    """Speaks LMTP as a mail server does."""

    def __init__(self, where: int | Path) -> None:
        if isinstance(where, int):
            self.socket = socket.create_connection(("127.0.0.1", where), timeout=20)
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(20)
            self.socket.connect(str(where))
        self.file = self.socket.makefile("rb")
        self.answer()

    def answer(self) -> str:
        """The next reply, without what its further lines say."""
        line = self.file.readline()
        while line[3:4] == b"-":
            line = self.file.readline()
        return line.decode().strip()

    def say(self, line: str) -> str:
        """Send a line; returns the reply."""
        self.socket.sendall(line.encode() + b"\r\n")
        return self.answer()

    def bring(self, raw: bytes, recipient: str, *, sender: str = "") -> str:
        """One mail to one recipient; returns the last reply."""
        for line in ("LHLO mail.example", f"MAIL FROM:<{sender}>", f"RCPT TO:<{recipient}>", "DATA"):
            reply = self.say(line)
            if reply[0] not in "23":
                return reply
        dots = raw.replace(b"\r\n", b"\n").replace(b"\n.", b"\n..").replace(b"\n", b"\r\n")
        self.socket.sendall(dots + b"\r\n.\r\n")
        return self.answer()

    def close(self) -> None:
        """Hang up."""
        self.file.close()
        self.socket.close()


@pytest.fixture
def port(world: World) -> Iterator[int]:
    """The port of a listener."""
    found = free_port()
    with serve_lmtp(world.runtime, f"lmtp://127.0.0.1:{found}"):
        yield found


@pytest.fixture
def client(port: int) -> Iterator[Client]:
    """A mail server that has connected."""
    made = Client(port)
    yield made
    made.close()


def test_a_report_is_stored_before_it_is_answered(sent, client):
    reply = client.bring(report(sent.address), sent.address)

    assert reply == "250 2.0.0 Ok: stored"
    assert [row[:2] for row in stored(sent.world)] == [("bounced", "5.1.1")]
    assert client.bring(report(sent.address), sent.address) == "250 2.0.0 Ok: known"
    applying.apply(sent.world.runtime)
    assert suppressions(sent.world) == ["bounce"]


@pytest.mark.parametrize(
    "recipient",
    ["b-000000000001-00000000000000000000@127.0.0.1", "zahra@127.0.0.1", "abuse@elsewhere.example", "postmaster"],
)
def test_an_address_we_did_not_sign_is_refused(client, recipient):
    assert client.say("LHLO mail.example")[:3] == "250"
    assert client.say("MAIL FROM:<>")[:3] == "250"

    assert client.say(f"RCPT TO:<{recipient}>").startswith("550 5.1.1")


def test_a_second_recipient_is_asked_to_come_in_another_transaction(sent, client):
    client.say("LHLO mail.example")
    client.say("MAIL FROM:<>")
    client.say(f"RCPT TO:<{sent.address}>")

    assert client.say(f"RCPT TO:<{sent.address}>").startswith("452 4.5.3")
    assert client.say("DATA")[:3] == "354"


def test_complaints_come_to_the_address_for_them_and_are_proven_by_what_they_quote(sent, client):
    abuse = f"abuse@{Names.by(sent.world.runtime).return_domain}"

    stored_ = client.bring(sample("arf-yahoo", sent.address), abuse, sender="feedback@arf.mail.yahoo.com")
    nothing = client.bring(sample("arf-not-spam", sent.address), abuse, sender="feedback@arf.mail.yahoo.com")
    private = client.bring(b"Subject: Hello\n\nHello.\n", abuse, sender="zahra@example.org")

    assert (stored_, nothing) == ("250 2.0.0 Ok: stored", "250 2.0.0 Ok: known")
    assert private == "550 5.6.0 This address takes reports only"
    applying.apply(sent.world.runtime)
    assert suppressions(sent.world) == ["complaint"]


def test_the_envelope_tells_a_reply_from_a_bounce(sent, client):
    raw = b"From: x\nSubject: Hello\n\n550 5.1.1 is what I got.\n"

    assert client.bring(raw, sent.address, sender="zahra@example.org") == "250 2.0.0 Ok: stored"
    assert client.bring(raw, sent.address) == "250 2.0.0 Ok: stored"
    assert [row[0] for row in stored(sent.world)] == ["replied", "bounced"]


def test_a_mail_larger_than_is_read_is_held_and_one_beyond_all_measure_is_refused(sent, client):
    endless = client.bring(report(sent.address) + b"x" * 70 * 15 * 300 + b"\n", sent.address)
    lines = (b"x" * 900 + b"\n") * (MAX_MAIL // 900 + 10)
    large = client.bring(report(sent.address) + lines, sent.address)

    assert endless[:3] == "500"
    assert large == "250 2.0.0 Ok: held"
    assert stored(sent.world)[-1][4] == "too_large"
    client.say("RSET")
    assert client.bring((b"x" * 900 + b"\n") * (MAX_SIZE // 900 + 10), sent.address)[:3] == "552"
    assert client.say(f"MAIL FROM:<> SIZE={MAX_SIZE * 2}")[:3] == "552"


@pytest.mark.parametrize("length", [997, 998, 999, 5_000, 60_000])
def test_a_line_of_any_usual_length_is_taken(sent, client, length):
    raw = b"From: x\nSubject: Hello\n\n" + b"x" * length + b"\nSTOP\n"

    assert client.bring(raw, sent.address, sender="zahra@example.org") == "250 2.0.0 Ok: stored"


def test_many_recipients_are_taken_one_after_the_other(sent, client):
    client.say("LHLO mail.example")
    client.socket.sendall(
        b"MAIL FROM:<>\r\n"
        + b"".join(b"RCPT TO:<%s>\r\n" % address for address in [b"x@example.org", sent.address.encode()] * 100)
        + b"DATA\r\n"
    )
    answers = [client.answer()[:3] for _ in range(202)]
    client.socket.sendall(report(sent.address).replace(b"\n", b"\r\n") + b".\r\n")

    assert answers == ["250", "550", "250", *["452"] * 198, "354"]
    assert client.answer() == "250 2.0.0 Ok: stored"
    assert len(stored(sent.world)) == 1


def test_eight_bit_octets_that_are_no_text_are_kept_as_they_came(sent, client):
    raw = report(sent.address, action="odd") + bytes(set(range(256)) - set(b"\r\n."))

    assert client.bring(raw, sent.address) == "250 2.0.0 Ok: held"
    [(event_id, sealed)] = sent.world.sql("select event_id, sealed from delivery_event")
    assert bytes(range(128, 256)) in unsealed(sent.world.runtime, "returned", event_id, bytes(sealed))


@pytest.mark.parametrize("line", ["", "EHLO x", "HELO x", "NONSENSE", "RCPT TO:<a@b>", "DATA", "x" * 5000, "\0\0", "é"])
def test_what_is_no_command_of_the_moment_is_refused_and_the_session_goes_on(sent, client, line):
    assert client.say(line)[:1] == "5"
    assert client.bring(report(sent.address), sent.address) == "250 2.0.0 Ok: stored"


def test_commands_in_one_packet_are_answered_in_their_order(sent, client):
    client.say("LHLO mail.example")
    group = f"MAIL FROM:<>\r\nRCPT TO:<{sent.address}>\r\nDATA\r\n"
    client.socket.sendall(group.encode())
    assert [client.answer()[:3] for _ in range(3)] == ["250", "250", "354"]

    client.socket.sendall(report(sent.address).replace(b"\n", b"\r\n") + b".\r\n" + b"NOOP\r\nQUIT\r\n")

    assert [client.answer()[:3] for _ in range(3)] == ["250", "250", "221"]


def test_a_report_in_unicode_is_taken(sent, client):
    raw = sample("eai-global-report", sent.address)
    for line in ("LHLO mail.example", "MAIL FROM:<> BODY=8BITMIME SMTPUTF8", f"RCPT TO:<{sent.address}>", "DATA"):
        assert client.say(line)[0] in "23"
    client.socket.sendall(raw.replace(b"\n", b"\r\n") + b"\r\n.\r\n")

    assert client.answer() == "250 2.0.0 Ok: stored"


def test_a_mail_cut_off_before_its_end_is_not_stored(sent, client, port):
    for line in ("LHLO mail.example", "MAIL FROM:<>", f"RCPT TO:<{sent.address}>", "DATA"):
        client.say(line)
    client.socket.sendall(report(sent.address))
    client.close()

    again = Client(port)
    assert again.bring(report(sent.address, own_id="r2"), sent.address)[:3] == "250"
    again.close()
    assert len(stored(sent.world)) == 1


def test_connections_that_say_nothing_hold_nobody_up(sent, port):
    silent = [Client(port) for _ in range(50)]
    begun = time.monotonic()
    client = Client(port)

    assert client.bring(report(sent.address), sent.address)[:3] == "250"

    assert time.monotonic() - begun < 20
    for each in (*silent, client):
        each.close()


def test_while_the_database_is_away_the_mail_server_is_asked_to_try_again(own_server, tmp_path):
    settings, url = own_server
    world = make_world(url, tmp_path)
    sent = send(world)
    port = free_port()
    with serve_lmtp(world.runtime, f"lmtp://127.0.0.1:{port}"):
        postgres.stop(settings, hurry=True)
        client = Client(port)
        away = client.bring(report(sent.address), sent.address)
        postgres.start(settings)
        back = client.bring(report(sent.address), sent.address)
        client.close()

    assert away.startswith("451 4.3.0")
    assert back == "250 2.0.0 Ok: stored"
    world.runtime.close()


def test_neither_senders_nor_recipients_are_logged(sent, client, caplog):
    caplog.set_level(logging.DEBUG)
    logging.getLogger("mail.log").debug("what aiosmtpd logs of %s", CANARY)

    client.bring(sample("reply-of-a-person", sent.address), sent.address, sender=CANARY)
    client.bring(sample("reply-of-a-person", sent.address), CANARY, sender=CANARY)

    assert CANARY not in caplog.text


def test_a_socket_in_the_file_system_is_for_one_process_and_is_gone_afterwards(world, tmp_path):
    path = tmp_path / "lmtp.sock"
    sent = send(world)
    with serve_lmtp(world.runtime, f"lmtp://{path}"):
        with pytest.raises(MailboxError, match="another process does"), serve_lmtp(world.runtime, f"lmtp://{path}"):
            pass
        client = Client(path)
        assert client.bring(report(sent.address), sent.address) == "250 2.0.0 Ok: stored"
        client.close()
        assert path.stat().st_mode & 0o777 == 0o666

    assert not path.exists()


def test_a_socket_that_a_killed_process_left_is_taken_over(world, tmp_path):
    path = tmp_path / "lmtp.sock"
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as left:
        left.bind(str(path))

    with serve_lmtp(world.runtime, f"lmtp://{path}"):
        Client(path).close()


@pytest.mark.parametrize("url", ["lmtp:///nowhere/at/all/lmtp.sock", "lmtp://192.0.2.1:2424"])
def test_where_it_cannot_listen_is_said_in_a_sentence(world, url):
    with pytest.raises(MailboxError, match="LMTP"), serve_lmtp(world.runtime, url):
        pass


def test_a_port_that_is_taken_is_said_in_a_sentence_and_leaves_nothing_open(world, port):
    with pytest.raises(MailboxError, match="in use"), serve_lmtp(world.runtime, f"lmtp://127.0.0.1:{port}"):
        pass


def test_of_two_workers_one_listens_and_stops_when_it_is_told(world):
    port = free_port()
    listeners = [LmtpListener(world.runtime, f"lmtp://127.0.0.1:{port}") for _ in range(2)]
    for listener in listeners:
        listener.start()
    until(lambda: listens(port))

    for listener in listeners:
        listener.stop()

    assert not listens(port)
