"""Brevo."""

import pytest

from tests.feedback.providers import payloads
from tests.feedback.providers.kit import Door, Request, basic


def brevo(told: object) -> Request:
    return basic("brevo", told)


@pytest.mark.parametrize(
    ("word", "told", "stored"),
    [
        ("request", {}, ("queued", None, None)),
        ("delivered", {}, ("delivered", None, None)),
        ("deferred", {"reason": "451 4.7.1 greylisted"}, ("deferred", "4.7.1", None)),
        ("soft_bounce", {"reason": "mailbox full"}, ("bounced", "4.2.2", "full")),
        ("soft_bounce", {"reason": "452 4.3.1 out of storage"}, ("bounced", "4.3.1", "other")),
        ("hard_bounce", {"reason": "server is down"}, ("bounced", "5.1.1", "gone")),
        ("hard_bounce", {"reason": "554 5.7.1 spam content"}, ("bounced", "5.7.1", "ours")),
        ("invalid_email", {}, ("bounced", "5.1.3", "gone")),
        ("blocked", {"reason": "blocked : due to blacklist user"}, ("rejected", None, "other")),
        ("error", {"reason": "Error connecting to the server"}, ("failed", None, "ours")),
        ("spam", {}, ("complained", None, None)),
        ("unsubscribed", {}, ("unsubscribed", None, None)),
    ],
)
def test_each_event_means_what_the_table_says(door: Door, word: str, told: dict, stored: tuple):
    assert door.told(brevo(payloads.brevo(door.mail(), word, **told))) == 1
    assert door.events() == [stored]


@pytest.mark.parametrize(
    "word", ["opened", "unique_opened", "proxy_open", "unique_proxy_open", "click", "list_addition", "invented"]
)
def test_opens_clicks_and_unknown_events_are_dropped_at_the_door(door: Door, word: str):
    assert door.told(brevo(payloads.brevo(door.mail(), word, link="https://example.org"))) == 0
    assert door.events() == []


def test_an_event_is_known_by_what_it_is_about_for_it_has_no_id(door: Door):
    sent = door.mail()
    first, later = payloads.brevo(sent, "deferred"), payloads.brevo(sent, "deferred", ts_epoch=1795341590123)

    assert [door.told(brevo(told)) for told in (first, first | {"id": 9}, later)] == [1, 0, 1]


def test_the_moment_is_that_in_milliseconds(door: Door):
    door.told(brevo(payloads.brevo(door.mail(), "deferred", ts=1795345180, ts_event=1795345180)))

    assert door.world.sql("select extract(epoch from happened_at)::numeric(13,3)::text from delivery_event") == [
        ("1795341580.123",)
    ]


def test_a_batch_is_taken_event_by_event(door: Door):
    sent = door.mail()
    batch = [payloads.brevo(sent, "delivered"), 5, payloads.brevo(sent, "opened"), payloads.brevo_bounce(sent)]

    assert door.told(brevo(batch)) == 3
    assert door.came_back(sent) == "bounced"
    assert door.problems() == ["unreadable"]


def test_the_message_is_known_by_the_header_of_its_relay(door: Door):
    sent = door.mail()
    told = payloads.brevo(sent, "spam") | {
        "message-id": "<2026.1@smtp-relay.example>",
        "X-Mailin-custom": f"countersign:{sent.name}",
    }

    assert door.told(brevo(told)) == 1
    assert door.suppressions() == ["complaint"]
