"""Twilio SendGrid."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.feedback.providers import kit, payloads
from tests.feedback.providers.kit import Door, sendgrid


@pytest.mark.parametrize(
    ("told", "stored"),
    [
        ({"word": "processed"}, ("queued", None, None)),
        ({"word": "deferred", "response": "451 4.2.2 mailbox full"}, ("deferred", "4.2.2", None)),
        ({"word": "delivered", "response": "250 2.0.0 OK"}, ("delivered", None, None)),
        ({"word": "spamreport"}, ("complained", None, None)),
        ({"word": "unsubscribe"}, ("unsubscribed", None, None)),
        ({"word": "group_unsubscribe", "asm_group_id": 10}, ("unsubscribed", None, None)),
        (
            {"word": "bounce", "type": "bounce", "status": "5.0.0", "reason": "550 5.1.1 gone"},
            ("bounced", "5.1.1", "gone"),
        ),
        ({"word": "bounce", "type": "bounce", "reason": "550 no"}, ("bounced", None, "unknown")),
        ({"word": "bounce", "status": "5.2.2", "reason": "552 full"}, ("bounced", "5.2.2", "full")),
        ({"word": "bounce", "type": "blocked", "reason": "blocked for spam"}, ("bounced", "5.7.1", "ours")),
        ({"word": "bounce", "type": "blocked", "status": "4.7.1"}, ("bounced", "4.7.1", "other")),
        ({"word": "bounce", "type": "expired", "reason": "gave up"}, ("bounced", "4.4.7", "full")),
        ({"word": "dropped", "reason": "Bounced Address", "status": "5.0.0"}, ("rejected", None, "other")),
        ({"word": "dropped", "reason": "Spam Reporting Address"}, ("rejected", None, "other")),
        ({"word": "dropped", "reason": "Invalid"}, ("rejected", "5.1.3", "gone")),
        ({"word": "dropped", "reason": "Recipient List over Package Quota"}, ("failed", None, "ours")),
    ],
)
def test_each_event_means_what_the_table_says(door: Door, told: dict, stored: tuple):
    assert door.told(sendgrid([payloads.sendgrid(door.mail(), **told)])) == 1
    assert door.events() == [stored]


@pytest.mark.parametrize("word", ["open", "click", "group_resubscribe", "invented", "account_status_change"])
def test_opens_clicks_and_unknown_events_are_dropped_at_the_door(door: Door, word: str):
    assert door.told(sendgrid([payloads.sendgrid(door.mail(), word)])) == 0
    assert door.events() == []


def test_a_batch_out_of_order_with_duplicates_and_strangers_is_taken_once(door: Door):
    first, second = door.mail(), door.mail("roya@example.net")
    delivered = payloads.sendgrid(first, "delivered", number=1)
    bounced = payloads.sendgrid_bounce(first, sg_event_id="late-bounce")
    batch = [
        bounced,
        delivered,
        delivered,
        payloads.sendgrid(second, "spamreport", number=2),
        payloads.sendgrid(second, "open", number=3),
        {"event": "bounce"},
        payloads.sendgrid(second, number=4, countersign="x"),
    ]

    assert door.told(sendgrid(batch)) == 4
    assert door.told(sendgrid(batch[::-1])) == 0
    assert (door.came_back(first), door.came_back(second)) == ("bounced", "complained")
    assert sorted(door.suppressions()) == ["bounce", "complaint"]
    assert door.problems() == ["unreadable"]


def test_a_large_batch_is_stored_whole(door: Door):
    sent = door.mail()
    batch = [payloads.sendgrid(sent, "deferred", number=number) for number in range(1200)]

    assert door.told(sendgrid(batch)) == 1200


def test_the_message_is_known_by_our_message_id_too(door: Door):
    sent = door.mail()
    told = payloads.sendgrid(sent, "delivered") | {"countersign": None, "smtp-id": sent.message_id}

    assert door.told(sendgrid([told])) == 1


def test_the_test_button_of_the_provider_is_well_taken(door: Door):
    assert door.told(sendgrid([])) == 0
    assert (
        door.told(
            sendgrid(
                [
                    {
                        "email": "example@test.com",
                        "timestamp": 1513299569,
                        "event": "bounce",
                        "smtp-id": "<14c5d75ce93.dfd.64b469@ismtpd-555>",
                        "sg_event_id": "x==",
                    }
                ]
            )
        )
        == 0
    )


@pytest.mark.parametrize("stamp", ["0", "1", "99999999999999", "not-a-number"])
def test_an_old_time_stamp_is_harmless(door: Door, stamp: str):
    request = sendgrid([payloads.sendgrid(door.mail(), "delivered")], stamp=stamp)

    assert [door.told(request) for _ in range(2)] == [1, 0]


def test_another_key_or_another_time_stamp_proves_nothing(door: Door):
    told = [payloads.sendgrid(door.mail(), "delivered")]
    request = sendgrid(told)
    other = sendgrid(told, key=ec.generate_private_key(ec.SECP256R1()))
    moved = kit.Request(request.path, request.body, request.headers | {"X-Twilio-Email-Event-Webhook-Timestamp": "1"})
    without = kit.Request(request.path, request.body, {"X-Twilio-Email-Event-Webhook-Timestamp": "1795341600"})

    assert {door.call(one).status_code for one in (other, moved, without)} == {401}
    assert door.events() == []
