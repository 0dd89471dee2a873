"""Suppressions of one address, by more than one cause."""

import pytest

from campaign.outbox import suppressions

KEY = b"k" * 32


def add(world, reason, message_id=None):
    return world.read(lambda tx: suppressions.add(tx, KEY, reason=reason, petition_id=None, message_id=message_id))


def in_force(world):
    return world.sql("select reason, message_id from suppression where lifted_at is null")


@pytest.mark.parametrize("first", ["unsubscribe", "bounce", "admin"])
def test_a_complaint_takes_the_place_of_another_reason_and_is_not_lifted_by_a_yes(world, first):
    added = [add(world, first, 1), add(world, "complaint", 2), add(world, "complaint", 3), add(world, first, 4)]
    world.read(lambda tx: suppressions.lift_unsubscribe(tx, [KEY], petition_id=1, now=world.clock()))

    assert added == [True, True, False, False]
    assert in_force(world) == [("complaint", 2)]


def test_another_reason_than_a_complaint_leaves_the_first_one(world):
    assert (add(world, "unsubscribe", 1), add(world, "bounce", 2)) == (True, False)
    assert in_force(world) == [("unsubscribe", 1)]
