"""All hosts tell the database's time, whatever their own clocks say."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from campaign.database.clock import SharedClock, own_time
from campaign.database.connection import Store
from campaign.delivery.journal import recover
from campaign.outbox import ledger
from campaign.runtime import build
from campaign.states import Lane
from tests.kit.worlds import World, settings_for

NOON = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)
MINUTES = timedelta(minutes=7)


class Host:
    """A host's two clocks, which a test moves."""

    def __init__(self, wall=NOON):
        self.wall = wall
        self.steady = 1000.0

    def clock(self):
        return SharedClock(lambda: self.wall, steady=lambda: self.steady)

    def passes(self, seconds):
        self.wall += timedelta(seconds=seconds)
        self.steady += seconds


def off_by(difference):
    """The clock of a host that is wrong by so much."""
    return SharedClock(lambda: own_time() + difference)


@pytest.mark.parametrize("difference", [MINUTES, -MINUTES])
def test_a_host_whose_clock_is_minutes_off_tells_the_time_of_the_database(database_url, difference):
    clock = off_by(difference)
    store = Store(database_url, clock=clock)

    store.transact(lambda tx: tx.execute(text("select 1")).scalar_one())

    assert abs((clock() - own_time()).total_seconds()) < 1
    store.close()


def test_a_clock_that_agrees_is_left_alone():
    host = Host()
    clock = host.clock()

    clock.compare(lambda: NOON)

    assert clock() == NOON


def test_clocks_are_compared_each_minute_and_after_a_host_s_clock_was_set():
    host = Host()
    clock = host.clock()
    at_first = clock.is_due
    clock.compare(lambda: NOON)
    host.passes(59)
    after_59_s = clock.is_due
    host.passes(1)
    after_a_minute = clock.is_due
    clock.compare(lambda: host.wall)
    host.wall += MINUTES

    assert (at_first, after_59_s, after_a_minute, clock.is_due) == (True, False, True, True)


def test_a_slow_answer_does_not_move_the_clock():
    host = Host()
    clock = host.clock()
    clock.compare(lambda: NOON)

    def slowly():
        host.passes(9)
        return NOON + timedelta(seconds=60)

    clock.compare(slowly)

    assert clock() == host.wall


def test_a_host_with_a_fast_clock_takes_no_lease_from_the_living(database_url, tmp_path):
    right = build(settings_for(database_url, tmp_path / "right"))
    clock = off_by(MINUTES)
    fast = replace(right, settings=settings_for(database_url, tmp_path / "fast"), clock=clock,
                   store=Store(database_url, clock=clock))  # fmt: skip
    world = World(right, right.clock)
    world.signature(world.petition(), "p@example.org")
    deliverer = world.deliverer()
    now = right.clock()
    right.store.transact(
        lambda tx: ledger.claim(
            tx, Lane.URGENT, owner_id=deliverer.owner_id, limit=1, lease_until=now + timedelta(seconds=120), now=now
        )
    )

    recovered = recover(fast)

    assert recovered == 0
    assert world.sql("select state from message") == [("claimed",)]
    deliverer.close()
    right.close()
    fast.close()
