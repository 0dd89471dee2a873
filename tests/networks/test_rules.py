"""The rules for one network, played minute by minute: a rally of people who answer, and a bot that does not."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from campaign.networks.rules import HORIZON, LIFE, SHIELDED_PLACES, Limits, fresh, from_text

LIMITS = Limits(start=20, cap=1000)
NOW = 30_000_000


class Play:
    """People of one network, and what became of each."""

    def __init__(self, *, answers=lambda _number: None):
        self.network = fresh(NOW, LIMITS)
        self.answers = answers
        self.line: dict[int, tuple[int, int]] = {}
        self.waits: list[int] = []
        self.promises: list[tuple[int, int]] = []
        self.refused = self.most_out = 0
        self.answering: list[int] = []

    def minute(self, arrivals):
        self.network = self.network.at(self.network.seen + 1, LIMITS)
        now = self.network.seen
        self.send()
        for _ in range(sum(when <= now for when in self.answering)):
            self.network = self.network.answered(LIMITS)
        self.answering = [when for when in self.answering if when > now]
        for _ in range(arrivals):
            self.network, booking = self.network.moved().book()
            if booking is None:
                self.refused += 1
            elif booking.ticket is None:
                self.mail(now, now)
            else:
                assert booking.minute > now
                self.line[booking.ticket] = now, booking.minute
        self.send()
        self.most_out = max(self.most_out, self.network.out)
        assert from_text(self.network.as_text()) == self.network

    def send(self):
        now = self.network.seen
        for ticket in sorted(self.line):
            since, promised = self.line[ticket]
            assert ticket < self.network.released or promised > now
            if ticket < self.network.released:
                del self.line[ticket]
                self.mail(since, promised)

    def mail(self, since, promised):
        now = self.network.seen
        self.waits.append(now - since)
        assert now <= promised
        if (lag := self.answers(len(self.waits))) is not None:
            self.answering.append(now + lag)


def test_four_hundred_people_of_whom_nine_in_ten_answer_are_all_mailed_within_five_minutes():
    play = Play(answers=lambda number: 2 if number % 10 else None)
    for minute in range(30):
        play.minute(40 if minute < 10 else 0)

    assert (len(play.waits), play.refused, len(play.line)) == (400, 0, 0)
    assert max(play.waits) < 5


def test_a_bot_that_answers_nothing_never_has_more_out_than_at_the_start_and_meets_the_shield():
    play = Play()
    for minute in range(HORIZON + 2):
        play.minute(1000 if minute < 10 else 0)

    assert play.most_out == LIMITS.start
    assert play.network.is_shielded
    assert play.network.lifted().is_shielded is False
    assert len(play.waits) == LIMITS.start * (HORIZON // LIFE + 1)
    assert (len(play.waits) + play.refused, len(play.line)) == (10_000, 0)


def test_a_network_that_stops_answering_falls_back_to_the_places_of_the_start():
    play = Play(answers=lambda number: 1 if number <= 200 else None)
    for _ in range(20):
        play.minute(20)
    grown = play.network.window
    for _ in range(3 * LIFE):
        play.minute(0)

    assert grown > 100
    assert play.network.window == LIMITS.start


def test_a_shielded_network_has_fewer_places_and_those_without_proof_wait_longer():
    network = fresh(NOW, LIMITS)
    for _ in range(20):
        network, _booking = network.book()
    network = network.at(NOW + LIFE, LIMITS)
    assert network.is_shielded

    bookings = []
    for number in range(SHIELDED_PLACES + 3):
        network, booking = network.book(proven=number > 0)
        bookings.append(booking.minute - network.seen)

    assert bookings == [30, 0, 0, 0, 0, 60, 60, 60]


@settings(max_examples=8)
@given(st.randoms(use_true_random=False), st.integers(0, 90), st.integers(1, 40))
def test_no_promise_is_broken_whatever_people_do(chance: random.Random, percent, rush):
    play = Play(answers=lambda _: chance.randrange(0, 5) if chance.randrange(100) < percent else None)
    for _ in range(40):
        play.minute(chance.randrange(rush))
    for _ in range(HORIZON + 1):
        if play.line:
            play.minute(0)

    assert play.line == {}
