"""Small rules: ladders, allowances, goals, bounces, states."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign import states
from campaign.delivery.outcomes import GIVE_UP, JITTER, LADDER, gives_up, wait_after
from campaign.outbox.allowance import PER_DAY, PER_MONTH, mailbox_slot, network_slot
from campaign.outbox.suppressions import is_enough
from campaign.petitions.rules import crossed, next_goal, thresholds_up_to

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
TODAY = date(2026, 11, 22)


@given(st.integers(1, 50), st.floats(0, 1))
def test_each_wait_is_a_step_of_the_ladder_spread_by_a_fifth(attempts, chance):
    step = LADDER[min(attempts, len(LADDER)) - 1]

    wait = wait_after(attempts, chance=chance)

    assert step <= wait <= step * (1 + JITTER)


def test_waits_never_come_in_waves():
    assert len({wait_after(1, chance=number / 100) for number in range(100)}) == 100


@pytest.mark.parametrize(
    ("attempts", "age", "over"), [(1, GIVE_UP * 2, False), (99, GIVE_UP, False), (8, GIVE_UP * 1.1, True)]
)
def test_a_mail_is_given_up_when_it_is_old_and_was_tried_often(attempts, age, over):
    assert gives_up(attempts, age=age) is over


@given(st.lists(st.integers(0, 60 * 24 * 40), max_size=60))
def test_however_often_an_address_is_typed_the_mails_keep_their_distance(minutes):
    given_ = []
    for minute in sorted(minutes):
        slot = mailbox_slot(given_, NOW + timedelta(minutes=minute))
        if slot is not None:
            given_.append(slot)

    given_.sort()
    for slot in given_:
        assert sum(slot - timedelta(days=1) < other <= slot for other in given_) <= PER_DAY
        assert sum(slot - timedelta(days=30) < other <= slot for other in given_) <= PER_MONTH
    assert all(later - sooner >= timedelta(minutes=10) for sooner, later in pairwise(given_))


@given(st.lists(st.integers(0, 60 * 30), max_size=400))
def test_however_a_network_floods_at_most_its_places_an_hour_come_of_it(minutes):
    given_ = []
    for minute in sorted(minutes):
        slot = network_slot(given_, NOW + timedelta(minutes=minute), places=10)
        if slot is not None:
            given_.append(slot)

    for slot in given_:
        assert sum(slot - timedelta(hours=1) < other <= slot for other in given_) <= 10


def days_ago(*numbers):
    return [TODAY - timedelta(days=number) for number in numbers]


@pytest.mark.parametrize(
    ("limit", "days", "enough"),
    [
        (1, [], True),
        (2, days_ago(0), False),
        (2, days_ago(0, 1), True),
        (2, days_ago(0, 30), False),
        (4, days_ago(0, 1, 2), False),
        (4, days_ago(0, 1, 2, 29), True),
    ],
)
def test_soft_bounces_are_days_within_a_month(limit, days, enough):
    assert is_enough(limit, days, TODAY) is enough


@given(st.integers(0, 50_000_000))
def test_the_goal_is_always_ahead_of_the_count(count):
    assert next_goal(count) > count


@given(st.integers(0, 5_000_000), st.integers(0, 5_000_000))
def test_milestones_crossed_in_two_steps_are_those_crossed_in_one(middle, top):
    low, high = sorted((middle, top))
    ladder = thresholds_up_to(high)

    assert crossed(0, low, ladder) + crossed(low, high, ladder) == crossed(0, high, ladder)


TABLES = [
    (states.PetitionState, states.PETITION_MOVES),
    (states.RequestState, states.REQUEST_MOVES),
    (states.SignatureState, states.SIGNATURE_MOVES),
    (states.MessageState, states.MESSAGE_MOVES),
]


@pytest.mark.parametrize(("kind", "moves"), TABLES)
def test_the_table_of_moves_knows_every_state_and_none_leads_to_itself(kind, moves):
    assert moves.keys() == set(kind)
    for state, targets in moves.items():
        assert targets <= set(kind)
        assert state not in targets


@pytest.mark.parametrize(("kind", "moves"), TABLES)
def test_every_state_can_be_reached_from_the_first(kind, moves):
    reached, edge = set(), {next(iter(kind))}
    while edge:
        reached |= edge
        edge = {target for state in edge for target in moves[state]} - reached

    assert reached == set(kind)


def test_open_messages_are_those_with_something_to_come():
    assert {"planned", "claimed", "submitting"} == states.OPEN_STATES
