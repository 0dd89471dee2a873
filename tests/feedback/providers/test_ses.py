"""Amazon SES through SNS."""

import json
import threading
from dataclasses import replace

import pytest

from campaign.feedback.providers.certificates import A_MINUTE, KEPT, Certificates, HookAwayError, fetch
from tests.feedback.providers import kit, payloads
from tests.feedback.providers.kit import CERTIFICATE_URL, TOPIC, Door, signed_sns, sns

SUBSCRIBE = f"https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37"


def beginning(**changes: object) -> dict[str, object]:
    """What SNS asks once a subscription is made."""
    return {
        "Type": "SubscriptionConfirmation",
        "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
        "Token": "2336412f37",
        "TopicArn": TOPIC,
        "Message": f"You have chosen to subscribe to the topic {TOPIC}.",
        "SubscribeURL": SUBSCRIBE,
        "Timestamp": "2026-11-22T09:59:00.000Z",
        "SignatureVersion": "1",
        "SigningCertURL": CERTIFICATE_URL,
    } | changes


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("subject", [{}, {"Subject": "Amazon SES Email Event Notification"}])
def test_both_versions_of_the_signature_are_taken_with_and_without_a_subject(door: Door, version: str, subject: dict):
    sent = door.mail()

    assert door.told(sns(payloads.ses(sent, "Delivery", "delivery"), version=version, **subject)) == 1
    assert door.came_back(sent) == "delivered"


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        (("Send", "send"), "queued"),
        (("Delivery", "delivery"), "delivered"),
        (("Reject", "reject"), "failed"),
        (("DeliveryDelay", "deliveryDelay"), "deferred"),
        (("Complaint", "complaint"), "complained"),
        (("Rendering Failure", "failure"), "failed"),
    ],
)
@pytest.mark.parametrize("field", ["eventType", "notificationType"])
def test_events_and_notifications_have_one_vocabulary(door: Door, told: tuple[str, str], kind: str, field: str):
    assert door.told(sns(payloads.ses(door.mail(), *told, field=field))) == 1
    assert door.kinds() == [kind]


@pytest.mark.parametrize(
    ("kind", "subtype", "recipient", "stored"),
    [
        ("Permanent", "General", {}, ("bounced", None, "unknown")),
        (
            "Permanent",
            "General",
            {"status": "5.1.1", "diagnosticCode": "smtp; 550 5.1.1 gone"},
            ("bounced", "5.1.1", "gone"),
        ),
        (
            "Permanent",
            "General",
            {"status": "5.0.0", "diagnosticCode": "smtp; 550 5.1.1 gone"},
            ("bounced", "5.1.1", "gone"),
        ),
        (
            "Permanent",
            "General",
            {"status": "5.7.1", "diagnosticCode": "smtp; 554 5.7.1 spam"},
            ("bounced", "5.7.1", "ours"),
        ),
        ("Permanent", "Suppressed", {"status": "5.1.1"}, ("rejected", None, "other")),
        ("Permanent", "OnAccountSuppressionList", {"status": "5.1.1"}, ("rejected", None, "other")),
        ("Transient", "MailboxFull", {}, ("bounced", "4.2.2", "full")),
        ("Transient", "MailboxFull", {"status": "5.2.2"}, ("bounced", "5.2.2", "full")),
        ("Transient", "General", {}, ("bounced", "4.0.0", "other")),
        ("Transient", "ContentRejected", {}, ("bounced", "5.6.0", "ours")),
        ("Transient", "MessageTooLarge", {}, ("bounced", "5.3.4", "ours")),
        ("Transient", "CustomTimeoutExceeded", {}, ("bounced", "4.4.7", "full")),
        ("Transient", "Invented", {}, ("bounced", "4.0.0", "other")),
        ("Undetermined", "Undetermined", {}, ("bounced", None, "unknown")),
    ],
)
def test_each_type_of_bounce_means_what_the_table_says(
    door: Door, kind: str, subtype: str, recipient: dict, stored: tuple
):
    assert door.told(sns(payloads.ses_bounce(door.mail(), kind, subtype, **recipient))) == 1
    assert door.events() == [stored]


def test_a_bounce_told_as_event_and_as_notification_is_one(door: Door):
    sent = door.mail()
    event = payloads.ses_bounce(sent, status="5.1.1")
    notification = {("notificationType" if name == "eventType" else name): value for name, value in event.items()}

    assert [door.told(sns(told)) for told in (event, notification, event)] == [1, 0, 0]


@pytest.mark.parametrize(
    "place",
    [
        lambda sent: {
            "source": "Petitions <0100019a@eu-central-1.amazonses.com>",
            "tags": {"countersign": [sent.name]},
        },
        lambda sent: {"source": "", "headers": [{"name": "Message-ID", "value": sent.message_id}]},
        lambda sent: {"source": "", "commonHeaders": {"messageId": sent.message_id}},
        lambda sent: {"source": f"Petitions <{sent.return_address}>"},
    ],
)
def test_the_message_is_known_by_any_of_our_names(door: Door, place):
    sent = door.mail()
    told = payloads.ses(sent, "Delivery", "delivery")

    assert door.told(sns(told | {"mail": payloads.ses_mail(sent) | place(sent)})) == 1
    assert door.came_back(sent) == "delivered"


