from datetime import timedelta

import pytest

from campaign.petitions import petitions
from campaign.signatures import confirming, statistics
from campaign.signatures.statistics import Span
from campaign.states import Lane


@pytest.fixture
def petition(world):
    slug = world.petition()
    return slug, petitions.by_slug(world.runtime, slug).petition.id


def test_sign_ups_fall_into_the_hours_of_the_visitor(world, petition):
    slug, petition_id = petition
    world.clock.now -= timedelta(hours=5, minutes=10)
    world.signature(slug, "a@example.org", name="A", confirmed=True)
    world.signature(slug, "b@example.org", name="B")
    world.clock.forward(hours=5, minutes=10)

    found = statistics.statistics(world.runtime, petition_id, Span.HOURS, zone="Asia/Kabul")

    [bucket] = [bucket for bucket in found.buckets if bucket.asked]
    assert len(found.buckets) == 48
    assert (bucket.asked, bucket.confirmed) == (2, 1)
    # Kabul is four and a half hours ahead, so its hours begin at half past.
    assert bucket.begin.isoformat() == "2026-11-22T09:00:00+04:30"


@pytest.mark.parametrize(("span", "days"), [(Span.MONTH, 30), (Span.QUARTER, 90)])
def test_days_begin_at_local_midnight_across_a_clock_change(world, petition, span, days):
    slug, petition_id = petition
    # 23:30 UTC is the next day in Berlin.
    world.clock.now = world.clock.now.replace(month=10, day=24, hour=23, minute=30)
    world.signature(slug, confirmed=True)
    world.clock.now = world.clock.now.replace(month=11, day=2, hour=12)

    found = statistics.statistics(world.runtime, petition_id, span, zone="Europe/Berlin")

    [bucket] = [bucket for bucket in found.buckets if bucket.confirmed]
    assert len(found.buckets) == days
    assert bucket.begin.isoformat() == "2026-10-25T00:00:00+02:00"
    assert found.buckets[-1].begin.isoformat() == "2026-11-02T00:00:00+01:00"


def test_the_funnel_counts_who_asked_who_got_the_mail_and_who_confirmed(world, petition):
    slug, petition_id = petition
    first = world.signature(slug, "a@example.org", name="A")
    world.signature(slug, "b@example.org", name="B")
    world.clock.forward(minutes=2)
    world.deliverer(Lane.URGENT).drain()
    world.clock.forward(minutes=4)
    confirming.confirm(world.runtime, world.confirm_token(first))
    world.signature(slug, "c@example.org", name="C")

    funnel = statistics.statistics(world.runtime, petition_id, Span.HOURS, zone="UTC").funnel

    assert (funnel.asked, funnel.accepted, funnel.confirmed) == (3, 2, 1)
    assert (funnel.minutes_to_accepted, funnel.minutes_to_confirmed) == (2.0, 6.0)


def test_a_petition_without_signatures_has_a_funnel_of_noughts(world, petition):
    funnel = statistics.statistics(world.runtime, petition[1], Span.HOURS, zone="UTC").funnel

    assert (funnel.asked, funnel.confirmed, funnel.minutes_to_confirmed) == (0, 0, None)
