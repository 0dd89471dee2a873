"""Refusals for our own sake: whom they are about."""

from datetime import UTC, datetime, timedelta

import pytest

from campaign.delivery.refusals import ENOUGH, BlocksInARow, is_share, receiver
from campaign.delivery.token_bucket import HELD, SlowDomain, held

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)


def row(number, *receivers):
    return BlocksInARow(number, frozenset(receivers))


@pytest.mark.parametrize(
    ("refusals", "proven", "stops"),
    [
        (row(0), False, False),
        (row(1, b"a"), False, True),
        (row(1, b"a"), True, False),
        (row(50, b"a"), True, False),
        (row(ENOUGH - 1, b"a", b"b"), True, False),
        (row(ENOUGH, b"a", b"b"), True, True),
    ],
)
def test_a_lane_stops_when_several_receivers_agree_or_nothing_was_ever_taken(refusals, proven, stops):
    assert refusals.needs_a_person(proven=proven) is stops


@pytest.mark.parametrize(
    ("domain", "whose"),
    [("a.b.Evil.test", "evil.test"), ("evil.test", "evil.test"), ("x.co.uk", "co.uk"), ("localhost", "localhost")],
)
def test_subdomains_belong_to_one_receiver(domain, whose):
    assert receiver(domain) == whose


def test_one_refusal_in_ten_is_chance():
    assert not is_share(1, 10)
    assert is_share(2, 10)
    assert is_share(1, 1)


def test_a_held_domain_is_as_before_after_an_hour_and_never_freed_by_asking_for_less():
    slowness = held(NOW)

    assert slowness.now(NOW) == HELD
    assert slowness.now(NOW + timedelta(minutes=30)) == pytest.approx(1 / 64)
    assert slowness.now(NOW + timedelta(hours=1)) == 1
    assert slowness.asked_again(NOW + timedelta(minutes=6)) == SlowDomain(2 * HELD, NOW + timedelta(minutes=6))