@pytest.mark.parametrize("word", ["Open", "Click", "AmazonSnsSubscriptionSucceeded", "Invented"])
def test_opens_clicks_and_unknown_events_are_dropped_at_the_door(door: Door, word: str):
    assert door.told(sns(payloads.ses(door.mail(), word, word.lower()))) == 0
    assert door.events() == []


def test_the_first_word_of_a_new_destination_is_no_event(door: Door):
    assert door.told(sns("Successfully validated SNS topic for Amazon SES event publishing.")) == 0
    assert door.events() == []


@pytest.mark.parametrize("message", ["", "no JSON", "[]", "5", json.dumps({"eventType": "Bounce"}), '{"a":' * 3000])
def test_a_signed_message_that_cannot_be_read_waits_for_an_admin(door: Door, message: str):
    request = sns(message)

    assert [door.told(request) for _ in range(2)] == [1, 0]
    assert door.problems() == ["unreadable"]


@pytest.mark.parametrize(
    "details", [{"complaintSubType": "OnAccountSuppressionList"}, {"complaintFeedbackType": "not-spam"}]
)
def test_what_is_no_complaint_of_the_recipient_is_none(door: Door, details: dict):
    sent = door.mail()

    door.told(sns(payloads.ses(sent, "Complaint", "complaint", feedbackId="1-2-3", **details)))

    assert door.came_back(sent) != "complained"
    assert "complaint" not in door.suppressions()


@pytest.mark.parametrize(("wishes", "kinds"), [({"unsubscribeAll": True}, ["unsubscribed"]), ({}, []), (None, [])])
def test_a_subscription_ends_only_when_it_says_so(door: Door, wishes: object, kinds: list[str]):
    door.told(sns(payloads.ses(door.mail(), "Subscription", "subscription", newTopicPreferences=wishes)))

    assert door.kinds() == kinds


def test_a_subscription_to_our_topic_is_confirmed(door: Door):
    door.elsewhere.pages[SUBSCRIBE] = b"<ConfirmSubscriptionResponse/>"

    assert door.told(signed_sns(beginning())) == 0
    assert door.elsewhere.asked == [CERTIFICATE_URL, SUBSCRIBE]
    assert door.events() == []


@pytest.mark.parametrize(
    "changes",
    [
        {"TopicArn": "arn:aws:sns:eu-central-1:999999999999:mail-events"},
        {"TopicArn": TOPIC + "-2"},
        {"TopicArn": ""},
        {"TopicArn": [TOPIC]},
        {"TopicArn": None},
    ],
)
def test_a_subscription_to_another_topic_is_never_confirmed_and_asks_nothing(door: Door, changes: dict):
    assert door.call(signed_sns(beginning() | changes)).status_code == 401
    assert door.elsewhere.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription",
        "https://sns.eu-central-1.amazonaws.com.evil.example/?Action=ConfirmSubscription",
        "https://evil.example/?Action=ConfirmSubscription",
        "https://sns.eu-central-1.amazonaws.com@evil.example/",
        "https://169.254.169.254/latest/meta-data/",
        "file:///etc/passwd",
        "https://sns.eu-central-1.amazonaws.com:8443/",
        "https://sns.eu-central-1.amazonaws.com/ HTTP/1.1\r\nX: y",
        "",
    ],
)
def test_a_confirmation_leads_nowhere_but_to_sns(door: Door, url: str):
    assert door.call(signed_sns(beginning(SubscribeURL=url))).status_code == 200
    assert door.elsewhere.asked == [CERTIFICATE_URL]


def test_a_confirmation_that_fails_is_asked_for_again(door: Door):
    answer = door.call(signed_sns(beginning()))

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")


def test_the_end_of_a_subscription_changes_nothing(door: Door):
    assert door.told(signed_sns(beginning(Type="UnsubscribeConfirmation"))) == 0
    assert door.elsewhere.asked == [CERTIFICATE_URL]


@pytest.mark.parametrize(
    "url",
    [
        "https://sns.eu-central-1.amazonaws.com.evil.example/SimpleNotificationService-1.pem",
        "https://evil.example/sns.eu-central-1.amazonaws.com/x.pem",
        "http://sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem",
        "https://snsXeu-central-1.amazonaws.com/SimpleNotificationService-1.pem",
        "https://sns.eu-central-1.amazonaws.com:444/SimpleNotificationService-1.pem",
        "https://user@sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem",
        "https://s3.eu-central-1.amazonaws.com/bucket/x.pem",
        "https://sns.eu-central-1.amazonaws.com/../x.pem?y=.pem",
        "https://sns.eu-central-1.amazonaws.com/x.pem#y",
        "https://[::1/x.pem",
        "https://sns.eu-central-1.amazonaws.com\n/x.pem",
        "",
    ],
)
def test_a_certificate_of_another_place_is_never_fetched(door: Door, url: str):
    request = sns(payloads.ses(door.mail(), "Delivery", "delivery"), SigningCertURL=url)

    assert door.call(request).status_code == 401
    assert door.elsewhere.asked == []


