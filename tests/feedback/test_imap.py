"""The return mailbox at a real IMAP server, over TLS."""

import imaplib
import socket
import ssl
import threading
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from campaign.errors import StoreUnavailableError
from campaign.feedback.imap import read_imap
from campaign.feedback.maildir import MailboxError
from campaign.local.mailserver.certificates import Certificate
from campaign.local.servers import postgres
from tests.kit import dovecot
from tests.kit.dovecot import PASSWORD, Dovecot
from tests.kit.returned_mail import report, sample, send, stored, suppressions
from tests.kit.worlds import World, make_world

READ = {"stored": 1}


@pytest.fixture(scope="module")
def server() -> Iterator[Dovecot]:
    """One for all tests; each has a user of its own."""
    with dovecot.running() as made:
        yield made


@pytest.fixture
def user(request) -> str:
    """A mailbox that no other test has."""
    return f"user{abs(hash(request.node.nodeid))}"


def url(server: Dovecot, user: str, *, scheme: str = "imaps", password: str = PASSWORD, folder: str = "INBOX") -> str:
    port = server.imaps if scheme == "imaps" else server.starttls
    return f"{scheme}://{user}:{quote(password, safe='')}@localhost:{port}/{folder}"


def read(world: World, server: Dovecot, mailbox: str, **named) -> dict[str, int]:
    return dict(read_imap(world.runtime, mailbox, ca_file=server.ca_file, **named))


@pytest.mark.parametrize("scheme", ["imaps", "imap+starttls"])
def test_what_is_ours_is_stored_and_removed_and_the_rest_stays_as_seen(world, server, user, scheme):
    sent = send(world)
    server.deliver(user, report(sent.address), "1.report")
    server.deliver(user, b"From: zahra@example.org\nSubject: Hello\n\nHello.\n", "2.private")
    server.deliver(user, sample("arf-unsigned", ""), "3.complaint")

    first = read(world, server, url(server, user, scheme=scheme))
    second = read(world, server, url(server, user, scheme=scheme))

    assert first == {"stored": 1, "foreign": 1, "held": 1}
    assert second == {}
    assert server.flags(user) == ["S", "S"]
    assert [row[:2] for row in stored(world)] == [("bounced", "5.1.1"), ("unknown", None)]


def test_what_its_owner_marked_as_deleted_is_not_removed(world, server, user):
    sent = send(world)
    server.deliver(user, b"Subject: Hello\n\nHello.\n", "1.private")
    context = ssl.create_default_context(cafile=server.ca_file)
    with imaplib.IMAP4_SSL("localhost", server.imaps, ssl_context=context) as client:
        client.authenticate("PLAIN", lambda _: f"\0{user}\0{PASSWORD}".encode())
        client.select()
        client.store("1", "+FLAGS", r"(\Deleted)")
    server.deliver(user, report(sent.address), "2.report")

    assert read(world, server, url(server, user)) == READ

    assert server.flags(user) == ["T"]


def test_at_most_so_many_are_read_at_once_and_the_rest_next_time(world, server, user):
    sent = send(world)
    for number in range(5):
        server.deliver(user, report(sent.address, own_id=f"r{number}"), f"{number}.report")

    counts = [read(world, server, url(server, user), limit=2) for _ in range(4)]

    assert counts == [{"stored": 2}, {"stored": 2}, {"stored": 1}, {}]


def test_a_mail_of_a_megabyte_is_fetched_in_its_beginning_alone(world, server, user):
    sent = send(world)
    server.deliver(user, report(sent.address) + b"x" * 60 * 1000 * 20, "1.report")

    assert read(world, server, url(server, user)) == {"held": 1}
    assert stored(world)[0][4] == "too_large"
    assert server.flags(user) == []


def test_after_a_crash_between_storing_and_removing_it_is_known(world, server, user):
    sent = send(world)
    raw = report(sent.address)
    server.deliver(user, raw, "1.report")
    read(world, server, url(server, user))
    server.deliver(user, raw, "2.report")

    assert read(world, server, url(server, user)) == {"known": 1}
    assert server.flags(user) == []
    assert len(stored(world)) == 1


def test_while_the_database_is_away_nothing_is_lost(own_server, tmp_path, server, user):
    settings, database_url = own_server
    world = make_world(database_url, tmp_path)
    sent = send(world)
    server.deliver(user, report(sent.address), "1.report")
    postgres.stop(settings, hurry=True)

    with pytest.raises(StoreUnavailableError):
        read(world, server, url(server, user))

    postgres.start(settings)
    assert read(world, server, url(server, user)) == READ
    world.runtime.close()


@pytest.mark.parametrize("password", ["wrong", "wröng"])
def test_a_wrong_password_is_said_in_a_sentence_without_it(world, server, user, password):
    with pytest.raises(MailboxError, match=r"return mailbox at localhost can't be read: .*uthentication") as caught:
        read(world, server, url(server, user, password=password))

    assert password not in str(caught.value)


def test_a_folder_that_is_not_there_is_said_in_a_sentence(world, server, user):
    with pytest.raises(MailboxError, match=r"can't be read: .*doesn't exist"):
        read(world, server, url(server, user, folder="Returned"))
    with pytest.raises(MailboxError, match="modified UTF-7"):
        read(world, server, url(server, user, folder=quote("Entwürfe")))


@pytest.mark.parametrize("scheme", ["imaps", "imap+starttls"])
def test_a_certificate_that_nobody_vouches_for_is_refused(world, server, user, scheme):
    with pytest.raises(MailboxError, match="its certificate is refused"):
        read_imap(world.runtime, url(server, user, scheme=scheme))


def test_a_certificate_of_another_host_is_refused(world, user):
    with (
        dovecot.running(Certificate.WRONG_HOST) as server,
        pytest.raises(MailboxError, match="its certificate is refused"),
    ):
        read(world, server, url(server, user))


def test_without_tls_no_other_machine_is_asked(world):
    with pytest.raises(MailboxError, match="read over TLS"):
        read_imap(world.runtime, "imap://zahra:secret@imap.example.org/INBOX")


def test_a_server_that_is_not_there_or_says_nothing_sensible_is_said_in_a_sentence(world):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def hang_up() -> None:
            client, _ = listener.accept()
            client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            client.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(MailboxError, match="can't be read"):
            read_imap(world.runtime, f"imap://zahra:secret@127.0.0.1:{port}/INBOX")
        thread.join()
    with pytest.raises(MailboxError, match="Connection refused"):
        read_imap(world.runtime, f"imap://zahra:secret@127.0.0.1:{port}/INBOX")


def test_a_server_that_offers_no_starttls_gets_no_password(world):
    heard = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def talk() -> None:
            client, _ = listener.accept()
            with client, client.makefile("rwb", buffering=0) as stream:
                stream.write(b"* OK [CAPABILITY IMAP4rev1] ready\r\n")
                while line := stream.readline():
                    heard.append(line)
                    tag = line.split()[0]
                    stream.write(b"* CAPABILITY IMAP4rev1\r\n" + tag + b" OK done\r\n")

        thread = threading.Thread(target=talk)
        thread.start()
        with pytest.raises(MailboxError, match="TLS"):
            read_imap(world.runtime, f"imap+starttls://zahra:secret@127.0.0.1:{port}/INBOX")
        thread.join()

    assert not any(b"secret" in line for line in heard)
    assert suppressions(world) == []
