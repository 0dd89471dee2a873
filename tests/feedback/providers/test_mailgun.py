"""Mailgun."""

import json

import pytest

from campaign.feedback.providers.certificates import HookAwayError
from campaign.feedback.providers.tokens import Tokens
from tests.feedback.providers import kit, payloads
from tests.feedback.providers.kit import Door, mailgun
from tests.kit.worlds import settings_for


@pytest.mark.parametrize(
    ("word", "told", "stored"),
    [
        ("accepted", {}, ("queued", None, None)),
        ("delivered", {}, ("delivered", None, None)),
        ("complained", {}, ("complained", None, None)),
        ("unsubscribed", {}, ("unsubscribed", None, None)),
        (
            "rejected",
            {"reject": {"reason": "Sandbox subdomains are for test purposes only."}},
            ("failed", None, "ours"),
        ),
        (
            "failed",
            {"severity": "temporary", "delivery-status": {"code": 452, "enhanced-code": "4.2.2"}},
            ("deferred", "4.2.2", None),
        ),
        (
            "failed",
            {"severity": "permanent", "delivery-status": {"code": 552, "message": "5.2.2 over quota"}},
            ("bounced", "5.2.2", "full"),
        ),
        (
            "failed",
            {"severity": "permanent", "delivery-status": {"code": 550, "message": "no"}},
            ("bounced", None, "unknown"),
        ),
        (
            "failed",
            {"severity": "permanent", "reason": "suppress-bounce", "delivery-status": {"code": 605}},
            ("rejected", None, "other"),
        ),
        ("failed", {"severity": "permanent", "reason": "suppress-complaint"}, ("rejected", None, "other")),
        ("failed", {"severity": "permanent", "reason": "espblock"}, ("bounced", "5.7.1", "ours")),
        (
            "failed",
            {"severity": "permanent", "reason": "old", "delivery-status": {"code": 602}},
            ("bounced", "4.4.7", "full"),
        ),
    ],
)
def test_each_event_means_what_the_table_says(door: Door, word: str, told: dict, stored: tuple):
    assert door.told(mailgun(payloads.mailgun(door.mail(), word, **told))) == 1
    assert door.events() == [stored]


@pytest.mark.parametrize("word", ["opened", "clicked", "stored", "list_uploaded"])
def test_opens_clicks_and_unknown_events_are_dropped_at_the_door(door: Door, word: str):
    assert door.told(mailgun(payloads.mailgun(door.mail(), word))) == 0
    assert door.events() == []


def test_an_event_told_again_with_a_new_token_is_known(door: Door):
    told = payloads.mailgun_bounce(door.mail())

    assert [door.told(mailgun(told)) for _ in range(2)] == [1, 0]


def test_the_message_is_known_by_the_variable_of_its_relay(door: Door):
    sent = door.mail()
    told = payloads.mailgun(sent, "delivered") | {"message": {}, "user-variables": {"countersign": sent.name}}

    assert door.told(mailgun(told)) == 1


def test_a_token_that_was_seen_is_worth_nothing_before_another_body(door: Door):
    first, second = door.mail(), door.mail("roya@example.net")
    request = mailgun(payloads.mailgun(first, "delivered"))
    forged = json.loads(request.body)
    forged["event-data"] = payloads.mailgun(second, "complained", number=2)

    assert door.told(request) == 1
    assert door.call(kit.Request(request.path, json.dumps(forged).encode())).status_code == 401
    assert door.told(request) == 0
    assert door.came_back(second) is None


def test_a_token_of_an_event_that_was_dropped_is_used_up_too(door: Door):
    sent = door.mail()
    request = mailgun(payloads.mailgun(sent, "opened"))
    forged = json.loads(request.body) | {"event-data": payloads.mailgun(sent, "complained", number=2)}

    assert door.told(request) == 0
    assert door.call(kit.Request(request.path, json.dumps(forged).encode())).status_code == 401


@pytest.mark.parametrize(
    ("age", "status"), [(8 * 3600, 200), (11.9 * 3600, 200), (12.1 * 3600, 401), (-300, 200), (-900, 401)]
)
def test_what_is_told_again_within_hours_is_taken_and_what_is_older_is_not(door: Door, age: float, status: int):
    assert door.call(mailgun(payloads.mailgun(door.mail(), "delivered"), age=age)).status_code == status


def test_another_key_proves_nothing_and_uses_no_token_up(door: Door):
    told = payloads.mailgun(door.mail(), "delivered")

    assert door.call(mailgun(told, key="another-key-of-a-test", token="t" * 50)).status_code == 401
    assert door.told(mailgun(told, token="t" * 50)) == 1


@pytest.mark.parametrize(
    "signature",
    [
        None,
        5,
        [],
        "x",
        {},
        {"timestamp": 1, "token": [], "signature": {}},
        {"timestamp": "x", "token": "", "signature": ""},
        {"timestamp": "\ud800", "token": "\udfff", "signature": "\ud800"},
        {"timestamp": 10**300, "token": "x", "signature": "y"},
    ],
)
def test_a_signature_of_any_shape_is_refused_calmly(door: Door, signature: object):
    body = json.dumps({"signature": signature, "event-data": payloads.mailgun(door.mail())}).encode()

    assert door.call(kit.Request("/hooks/mailgun", body)).status_code == 401


@pytest.mark.parametrize(
    "data", [None, 5, [], "x", {}, {"event": 5}, {"event": "failed"}, {"event": "failed", "id": []}]
)
def test_proven_data_that_cannot_be_read_waits_for_an_admin(door: Door, data: object):
    assert door.told(mailgun(data)) == 1
    assert door.problems() == ["unreadable"]


def test_all_processes_share_the_used_tokens_in_redis_and_nothing_there_can_be_read(redis_url, redis_prefix, tmp_path):
    own = settings_for("postgresql://unused/", tmp_path, redis_url=redis_url, redis_prefix=redis_prefix)
    first, second = Tokens(own), Tokens(own)

    assert first.is_new("mailgun", "token", b"body")
    assert second.is_new("mailgun", "token", b"body")
    assert not second.is_new("mailgun", "token", b"another")
    assert second.is_new("mailgun", "token-2", b"another")
    first.close()
    second.close()


def test_without_the_redis_that_is_set_a_token_is_not_taken(tmp_path):
    away = Tokens(settings_for("postgresql://unused/", tmp_path, redis_url="redis://127.0.0.1:1/0"))

    with pytest.raises(HookAwayError):
        away.is_new("mailgun", "token", b"body")
