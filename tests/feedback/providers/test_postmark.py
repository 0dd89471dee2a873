"""Postmark."""

import base64

import pytest

from campaign.feedback.providers.postmark import BOUNCES, TYPES
from tests.feedback.providers import kit, payloads
from tests.feedback.providers.kit import CREDENTIALS, Door, Request, basic


def postmark(told: object) -> Request:
    return basic("postmark", told)


def test_types_and_numbers_of_bounces_are_the_same():
    assert sorted(TYPES.values()) == sorted(BOUNCES)


@pytest.mark.parametrize(
    ("told", "stored"),
    [
        ({"Type": "HardBounce", "TypeCode": 1, "Details": ""}, ("bounced", "5.1.1", "gone")),
        ({"Type": "HardBounce", "TypeCode": 1, "Details": "smtp;550 5.7.1 blocked"}, ("bounced", "5.7.1", "ours")),
        ({"Type": "SoftBounce", "TypeCode": 4096, "Details": ""}, ("bounced", "4.2.2", "full")),
        ({"Type": "Transient", "TypeCode": 2, "Details": "smtp;450 4.2.2 full"}, ("deferred", "4.2.2", None)),
        ({"Type": "AutoResponder", "TypeCode": 64, "Details": "out of office"}, ("autoresponded", None, None)),
        ({"Type": "DnsError", "TypeCode": 256, "Details": ""}, ("bounced", "4.4.4", "full")),
        ({"Type": "SpamNotification", "TypeCode": 512, "Details": "spam"}, ("bounced", "5.7.1", "ours")),
        ({"Type": "BadEmailAddress", "TypeCode": 100000, "Details": ""}, ("bounced", "5.1.3", "gone")),
        ({"Type": "SpamComplaint", "TypeCode": 100001}, ("complained", None, None)),
        ({"Type": "ManuallyDeactivated", "TypeCode": 100002}, ("rejected", None, "other")),
        ({"Type": "Blocked", "TypeCode": 100006, "Details": ""}, ("bounced", "5.7.1", "ours")),
        ({"Type": "SMTPApiError", "TypeCode": 100007, "Details": ""}, ("failed", None, "ours")),
        ({"Type": "Blocked", "TypeCode": "x", "Details": ""}, ("bounced", "5.7.1", "ours")),
        ({"Type": "Invented", "TypeCode": 7, "Details": ""}, ("bounced", None, "unknown")),
        # True is 1 to Python, and no number to Postmark.
        ({"Type": ["x"], "TypeCode": True, "Details": ""}, ("bounced", None, "unknown")),
    ],
)
def test_each_type_of_bounce_means_what_the_table_says(door: Door, told: dict, stored: tuple):
    assert door.told(postmark(payloads.postmark_bounce(door.mail(), **told))) == 1
    assert door.events() == [stored]


@pytest.mark.parametrize(
    ("word", "told", "kinds"),
    [
        (
            "Delivery",
            {"DeliveredAt": "2026-11-22T09:59:40Z", "Details": "Test delivery webhook details"},
            ["delivered"],
        ),
        ("SpamComplaint", {"ID": 42, "TypeCode": 512, "BouncedAt": "2026-11-22T09:59:40Z"}, ["complained"]),
        ("SubscriptionChange", {"SuppressSending": True, "SuppressionReason": "ManualSuppression"}, ["unsubscribed"]),
        ("SubscriptionChange", {"SuppressSending": True, "SuppressionReason": "SpamComplaint"}, ["complained"]),
        ("SubscriptionChange", {"SuppressSending": True, "SuppressionReason": "HardBounce"}, ["bounced"]),
        ("SubscriptionChange", {"SuppressSending": False, "SuppressionReason": None}, []),
        ("Open", {"FirstOpen": True}, []),
        ("Click", {"OriginalLink": "https://example.org"}, []),
        ("Invented", {}, []),
    ],
)
def test_each_record_means_what_the_table_says(door: Door, word: str, told: dict, kinds: list[str]):
    assert door.told(postmark(payloads.postmark(door.mail(), word, **told))) == len(kinds)
    assert door.kinds() == kinds


def test_a_bounce_and_a_change_of_the_same_mail_are_two_events_with_one_effect(door: Door):
    sent = door.mail()
    change = payloads.postmark(
        sent,
        "SubscriptionChange",
        SuppressSending=True,
        SuppressionReason="HardBounce",
        ChangedAt="2026-11-22T09:59:41Z",
    )

    assert [door.told(postmark(told)) for told in (change, payloads.postmark_bounce(sent), change)] == [1, 1, 0]
    assert door.suppressions() == ["bounce"]


def test_the_check_of_the_provider_is_well_taken(door: Door):
    told = payloads.postmark_bounce(door.mail()) | {"Metadata": {"example": "value"}}

    assert door.told(postmark(told)) == 0


@pytest.mark.parametrize("provider", ["postmark", "brevo"])
@pytest.mark.parametrize(
    "credentials",
    [
        "countersign:a-long-password/",
        "countersign:a-long-password/a-long-secret-pat",
        "countersign:/a-long-secret-path",
        "countersign:a-long-passwordX/a-long-secret-path",
        "Countersign:a-long-password/a-long-secret-path",
        ":a-long-password/a-long-secret-path",
        "countersign:a-long-password/a-long-secret-path/",
        "pässwörd:x/ü",
    ],
)
def test_a_wrong_user_password_or_path_proves_nothing(door: Door, provider: str, credentials: str):
    told = payloads.postmark_bounce(door.mail())

    assert door.call(basic(provider, told, credentials=credentials)).status_code in {401, 404}
    assert door.events() == []


@pytest.mark.parametrize(
    "header", [None, "Bearer x", "Basic", "basic  Y291bnRlcnNpZ24=", "Basic Y291bnRlcnNpZ246YS1sb25n"]
)
def test_another_authorization_proves_nothing(door: Door, header: str | None):
    request = postmark(payloads.postmark_bounce(door.mail()))
    headers = {} if header is None else {"Authorization": header}

    answer = door.call(Request(request.path, request.body, headers))

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")


def test_a_part_of_the_path_within_the_password_is_no_path(door: Door):
    pair = base64.b64encode(CREDENTIALS.encode()).decode()

    answer = door.call(Request("/hooks/postmark", b"{}", {"Authorization": f"Basic {pair}"}))

    assert answer.status_code == 401


def test_a_name_of_another_place_than_the_metadata_counts_for_nothing(door: Door):
    sent = door.mail()
    told = payloads.postmark_bounce(sent, Subject=sent.message_id, Details=sent.return_address, Metadata={})

    assert door.told(postmark(told)) == 0
    assert kit.SOMEONE not in door.everything()