def test_a_certificate_of_the_chinese_regions_is_taken(door: Door):
    url = "https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-1.pem"
    door.elsewhere.pages[url] = kit.certificate()

    assert door.told(sns(payloads.ses(door.mail(), "Delivery", "delivery"), SigningCertURL=url)) == 1


@pytest.mark.parametrize("page", [b"", b"no certificate", kit.certificate(expired=True), kit.certificate(2)])
def test_a_certificate_that_is_none_or_expired_or_anothers_proves_nothing(door: Door, page: bytes):
    door.elsewhere.pages[CERTIFICATE_URL] = page

    assert door.call(sns(payloads.ses(door.mail(), "Delivery", "delivery"))).status_code == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"Timestamp": "2026-11-22T10:00:06.000Z"},
        {"MessageId": "another"},
        {"Message": "{}"},
        {"Subject": "more"},
        {"Type": "UnsubscribeConfirmation"},
        {"Type": "Invented"},
        {"SignatureVersion": "2"},
        {"SignatureVersion": "3"},
        {"SignatureVersion": 1.5},
        {"Message": 5},
        {"Timestamp": None},
        {"Signature": "AAAA"},
        {"Signature": 7},
        {"Signature": "no base64 !"},
        {"Message": "\ud800"},
    ],
)
def test_what_is_changed_after_signing_proves_nothing(door: Door, changes: dict):
    request = sns(payloads.ses(door.mail(), "Delivery", "delivery"))
    other = replace(request, body=json.dumps(json.loads(request.body) | changes).encode())

    assert door.call(other).status_code == 401
    assert door.events() == []


def test_a_raw_message_is_not_signed_and_not_taken(door: Door):
    body = json.dumps(payloads.ses_bounce(door.mail())).encode()

    assert door.call(kit.Request("/hooks/ses", body, {"x-amz-sns-rawdelivery": "true"})).status_code == 401


def test_an_old_notification_is_taken_and_what_is_known_stays(door: Door):
    sent = door.mail()
    door.told(sns(payloads.ses(sent, "Complaint", "complaint", feedbackId="1-2-3")))

    assert door.told(sns(payloads.ses(sent, "Delivery", "delivery"), Timestamp="2016-01-01T00:00:00.000Z")) == 1
    assert door.came_back(sent) == "complained"


def test_a_certificate_is_fetched_once(door: Door):
    for sent in (door.mail(), door.mail("roya@example.net")):
        door.told(sns(payloads.ses(sent, "Delivery", "delivery")))

    assert door.elsewhere.asked == [CERTIFICATE_URL]


def test_certificates_that_are_not_there_are_asked_for_once_a_minute_and_few_of_them():
    now, asked = [0.0], []

    def nothing(url: str) -> bytes:
        asked.append(url)
        raise HookAwayError("nothing there")

    certificates = Certificates(nothing, clock=lambda: now[0])
    for number in range(100):
        with pytest.raises(HookAwayError):
            certificates.at(f"https://sns.a.amazonaws.com/{number % 20}.pem")
    assert len(asked) == A_MINUTE
    now[0] += 61
    with pytest.raises(HookAwayError):
        certificates.at("https://sns.a.amazonaws.com/0.pem")
    assert len(asked) == A_MINUTE + 1


def test_a_certificate_that_is_kept_never_waits_for_one_that_is_fetched():
    begun, go_on = threading.Event(), threading.Event()

    def page(url: str) -> bytes:
        if url == "slow":
            begun.set()
            go_on.wait(30)
        return url.encode()

    certificates = Certificates(page)
    certificates.at("kept")
    slow = threading.Thread(target=certificates.at, args=("slow",))
    slow.start()
    begun.wait(30)

    assert certificates.at("kept") == b"kept"
    with pytest.raises(HookAwayError):
        certificates.at("another")
    go_on.set()
    slow.join()
    assert certificates.at("another") == b"another"


def test_few_certificates_are_kept_and_for_a_day():
    now, asked = [0.0], []

    def page(url: str) -> bytes:
        asked.append(url)
        return b"certificate"

    certificates = Certificates(page, clock=lambda: now[0])
    for number in range(KEPT + 1):
        now[0] += 10
        assert certificates.at(str(number)) == b"certificate"
    certificates.at(str(KEPT))
    assert len(asked) == KEPT + 1
    now[0] += 60
    certificates.at("0")
    assert len(asked) == KEPT + 2
    now[0] += 86_401
    certificates.at("0")
    assert len(asked) == KEPT + 3


@pytest.mark.parametrize("url", ["https://127.0.0.1:1/x.pem", "https:///x", "https://127.0.0.1:99999999999/x"])
def test_what_does_not_answer_is_a_reason_to_be_told_again(url: str):
    with pytest.raises((HookAwayError, ValueError)):
        fetch(url)
