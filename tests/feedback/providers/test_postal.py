"""Postal."""

from dataclasses import replace

import pytest

from tests.feedback.providers import payloads
from tests.feedback.providers.kit import SOMEONE, Door, postal

HELD = f"Recipient ({SOMEONE}) is on the suppression list (reason: too many hard fails)"


@pytest.mark.parametrize(
    ("word", "status", "told", "stored"),
    [
        ("MessageSent", "Sent", {"output": "250 2.0.0 OK"}, ("delivered", None, None)),
        ("MessageDelayed", "SoftFail", {"output": "451 4.7.1 greylisted"}, ("deferred", "4.7.1", None)),
        ("MessageDeliveryFailed", "HardFail", {"output": "550 5.1.1 gone"}, ("bounced", "5.1.1", "gone")),
        ("MessageDeliveryFailed", "HardFail", {"output": "550 no"}, ("bounced", None, "unknown")),
        ("MessageDeliveryFailed", "HardFail", {"output": "554 5.7.1 spam"}, ("bounced", "5.7.1", "ours")),
        ("MessageDeliveryFailed", "HardFail", {"details": "no MX"}, ("bounced", None, "unknown")),
        ("MessageHeld", "Held", {"details": "Credential is configured to hold all messages"}, ("queued", None, None)),
        ("MessageHeld", "Held", {"details": HELD}, ("rejected", None, "other")),
    ],
)
def test_each_event_means_what_the_table_says(door: Door, word: str, status: str, told: dict, stored: tuple):
    assert door.told(postal(payloads.postal(door.mail(), word, status, **told))) == 1
    assert door.events() == [stored]
    assert SOMEONE not in door.everything()


def test_a_bounce_names_the_message_that_bounced(door: Door):
    sent = door.mail()
    bounce = payloads.postal_message(sent, **{"from": "", "message_id": "x@mx.example.net", "direction": "incoming"})
    told = payloads.postal(sent, "MessageBounced", "")
    told["payload"] = {"original_message": payloads.postal_message(sent), "bounce": bounce}

    assert door.told(postal(told)) == 1
    assert door.came_back(sent) == "bounced"


@pytest.mark.parametrize(
    "word", ["MessageLinkClicked", "MessageLoaded", "DomainDNSError", "SendLimitExceeded", "Invented"]
)
def test_opens_clicks_and_news_of_the_server_are_dropped_at_the_door(door: Door, word: str):
    assert door.told(postal(payloads.postal(door.mail(), word, ""))) == 0
    assert door.events() == []


def test_mail_that_came_in_is_none_of_ours(door: Door):
    told = payloads.postal(door.mail(), "MessageSent", "Sent")
    told["payload"]["message"]["direction"] = "incoming"

    assert door.told(postal(told)) == 0


@pytest.mark.parametrize("names", [("",), ("-256",), ("", "-256")])
def test_the_signatures_of_older_and_newer_versions_are_taken(door: Door, names: tuple[str, ...]):
    assert door.told(postal(payloads.postal(door.mail(), "MessageSent", "Sent"), names=names)) == 1


def test_where_there_is_a_newer_signature_the_older_one_is_not_asked(door: Door):
    request = postal(payloads.postal(door.mail(), "MessageSent", "Sent"))
    other = replace(
        request, headers=request.headers | {"X-Postal-Signature-256": request.headers["X-Postal-Signature"]}
    )

    assert door.call(other).status_code == 401


def test_another_key_proves_nothing(door: Door):
    request = postal(payloads.postal(door.mail(), "MessageSent", "Sent"), number=2)

    assert door.call(request).status_code == 401
    assert door.events() == []
