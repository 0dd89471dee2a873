"""Buckets, slowed domains, warming up."""

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from campaign.delivery.token_bucket import AGAIN, RECOVERY, SLICE, SLOWEST, TokenBucket, first_sign
from campaign.variables import WarmUp

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@given(
    st.floats(1, 10_000),
    st.lists(st.tuples(st.integers(1, 500), st.floats(0, 2)), min_size=1, max_size=60),
)
def test_a_bucket_never_lets_more_through_than_its_rate_and_one_slice(rate, asked):
    bucket, now, total = TokenBucket(0.0, 0.0), 0.0, 0

    for wanted, later in asked:
        now += later
        taken, bucket = bucket.take(wanted, rate=rate, now=now)
        total += taken

    assert total <= now * rate + max(1.0, rate * SLICE) + 1e-6


def test_urgent_mail_never_waits_and_bulk_mail_pays_for_it():
    bucket = TokenBucket(0.0, 0.0)

    urgent, bucket = bucket.take(50, rate=10, now=0.0, must=True)
    at_once, bucket = bucket.take(10, rate=10, now=1.0)
    later, bucket = bucket.take(10, rate=10, now=5.5)

    assert (urgent, at_once, later) == (50, 0, 2)


def test_a_domain_that_asks_for_less_gets_half_and_recovers_by_itself():
    slow = first_sign(NOW)
    again = slow.asked_again(NOW + AGAIN)

    assert slow.now(NOW) == 0.5
    assert again.now(NOW + AGAIN) == 0.25
    assert again.now(NOW + AGAIN + RECOVERY) == 0.5
    assert again.now(NOW + AGAIN + 2 * RECOVERY) == 1.0


def test_the_answers_of_one_burst_are_one_sign():
    slow = first_sign(NOW)

    assert slow.asked_again(NOW + AGAIN / 2) == slow


def test_a_domain_is_never_slowed_to_a_standstill():
    slow = first_sign(NOW)
    for n in range(1, 40):
        slow = slow.asked_again(NOW + n * AGAIN)

    assert slow.factor == SLOWEST


def test_warming_up_doubles_each_day():
    warm_up = WarmUp(date(2026, 11, 20), 500)

    caps = [warm_up.cap(date(2026, 11, 19) + timedelta(days=n)) for n in range(4)]

    assert caps == [500, 500, 1000, 2000]
