"""Events of providers in any order, told again, and with moments that are none."""

import itertools

import pytest

from tests.feedback.providers import kit, payloads
from tests.feedback.providers.kit import Door
from tests.feedback.providers.test_doors import BOUNCE, WRAP, bounce, every_provider

MOMENTS = [
    None, True, "", "x", "1795341580", 1795341580, 1795341580.75, "1795341580.75", 1795341580123, -1, 0, 1e400, -1e400,
    10**30, "10" * 30, "2026-11-22T09:59:40Z", "2026-11-22T09:59:40.123456789Z", "2026-11-22 09:59:40 +0330",
    "Sun, 22 Nov 2026 09:59:40 +0000", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+23:59", "NaN", "Infinity", [], {},
]  # fmt: skip

FIELD = {
    "ses": "timestamp", "sendgrid": "timestamp", "mailgun": "timestamp", "postmark": "BouncedAt", "brevo": "ts_epoch",
    "postal": "timestamp", "generic": "happened_at",
}  # fmt: skip


def changed(told: object, name: str, value: object) -> object:
    """The same with another value wherever a field of that name is."""
    if isinstance(told, dict):
        return {key: value if key == name else changed(one, name, value) for key, one in told.items()} | (
            {name: value} if name in {"happened_at", "ts_epoch"} else {}
        )
    return told


@every_provider
def test_a_moment_of_any_shape_is_none_or_one_and_never_a_fault(door: Door, provider: str):
    sent = door.mail()
    for moment in MOMENTS:
        door.told(WRAP[provider](changed(BOUNCE[provider](sent), FIELD[provider], moment)))

    assert set(door.kinds()) <= {"bounced", "unknown"}
    assert door.came_back(sent) == "bounced"
    outside = "select count(*) from delivery_event where happened_at > now() or happened_at < '2000-01-01'"
    assert door.world.sql(outside.replace("now()", "%(now)s"), now=door.world.clock.now) == [(0,)]


GENERIC = [("delivered", "1"), ("bounced", "2"), ("complained", "3"), ("deferred", "4")]


@pytest.mark.parametrize("order", list(itertools.permutations(GENERIC)), ids=lambda order: "".join(n for _, n in order))
def test_events_in_any_order_lead_to_the_same(door: Door, order):
    sent = door.mail()
    for kind, number in order:
        told = {"id": number, "kind": kind, "message": sent.return_address, "status": "5.1.1" * (kind == "bounced")}
        door.told(kit.generic(told))
        door.told(kit.generic(told))

    assert len(door.kinds()) == 4
    assert door.came_back(sent) == "complained"
    assert set(door.suppressions()) >= {"complaint"}


@every_provider
def test_a_word_that_is_in_no_table_changes_nothing_for_the_message(door: Door, provider: str):
    sent = door.mail()
    told = BOUNCE[provider](sent)
    for name in ("event", "eventType", "kind", "RecordType"):
        told = changed(told, name, "a_word_of_next_year")

    door.told(WRAP[provider](told))

    assert (door.came_back(sent), door.suppressions()) == (None, [])


@every_provider
def test_a_replay_days_later_changes_nothing(door: Door, provider: str):
    sent = door.mail()
    request = bounce(provider, sent)
    assert door.told(request) == 1
    door.world.clock.forward(days=3)

    answer = door.call(request)

    assert answer.status_code in {200, 401}
    assert len(door.kinds()) == 1
    assert payloads.SOMEONE not in door.everything()
