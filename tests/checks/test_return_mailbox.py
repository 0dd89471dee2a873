"""What `countersign doctor` says of the return mailbox, and that looking at it changes nothing there."""

import os
import socket
from contextlib import closing
from urllib.parse import quote

import pytest

from campaign.checks import return_mailbox
from campaign.checks.findings import Level
from campaign.feedback.lmtp import serve_lmtp
from tests.kit import dovecot
from tests.kit.dovecot import PASSWORD
from tests.kit.postfix import free_port
from tests.kit.worlds import settings_for


def told(tmp_path, **settings):
    return return_mailbox.check(settings_for("postgresql://unused/", tmp_path, **settings))


def test_that_nobody_reads_bounces_is_told_unless_a_provider_reports_them_or_nothing_can_come_back(tmp_path):
    without = told(tmp_path)
    by_hook = told(tmp_path, hook_generic_key="k" * 32)
    local = told(tmp_path, local_mailbox="yes")

    assert (without.level, "Bounces are not read" in without.what) == (Level.LOOK, True)
    assert "RETURN_MAILBOX_URL" in without.remedy
    assert (by_hook.level, local.level) == (Level.FINE, Level.FINE)


def test_a_mailbox_at_an_imap_server_is_read_without_a_change(tmp_path):
    with dovecot.running() as server:
        server.deliver("looked", b"From: a@example.org\nSubject: One\n\nx\n", "1.one")
        url = f"imaps://looked:{quote(PASSWORD, safe='')}@localhost:{server.imaps}/INBOX"
        found = told(tmp_path, return_mailbox_url=url, return_mailbox_ca_file=str(server.ca_file))
        wrong = told(
            tmp_path,
            return_mailbox_url=url.replace(quote(PASSWORD, safe=""), "s3cret"),
            return_mailbox_ca_file=str(server.ca_file),
        )
        no_folder = told(
            tmp_path,
            return_mailbox_url=url.replace("INBOX", "Nowhere"),
            return_mailbox_ca_file=str(server.ca_file),
        )
        distrusted = told(tmp_path, return_mailbox_url=url)

        assert server.flags("looked") == ["new"]
    assert (found.level, found.what) == (
        Level.FINE,
        "The return mailbox at localhost can be read; unread emails in it: 1.",
    )
    for one in (wrong, no_folder, distrusted):
        assert (one.level, "RETURN_MAILBOX_URL" in one.remedy) == (Level.STOP, True)
        assert "s3cret" not in one.sentence
    assert "certificate" in distrusted.what


def test_a_maildir_is_fine_if_the_worker_may_change_it(tmp_path):
    folder = tmp_path / "returned"
    missing = told(tmp_path, return_mailbox_url=f"maildir:{folder}")
    for name in ("new", "cur"):
        (folder / name).mkdir(parents=True)
    found = told(tmp_path, return_mailbox_url=f"maildir:{folder}")

    assert (missing.level, "no Maildir" in missing.what) == (Level.STOP, True)
    assert found.level is Level.FINE


@pytest.mark.skipif(os.geteuid() == 0, reason="root may change every folder")
def test_a_maildir_that_may_not_be_changed_is_a_stop(tmp_path):
    folder = tmp_path / "returned"
    for name in ("new", "cur"):
        (folder / name).mkdir(parents=True)
    (folder / "new").chmod(0o500)

    assert told(tmp_path, return_mailbox_url=f"maildir:{folder}").level is Level.STOP


@pytest.mark.parametrize("by", ["port", "socket"])
def test_lmtp_is_fine_while_a_worker_listens(world, tmp_path, by):
    url = f"lmtp://127.0.0.1:{free_port()}" if by == "port" else f"lmtp:///tmp/countersign-{os.getpid()}.sock"

    silent = told(tmp_path, return_mailbox_url=url)
    with serve_lmtp(world.runtime, url):
        found = told(tmp_path, return_mailbox_url=url)

    assert (silent.level, silent.passes) == (Level.LOOK, True)
    assert "bulk lane" in silent.remedy
    assert (found.level, found.what) == (Level.FINE, f"Returned mail is taken at {url}.")


def test_another_program_at_the_place_of_lmtp_is_told(tmp_path):
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        port = other.getsockname()[1]
        # A program that says nothing, and one that is no mail server, are told as well.
        silent = told(tmp_path, return_mailbox_url=f"lmtp://127.0.0.1:{port}")

    assert silent.level is Level.LOOK
