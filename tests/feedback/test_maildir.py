"""The return mailbox in a Maildir."""

import os
import shutil
from pathlib import Path

import pytest

from campaign.errors import StoreUnavailableError
from campaign.feedback import return_mailbox
from campaign.feedback.maildir import MailboxError, read_maildir
from campaign.feedback.returned import MAX_MAIL
from campaign.local.servers import postgres
from campaign.mail.verp import Names
from tests.kit.racing import at_once
from tests.kit.returned_mail import report, sample, send, stored
from tests.kit.worlds import make_world


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    """An empty one."""
    folder = tmp_path / "returned"
    for name in ("new", "cur", "tmp"):
        (folder / name).mkdir(parents=True)
    return folder


def deliver(maildir: Path, raw: bytes, name: str = "1.M1.host") -> Path:
    """Put a mail into it, as a mail server does."""
    written = maildir / "tmp" / name
    written.write_bytes(raw)
    return written.rename(maildir / "new" / name)


def names(maildir: Path) -> dict[str, list[str]]:
    """What lies in its folders."""
    return {folder: sorted(path.name for path in (maildir / folder).iterdir()) for folder in ("new", "cur")}


def test_what_is_ours_is_deleted_once_it_is_stored_and_the_rest_stays_as_seen(world, maildir):
    sent = send(world)
    deliver(maildir, report(sent.address), "1.M1.host")
    deliver(maildir, sample("reply-of-a-person", sent.address), "2.M2.host")
    deliver(maildir, b"Subject: Hello\n\nHello.\n", "3.M3.host")
    deliver(maildir, sample("arf-unsigned", ""), "4.M4.host:2,")

    receipts = read_maildir(world.runtime, maildir)

    assert receipts == {"stored": 2, "held": 1, "foreign": 1}
    assert names(maildir) == {"new": [], "cur": ["3.M3.host:2,S", "4.M4.host:2,S"]}
    assert len(stored(world)) == 3
    assert read_maildir(world.runtime, maildir) == {}


def test_after_a_crash_between_storing_and_deleting_it_is_known(world, maildir):
    sent = send(world)
    deliver(maildir, report(sent.address))
    read_maildir(world.runtime, maildir)
    deliver(maildir, report(sent.address))

    assert read_maildir(world.runtime, maildir) == {"known": 1}
    assert names(maildir) == {"new": [], "cur": []}
    assert len(stored(world)) == 1


def test_while_the_database_is_away_mail_stays_new_and_is_read_later(own_server, tmp_path, maildir):
    settings, url = own_server
    world = make_world(url, tmp_path)
    sent = send(world)
    deliver(maildir, report(sent.address))
    postgres.stop(settings, hurry=True)

    with pytest.raises(StoreUnavailableError):
        read_maildir(world.runtime, maildir)

    assert names(maildir) == {"new": ["1.M1.host"], "cur": []}
    postgres.start(settings)
    assert read_maildir(world.runtime, maildir) == {"stored": 1}
    assert names(maildir) == {"new": [], "cur": []}
    world.runtime.close()


def test_only_the_beginning_of_a_huge_mail_is_read(world, maildir):
    sent = send(world)
    path = deliver(maildir, report(sent.address))
    with path.open("r+b") as file:
        file.truncate(2**40)

    assert read_maildir(world.runtime, maildir) == {"held": 1}
    assert stored(world)[0][4] == "too_large"
    assert MAX_MAIL < 2**20


def test_what_is_no_file_is_left_alone(world, maildir):
    (maildir / "new" / "folder").mkdir()
    os.mkfifo(maildir / "new" / "pipe")
    (maildir / "new" / "gone").symlink_to("/nowhere/at/all")
    deliver(maildir, b"half written", ".hidden")

    assert read_maildir(world.runtime, maildir) == {}


def test_at_most_so_many_are_read_at_once_the_oldest_first(world, maildir):
    sent = send(world)
    for number in range(5):
        deliver(maildir, report(sent.address, own_id=f"r{number}"), f"{number}.M1.host")

    assert read_maildir(world.runtime, maildir, limit=2) == {"stored": 2}
    assert names(maildir)["new"] == ["2.M1.host", "3.M1.host", "4.M1.host"]


def test_two_that_read_at_the_same_time_store_each_mail_once(world, maildir):
    sent = send(world)
    for number in range(40):
        deliver(maildir, report(sent.address, own_id=f"r{number}"), f"{number:02}.M1.host")
    for number in range(10):
        deliver(maildir, b"Subject: Hello\n\n", f"9{number}.M1.host")

    found = at_once(3, lambda _: read_maildir(world.runtime, maildir))

    assert all(not isinstance(each, Exception) for each in found)
    assert len(stored(world)) == 40
    assert len(names(maildir)["cur"]) == 10
    assert names(maildir)["new"] == []


def test_a_folder_that_is_no_maildir_or_is_not_there_is_said_in_a_sentence(world, tmp_path, maildir):
    with pytest.raises(MailboxError, match="is no Maildir: it has no folders new and cur"):
        read_maildir(world.runtime, tmp_path / "nowhere")
    shutil.rmtree(maildir / "cur")
    with pytest.raises(MailboxError, match="is no Maildir"):
        read_maildir(world.runtime, maildir)


def test_a_folder_that_cannot_be_read_is_said_in_a_sentence(world, maildir):
    shutil.rmtree(maildir / "new")
    (maildir / "new").write_text("a file")

    with pytest.raises(MailboxError, match="can't be read: Not a directory"):
        read_maildir(world.runtime, maildir)


def test_a_file_that_cannot_be_moved_holds_up_none_of_the_others_and_is_said(world, maildir):
    sent = send(world)
    stuck = deliver(maildir, b"Subject: Hello\n\n", "0.M1.host")
    (maildir / "cur" / "0.M1.host:2,S").mkdir()
    for number in range(1, 4):
        deliver(maildir, report(sent.address, own_id=f"r{number}"), f"{number}.M1.host")

    with pytest.raises(MailboxError, match=r"1 of 4 files in the return mailbox .* can't be read or moved"):
        read_maildir(world.runtime, maildir)

    assert len(stored(world)) == 3
    assert names(maildir)["new"] == [stuck.name]


def test_the_same_report_in_two_files_is_one_event_and_both_are_deleted(world, maildir):
    sent = send(world)
    for name in ("1.M1.host", "2.M1.host", "2.M1.host,S=12:2,"):
        deliver(maildir, report(sent.address), name)

    assert read_maildir(world.runtime, maildir) == {"stored": 1, "known": 2}
    assert names(maildir)["new"] == []


def test_subfolders_are_left_to_their_owner(world, maildir):
    sent = send(world)
    for part in ("new", "cur", "tmp"):
        (maildir / ".Archive" / part).mkdir(parents=True)
    deliver(maildir / ".Archive", report(sent.address))

    assert read_maildir(world.runtime, maildir) == {}
    assert stored(world) == []


def test_the_job_says_what_became_of_it_and_fails_in_words(database_url, tmp_path, maildir):
    world = make_world(database_url, tmp_path, return_mailbox_url=f"maildir:{maildir}")
    sent = send(world)
    deliver(maildir, report(sent.address))

    assert return_mailbox.read_configured(world.runtime) == "1 stored"
    assert return_mailbox.read_configured(world.runtime) == "no mail"
    shutil.rmtree(maildir)
    assert return_mailbox.read_configured(world.runtime).startswith("failed: ")
    world.runtime.close()


def test_names_of_return_addresses_survive_servers_that_write_them_in_capitals(world):
    names_ = Names.by(world.runtime)

    assert names_.message_of(names_.of(5)[1].upper()) == 5
