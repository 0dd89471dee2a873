"""The local mailbox: what the server stores and the reader shows."""

import json
import signal
import smtplib
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from campaign.errors import EngineError, NotFoundError
from campaign.local.mailserver import mailbox
from campaign.local.mailserver.mailbox import Mailbox, MailboxRules
from campaign.local.mailserver.running import ServerThread
from campaign.variables import ROOT
from tests.kit.waiting import listens, until
from tests.mail import kit


def send(port: int, *, to: list[str], data: bytes) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
        client.sendmail("bounce@example.org", to, data)


def test_a_message_is_kept_as_received_and_listed_newest_first(tmp_path: Path) -> None:
    data = kit.fill(kit.compile_mail("confirmation", "fa"))
    with ServerThread(MailboxRules(tmp_path)) as server:
        send(server.port, to=["first@example.net"], data=b"Subject: one\r\n\r\n.x\r\n")
        send(server.port, to=["second@example.net"], data=data)

    box = Mailbox(tmp_path)
    newest, oldest = box.messages()

    assert (newest.to, newest.kind, newest.mail_from) == ("second@example.net", "confirmation", "bounce@example.org")
    assert newest.from_ == "Petitions for all <petitions@example.org>"
    assert newest.subject == kit.parse(data)["Subject"]
    assert box.raw(newest.id) == data
    assert (oldest.subject, oldest.kind, box.raw(oldest.id)) == ("one", "", b"Subject: one\r\n\r\n.x\r\n")
    assert newest.received_at > oldest.received_at
    assert newest.received_at.tzinfo is not None


def test_each_recipient_gets_a_copy(tmp_path: Path) -> None:
    with ServerThread(MailboxRules(tmp_path)) as server:
        send(server.port, to=["a@example.net", "b@example.net"], data=b"Subject: x\r\n\r\n")

    assert {mail.to for mail in Mailbox(tmp_path).messages()} == {"a@example.net", "b@example.net"}


@pytest.mark.parametrize("mail_id", ["../etc/passwd", "", "x", "0" * 16 + "-" + "0" * 8, "..", "a/b", "\0"])
def test_no_id_leads_out_of_the_folder(tmp_path: Path, mail_id: str) -> None:
    (tmp_path.parent / "secret.eml").write_text("secret")

    with pytest.raises(NotFoundError):
        Mailbox(tmp_path).raw(mail_id)


def test_clearing_removes_everything(tmp_path: Path) -> None:
    with ServerThread(MailboxRules(tmp_path)) as server:
        send(server.port, to=["a@example.net"], data=b"Subject: x\r\n\r\n")
    box = Mailbox(tmp_path)
    box.messages()

    box.clear()

    assert box.messages() == []
    assert list(tmp_path.iterdir()) == []


def test_an_empty_or_missing_folder_is_an_empty_mailbox(tmp_path: Path) -> None:
    assert Mailbox(tmp_path / "nothing").messages() == []


def test_the_oldest_are_removed_when_there_are_too_many(tmp_path: Path) -> None:
    rules = MailboxRules(tmp_path, keep=20)
    transaction = kit.transaction("a@example.net")
    for number in range(mailbox.PRUNE_EVERY):
        rules.message(transaction, b"Subject: %d\r\n\r\n" % number)

    messages = Mailbox(tmp_path).messages()

    assert len(messages) == 20
    assert messages[0].subject == str(mailbox.PRUNE_EVERY - 1)


def test_a_half_written_message_is_not_shown(tmp_path: Path) -> None:
    rules = MailboxRules(tmp_path)
    rules.message(kit.transaction("a@example.net"), b"Subject: x\r\n\r\n")
    (tmp_path / f"{'f' * 16}-{'0' * 8}.eml").write_bytes(b"no json yet")
    (tmp_path / f".{'f' * 16}-{'0' * 8}.json").write_bytes(b"{")

    assert [mail.subject for mail in Mailbox(tmp_path).messages()] == ["x"]


def test_a_subject_that_is_no_valid_encoded_word_does_no_harm(tmp_path: Path) -> None:
    rules = MailboxRules(tmp_path)
    for subject in (b"=?nonsense?q?=FF?=", b"=?utf-8?b?*?=", b"\xff\xfe", b"=?utf-8?q?=FF?="):
        rules.message(kit.transaction("a@example.net"), b"Subject: " + subject + b"\r\n\r\n")

    assert len(Mailbox(tmp_path).messages()) == 4


def test_five_hundred_messages_a_second_are_stored(tmp_path: Path) -> None:
    data = kit.fill(kit.compile_mail("update"))
    with ServerThread(MailboxRules(tmp_path)) as server:
        client = kit.deliveries(server.port)
        client.send(*(kit.envelope(number, data=data) for number in range(1000)))
        client.transport.close()

    assert len(Mailbox(tmp_path).messages()) == 1000


def test_a_reader_beside_the_server_sees_whole_messages_only(tmp_path: Path) -> None:
    box = Mailbox(tmp_path)
    seen: list[int] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            seen.extend(len(box.raw(mail.id)) for mail in box.messages(limit=5))

    reader = threading.Thread(target=read)
    data = kit.fill(kit.compile_mail("update"))
    with ServerThread(MailboxRules(tmp_path)) as server:
        reader.start()
        client = kit.deliveries(server.port)
        client.send(*(kit.envelope(number, data=data) for number in range(300)))
        client.transport.close()
    stop.set()
    reader.join()

    assert set(seen) == {len(data)}


def test_the_process_serves_until_sigterm(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = "import sys; from pathlib import Path; from campaign.local.mailserver.mailbox import serve; "
    program += "serve(Path(sys.argv[1]), host='127.0.0.1', port=int(sys.argv[2]))"
    process = subprocess.Popen([sys.executable, "-c", program, tmp_path, str(port)], cwd=ROOT)
    until(lambda: listens(port))
    send(port, to=["a@example.net"], data=b"Subject: x\r\n\r\n")
    process.send_signal(signal.SIGTERM)

    assert process.wait(timeout=60) == 0
    assert len(Mailbox(tmp_path).messages()) == 1


def test_a_taken_port_is_told_plainly(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(EngineError, match=str(port)):
            mailbox.serve(tmp_path, host="127.0.0.1", port=port)


def test_the_stored_list_entry_is_plain_json(tmp_path: Path) -> None:
    MailboxRules(tmp_path).message(kit.transaction("a@example.net"), b"From: x@y.test\r\nSubject: x\r\n\r\n")

    [file] = tmp_path.glob("*.json")

    assert json.loads(file.read_text())["to"] == "a@example.net"
