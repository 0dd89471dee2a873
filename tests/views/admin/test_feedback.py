"""Bounces and replies, as admins see it: events and quarantine."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from campaign.database import jobs as database_jobs
from campaign.delivery.jobs import run_job
from campaign.feedback import applying, events, quarantine
from campaign.feedback.events import Event
from campaign.feedback.mailboxes import Receipt, receive
from campaign.feedback.returned import MAX_MAIL
from campaign.states import EventKind
from tasks.app import schedule
from tests.feedback.kit import bring, dsn, return_address, tell
from tests.kit import ledgers, nights
from tests.kit.nights import Night
from tests.views.conftest import words

night = nights.night


@pytest.fixture
def sent(night: Night) -> list[int]:
    """Accepted messages to three signers."""
    return ledgers.put(night.world, 3, state="accepted", settled_at=-60)


def test_events_are_listed_by_kind_with_the_words_of_the_server_and_without_an_address(night: Night, sent):
    bring(night.world, sent[0])
    applying.apply(night.world.runtime)
    tell(night.world, EventKind.DELIVERED, sent[1:])

    page, bounced = night.get("/admin/feedback"), night.get("/admin/feedback?kind=bounced")

    assert "5.1.1 No such user" in words(bounced)
    assert "No such mailbox" in words(bounced)
    assert f'href="/admin/messages/{sent[0]}"' in page.text
    assert f'href="/admin/messages/{sent[1]}"' not in bounced.text
    assert "canary" not in page.text
    assert "No such mailbox" in words(night.get(f"/admin/messages/{sent[0]}"))


def test_without_any_event_the_page_says_so(night: Night):
    page = words(night.get("/admin/feedback"))

    assert "No reports." in page
    assert "The quarantine is empty" in page
    assert night.get("/admin/feedback?kind=nonsense&before=x").status_code == 200


def unreadable(night: Night, message_id: int, number: int = 1) -> None:
    raw = dsn(return_address(night.world, message_id), action="nonsense", number=number)
    assert receive(night.world.runtime, raw)[0] is Receipt.HELD


def test_what_can_not_be_read_is_looked_at_and_deleted_and_the_log_says_who(night: Night, sent):
    unreadable(night, sent[0])
    listed = night.get("/admin/feedback/quarantine")
    [event_id] = {int(found) for found in re.findall(r"/admin/feedback/quarantine/(\d+)", listed.text)}

    look = night.press(f"/admin/feedback/quarantine/{event_id}", press="look")
    read = night.press(f"/admin/feedback/quarantine/{event_id}", press="read")
    drop = night.press(f"/admin/feedback/quarantine/{event_id}", press="drop")
    gone = night.press(f"/admin/feedback/quarantine/{event_id}", press="look")

    assert "No known format" in words(listed)
    assert "Action: nonsense" in look.text
    assert "It still can’t be read." in words(read)
    assert drop.status_code == 303
    assert gone.status_code == 404
    assert night.world.sql("select action, account_id from audit_entry where action ~ 'feedback' order by id") == [
        ("feedback.look", night.ada.id), ("feedback.look", night.ada.id), ("feedback.drop", night.ada.id),
    ]  # fmt: skip
    assert night.world.sql("select sealed, quarantine_reason, quarantined_at is null from delivery_event") == [
        (None, None, False),
    ]  # fmt: skip


def test_what_another_release_can_read_is_read_again(night: Night, sent):
    unreadable(night, sent[0])
    # As if it had come as a kind of report that this release has learned to read since.
    runtime = night.world.runtime
    raw = dsn(return_address(night.world, sent[0]))
    [(event_id, told)] = night.world.sql("select id, event_id from delivery_event")
    sealed = runtime.secrets.feedback.seal(raw.decode(), place=f"delivery_event.sealed.returned.{told}")
    night.world.sql("update delivery_event set sealed = %(sealed)s", sealed=sealed)

    answer = night.press(f"/admin/feedback/quarantine/{event_id}", press="read")
    applying.apply(runtime)

    assert answer.headers["Location"] == "/admin/feedback/quarantine"
    assert night.world.sql("select kind, quarantine_reason from delivery_event order by id") == [
        ("unknown", None), ("bounced", None),
    ]  # fmt: skip
    assert night.world.sql("select came_back from message where id = %(id)s", id=sent[0]) == [("bounced",)]


def held(night: Night, raw: bytes, message_id: int) -> int:
    """Put something into quarantine as it would have come; its id."""
    now = night.world.clock()
    event = Event("held", EventKind.UNKNOWN, now, message_id, problem="unreadable", raw=raw)
    events.store(night.world.runtime, "returned", [event])
    return night.world.sql("select id from delivery_event")[0][0]


def test_a_report_whose_important_part_comes_late_is_read_again_as_a_whole(night: Night, sent):
    late = b"x" * 998 + b"\r\n"
    raw = dsn(return_address(night.world, sent[0])).replace(b"I'm sorry", late * 200 + b"I'm sorry")
    event_id = held(night, raw, sent[0])

    answer = night.press(f"/admin/feedback/quarantine/{event_id}", press="read")
    applying.apply(night.world.runtime)

    assert answer.headers["Location"] == "/admin/feedback/quarantine"
    assert night.world.sql("select came_back from message where id = %(id)s", id=sent[0]) == [("bounced",)]


def test_of_what_is_too_large_only_the_beginning_is_kept_and_the_page_says_so(night: Night, sent):
    # Its beginning alone would read as a report.
    raw = dsn(return_address(night.world, sent[0])) + b"x" * MAX_MAIL
    event_id = held(night, raw, sent[0])

    looked = words(night.press(f"/admin/feedback/quarantine/{event_id}", press="look"))
    answer = words(night.press(f"/admin/feedback/quarantine/{event_id}", press="read"))

    assert "Only its beginning was kept, because it is so large." in looked
    assert "It can’t be read again: it is so large that only its beginning was kept." in answer
    assert night.world.sql("select kind, quarantine_reason from delivery_event") == [("unknown", "unreadable")]


def test_a_mailbox_that_can_not_be_read_is_said(night: Night):
    runtime = night.world.runtime
    read = replace(runtime, settings=runtime.settings.replace(return_mailbox_url="maildir:/nowhere"))
    jobs = {"feedback.read_mailbox": timedelta(seconds=15)}
    night.world.read(lambda tx: database_jobs.claim_due(tx, jobs, now=night.world.clock()))
    run_job(read, "feedback.read_mailbox", schedule(read.settings)["feedback.read_mailbox"])

    said = quarantine.overview(read).mailbox

    assert said.startswith("failed: /nowhere is no Maildir")
    assert quarantine.overview(runtime).mailbox == ""
