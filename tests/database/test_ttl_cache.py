"""The cache of what was read from the database: one rule of age, bounded, one computation for all who ask at once."""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from campaign.runtime import FRESH
from campaign.ttl_cache import TTLCache


class Clock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def counter():
    """A computation that numbers its values."""
    return itertools.count(1).__next__


def test_a_value_is_computed_again_when_its_time_has_passed(clock: Clock):
    cache, compute = TTLCache(FRESH, max_entries=2, clock=clock), counter()
    seen = []

    for clock.now in (0.0, 0.9, 1.0, 1.9, 2.0):
        seen.append(cache.get("key", compute))

    assert seen == [1, 1, 2, 2, 3]


def test_the_time_of_a_value_runs_from_the_start_of_its_computation(clock: Clock):
    cache = TTLCache(FRESH, max_entries=2, clock=clock)

    def slow() -> str:
        clock.now += 0.6
        return f"read at {clock.now - 0.6:.1f}"

    assert [cache.get("key", slow) for _ in range(2)] == ["read at 0.0"] * 2
    clock.now = 1.0
    assert cache.get("key", slow) == "read at 1.0"


def test_nothing_is_a_value_too(clock: Clock):
    cache, computed = TTLCache(FRESH, max_entries=2, clock=clock), []

    values = [cache.get("key", lambda: computed.append("once")) for _ in range(2)]

    assert (values, computed) == ([None, None], ["once"])


def test_the_oldest_value_is_dropped_for_a_new_one(clock: Clock):
    cache, compute = TTLCache(FRESH, max_entries=3, clock=clock), counter()

    for number in range(100_000):
        cache.get(number, compute)

    assert len(cache) == 3
    assert [cache.get(number, compute) for number in (99_999, 99_998, 99_997)] == [100_000, 99_999, 99_998]


def test_values_that_have_expired_leave_with_the_next_one(clock: Clock):
    cache, compute = TTLCache(FRESH, max_entries=100, clock=clock), counter()
    for number in range(50):
        cache.get(number, compute)
    clock.now = FRESH

    cache.get("new", compute)

    assert len(cache) == 1


def test_a_value_that_was_dropped_is_computed_again(clock: Clock):
    cache, compute = TTLCache(FRESH, max_entries=2, clock=clock), counter()
    seen = [cache.get("key", compute)]

    cache.drop("key")
    cache.drop("never seen")
    seen.append(cache.get("key", compute))
    cache.clear()
    seen.append(cache.get("key", compute))

    assert seen == [1, 2, 3]


def test_a_computation_that_began_before_the_drop_is_not_stored(clock: Clock):
    cache = TTLCache(FRESH, max_entries=2, clock=clock)

    def changed_meanwhile() -> str:
        cache.drop("key")
        return "old"

    assert cache.get("key", changed_meanwhile) == "old"
    assert cache.get("key", lambda: "new") == "new"


def test_an_error_is_not_stored(clock: Clock):
    cache = TTLCache(FRESH, max_entries=2, clock=clock)

    with pytest.raises(ZeroDivisionError):
        cache.get("key", lambda: 1 / 0)

    assert cache.get("key", lambda: "computed") == "computed"


class Rush:
    """Threads that ask for one key while its first computation is held up; it fails if it shall."""

    def __init__(self, *, fails: bool) -> None:
        self.computed, self._fails = itertools.count(1), fails
        self._begun, self._may_end = threading.Event(), threading.Event()
        self._cache = TTLCache(60.0, max_entries=2)

    def _first(self) -> str:
        next(self.computed)
        self._begun.set()
        self._may_end.wait(10)
        if self._fails:
            raise ZeroDivisionError
        return "first"

    def _later(self) -> str:
        next(self.computed)
        return "later"

    def run(self, threads: int) -> tuple[object, list[str]]:
        """What the first thread saw, and the others."""
        with ThreadPoolExecutor(threads + 1) as pool:
            first = pool.submit(self._cache.get, "key", self._first)
            assert self._begun.wait(10)
            others = [pool.submit(self._cache.get, "key", self._later) for _ in range(threads)]
            other_key = self._cache.get("other", lambda: "not held up")
            self._may_end.set()
            assert other_key == "not held up"
            return first.exception() or first.result(), [other.result() for other in others]


def test_in_a_rush_a_value_is_computed_once():
    rush = Rush(fails=False)

    assert rush.run(8) == ("first", ["first"] * 8)
    assert next(rush.computed) == 2


def test_an_error_is_only_raised_where_it_happened():
    error, others = Rush(fails=True).run(8)

    assert isinstance(error, ZeroDivisionError)
    assert others == ["later"] * 8
