"""``countersign bounces``: mailboxes and pipes."""

import pytest

from tests.feedback.kit import dsn, return_address
from tests.kit import ledgers
from tests.kit.commands import Shell


@pytest.fixture
def shell(world):
    world.clock.now = world.sql("select now()")[0][0]
    return Shell(world)


@pytest.fixture
def maildir(tmp_path):
    for name in ("new", "cur", "tmp"):
        (tmp_path / "Maildir" / name).mkdir(parents=True)
    return tmp_path / "Maildir"


def test_a_maildir_is_read_and_applied(world, shell, maildir):
    [first, second] = ledgers.put(world, 2, state="accepted", settled_at=-60)
    (maildir / "new" / "1").write_bytes(dsn(return_address(world, first)))
    (maildir / "new" / "2").write_bytes(dsn(return_address(world, second), action="delayed", status="4.4.1", number=2))
    (maildir / "new" / "3").write_bytes(b"From: a@example.org\nSubject: hello\n\nNot for you.\n")

    ran = shell("bounces", f"maildir:{maildir}")
    again = shell("bounces", f"maildir:{maildir}")

    assert (ran.status, ran.out.strip()) == (0, "2 stored, 1 foreign")
    assert again.out.strip() == "no mail"
    assert sorted(path.name for path in (maildir / "cur").iterdir()) == ["3:2,S"]
    assert list((maildir / "new").iterdir()) == []
    assert world.sql("select came_back from message order by id") == [("bounced",), ("deferred",)]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ((), 2, "RETURN_MAILBOX_URL"),
        (("maildir:/nowhere/at/all",), 1, "no Maildir"),
        (("ftp://example.org",), 2, "imaps://"),
        (("imap://user:secret@mail.example.org/INBOX",), 2, "TLS"),
        (("imaps://mail.example.org/INBOX",), 2, "password"),
        (("maildir:/x", "--recipient", "a@example.org"), 2, "standard input"),
        (("-", "--watch"), 2, "one email"),
    ],
)
def test_a_mailbox_that_can_not_be_read_is_said_in_a_sentence(world, shell, arguments, status, said):
    ran = shell("bounces", *arguments)

    assert ran.status == status
    assert said in ran.err
    assert "Traceback" not in ran.err
    assert "secret" not in ran.err


def test_a_pipe_takes_one_mail_and_tells_the_mail_server_what_became_of_it(world, shell):
    [message_id] = ledgers.put(world, state="uncertain", settled_at=-60)
    address = return_address(world, message_id)
    forged = address.replace("b-", "b-f", 1)

    stored = shell("bounces", "-", "--recipient", address, stdin=dsn("somebody@example.org"))
    foreign = shell("bounces", "-", "--recipient", forged, stdin=b"Subject: x\n\nhello\n")
    away = shell(
        "bounces", "-", "--recipient", address, stdin=dsn(address), DATABASE_URL="postgresql://127.0.0.1:1/nothing"
    )

    assert (stored.status, foreign.status, away.status) == (0, 67, 75)
    assert world.sql("select state, came_back from message") == [("accepted", "bounced")]
