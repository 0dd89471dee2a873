"""The webhook for any other mail server, in our own words."""

import json
import re
import subprocess
from datetime import timedelta

import pytest

from campaign.variables import ROOT
from tests.feedback.providers import kit
from tests.feedback.providers.kit import START, Door, Sent, generic


def event(sent: Sent, kind: str = "bounced", *, number: int = 1, **more: object) -> dict[str, object]:
    told = {"id": f"event-{number}", "kind": kind, "message": sent.return_address}
    return told | {"happened_at": "2026-11-22T09:59:00Z"} | more


def test_a_bounce_suppresses_and_is_applied_once_however_often_it_is_told(door: Door):
    sent = door.mail()
    request = generic([event(sent, status="5.1.1", code=550, text=f"no such user {kit.SOMEONE}")])

    assert [door.told(request) for _ in range(3)] == [1, 0, 0]
    assert door.events() == [("bounced", "5.1.1", "gone")]
    assert door.came_back(sent) == "bounced"
    assert door.suppressions() == ["bounce"]
    assert kit.SOMEONE not in door.everything()
    assert "no such user <address>" in door.everything()


@pytest.mark.parametrize(
    ("kind", "known"),
    [
        ("queued", None), ("sent", None), ("deferred", "deferred"), ("delivered", "delivered"), ("bounced", "bounced"),
        ("rejected", "bounced"), ("failed", "bounced"), ("complained", "complained"), ("unsubscribed", "delivered"),
        ("autoresponded", "delivered"), ("replied", "delivered"),
    ],
)  # fmt: skip
def test_every_kind_of_event_is_taken(door: Door, kind: str, known: str | None):
    sent = door.mail()

    assert door.told(generic(event(sent, kind))) == 1
    assert (door.kinds(), door.came_back(sent)) == ([kind], known)


def test_the_message_is_known_by_its_return_address_or_its_message_id(door: Door):
    first, second = door.mail(), door.mail("roya@example.net")

    assert door.told(generic([event(first), event(second, number=2, message=f"Message-ID: {second.message_id}")])) == 2
    assert [door.came_back(sent) for sent in (first, second)] == ["bounced", "bounced"]


@pytest.mark.parametrize("kind", ["opened", "clicked"])
def test_opens_and_clicks_are_dropped_at_the_door(door: Door, kind: str):
    assert door.told(generic([event(door.mail(), kind)])) == 0
    assert door.events() == []


def test_events_of_messages_that_are_not_ours_change_nothing(door: Door):
    sent = door.mail()
    forged = sent.return_address.replace(sent.return_address[16:20], "0000")
    others = [
        event(sent, message=forged),
        event(sent, number=2, message="<20261122.1@example.org>"),
        event(sent, number=3, message=kit.SOMEONE),
        event(sent, number=4, message=f"b-{sent.id + 1:012x}{sent.return_address[14:]}"),
    ]

    assert door.told(generic(others)) == 0
    assert (door.events(), door.came_back(sent)) == ([], None)


def test_what_is_known_only_gets_stronger_in_whatever_order_it_is_told(door: Door):
    sent = door.mail()

    for number, kind in enumerate(["complained", "bounced", "delivered", "deferred", "queued"]):
        door.told(generic(event(sent, kind, number=number, happened_at=f"2026-11-{22 - number}T09:00:00Z")))

    assert door.came_back(sent) == "complained"
    assert sorted(door.suppressions()) == ["complaint"]


@pytest.mark.parametrize(
    "moment", ["2026-11-22T13:28:10.2735393+03:30", 1795341600, "1795341600", 1795341600123, "yesterday", None, 10**400,
               -(10**30), 1e308, "0001-01-01T00:00:00+23:00", "9999-12-31T23:59:59-12:00", "2026-11-22", True, [1], {}],
)  # fmt: skip
def test_any_moment_is_taken_and_none_is_in_the_future(door: Door, moment: object):
    assert door.told(generic(event(door.mail(), happened_at=moment))) == 1

    (happened_at,) = door.world.sql("select happened_at from delivery_event")[0]
    assert START - timedelta(days=365) < happened_at <= START


@pytest.mark.parametrize("age", [-301, 301, 86_400])
def test_an_old_time_stamp_or_one_of_the_future_proves_nothing(door: Door, age: int):
    request = generic(event(door.mail()), age=age)

    assert door.call(request).status_code == 401
    assert door.events() == []


@pytest.mark.parametrize("age", [-299, 299])
def test_a_time_stamp_of_the_last_minutes_is_taken(door: Door, age: int):
    assert door.told(generic(event(door.mail()), age=age)) == 1


@pytest.mark.parametrize(
    "item",
    [5, None, "text", [], {}, {"id": 1}, {"kind": "bounced"}, {"kind": "invented", "id": "1", "message": "x"},
     {"kind": ["bounced"], "id": "1", "message": "x"}, {"kind": "bounced", "id": {}, "message": "x"}],
)  # fmt: skip
def test_an_item_that_cannot_be_read_waits_for_an_admin_and_holds_up_no_other(door: Door, item: object):
    sent = door.mail()

    assert door.told(generic([item, event(sent)])) == 2
    assert door.told(generic([item, event(sent)])) == 0
    assert door.problems() == ["unreadable"]
    assert door.came_back(sent) == "bounced"


def test_an_id_that_holds_an_address_is_kept_as_a_hash(door: Door):
    sent = door.mail()
    told = event(sent, id=f"bounce for {kit.SOMEONE}", status="5.1.1")

    assert [door.told(generic(told)) for _ in range(2)] == [1, 0]
    assert kit.SOMEONE not in door.everything()


def test_an_address_in_an_unreadable_call_is_sealed(door: Door):
    assert door.told(generic(json.dumps({"to": kit.SOMEONE, "kind": 1}).encode())) == 1
    assert kit.SOMEONE not in door.everything()
    assert kit.SOMEONE.encode() not in bytes(door.world.sql("select sealed from delivery_event")[0][0])


def test_the_command_of_the_manual_is_taken(door: Door):
    """The shell lines of docs/operations.md, with curl replaced by a program that shows what it would send."""
    manual = (ROOT / "docs" / "operations.md").read_text()
    block = re.search(r"```sh\n(secret=.*?)```", manual, re.DOTALL)
    assert block is not None
    sent = door.mail()
    script = (
        block[1]
        .replace("a-secret-of-16-or-more-signs", kit.SECRET)
        .replace("b-00000000002a-5f3c0a9d1e7b2c4d6f80@bounces.example.org", sent.return_address)
    )
    shown = (
        'curl() { for word in "$@"; do printf "%s\\0" "$word"; done; }; date() { echo '
        + str(int(START.timestamp()))
        + "; }\n"
    )

    run = subprocess.run(["bash", "-c", shown + script], capture_output=True, text=True, check=True)

    words = run.stdout.split("\0")
    headers = dict(words[place + 1].split(": ", 1) for place, word in enumerate(words) if word == "-H")
    body = words[words.index("--data-binary") + 1].encode()
    assert words[-2] == "https://petitions.example.org/hooks/generic"
    assert door.told(kit.Request("/hooks/generic", body, headers)) == 1
    assert door.events() == [("bounced", "5.1.1", "gone")]
