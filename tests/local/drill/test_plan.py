from collections import Counter

import pytest

from campaign.local.drill.plan import KILLS, ON_WORKERS, Change, FaultKind, Order, make_plan


@pytest.mark.parametrize("kills", [0, 1, 10, 37, 100])
def test_a_plan_has_as_many_kills_as_were_ordered(kills):
    plan = make_plan(Order(recipients=200, kills=kills, seed=3))

    assert sum(fault.kind in KILLS for fault in plan.faults) == kills
    assert {FaultKind.REDIS_RESTART, FaultKind.REDIS_FLUSH, FaultKind.POSTGRES_RESTART} <= {
        fault.kind for fault in plan.faults
    }


def test_the_same_order_gives_the_same_plan_and_another_seed_another():
    order = Order(recipients=500, kills=10, seed=3)

    assert make_plan(order) == make_plan(order)
    assert make_plan(order) != make_plan(Order(recipients=500, kills=10, seed=4))


def test_most_kills_are_of_workers_in_every_way_and_each_server_is_killed_too():
    numbers = Counter(fault.kind for fault in make_plan(Order(recipients=2000, kills=100, seed=1)).faults)

    assert sum(numbers[kind] for kind in ON_WORKERS) == 80
    assert all(numbers[kind] for kind in FaultKind)


def test_everything_happens_within_the_time_of_the_drill_in_order():
    plan = make_plan(Order(recipients=2000, kills=10, seed=1))

    for events in (plan.faults, plan.changes, plan.sign_ups):
        moments = [event.at for event in events]
        assert moments == sorted(moments)
        assert moments[0] >= 0
        assert moments[-1] <= plan.order.seconds


def test_nobody_changes_their_mind_twice_and_every_change_occurs():
    changes = make_plan(Order(recipients=2000, kills=10, seed=1)).changes

    assert len({change.recipient for change in changes}) == len(changes)
    assert {change.change for change in changes} == set(Change)


def test_the_blast_lasts_as_long_as_blows_fall():
    order = Order(recipients=20_000, kills=100, seed=1)

    assert 0.7 * order.seconds <= order.recipients / order.rate <= order.seconds
