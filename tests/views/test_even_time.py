"""What is answered alike to a known and to an unknown address takes the same time."""

import time

import pytest

from campaign.views.constant_time import ASKING, SIGNING, EvenTime, least


class Timed:
    """An application that takes so many seconds, on a clock of its own."""

    def __init__(self, takes: float) -> None:
        self.takes, self.now, self.slept = takes, 100.0, []
        self.even = EvenTime(self._work, clock=lambda: self.now, sleep=self.slept.append)

    def _work(self, _environ, _start_response):
        self.now += self.takes
        return [b"answer"]

    def ask(self, method="POST", path="/p/rivers/sign"):
        answer = self.even({"REQUEST_METHOD": method, "PATH_INFO": path}, None)
        return answer, self.takes + sum(self.slept)


@pytest.mark.parametrize("takes", [0.0, 0.0007, 0.005, SIGNING])
def test_a_sign_up_is_answered_at_the_same_time_however_little_there_was_to_do(takes):
    answer, seconds = Timed(takes).ask()

    assert answer == [b"answer"]
    assert seconds == pytest.approx(SIGNING)


def test_nothing_is_added_to_what_takes_longer():
    timed = Timed(2 * SIGNING)

    assert timed.ask()[1] == 2 * SIGNING
    assert timed.slept == []


@pytest.mark.parametrize(
    ("method", "path", "seconds"),
    [
        ("POST", "/p/rivers/sign", SIGNING),
        ("POST", "/p/%D8%B1/sign", SIGNING),
        ("POST", "/resend", ASKING),
        ("POST", "/sign-in", ASKING),
        ("GET", "/p/rivers/sign", 0),
        ("GET", "/sign-in", 0),
        ("POST", "/p/rivers/code", 0),
        ("POST", "/sign-in/token", 0),
        ("GET", "/p/rivers", 0),
    ],
)
def test_only_answers_that_could_tell_something_are_held_back(method, path, seconds):
    assert least(method, path) == seconds


def test_the_application_is_behind_it(site):
    """By its real clock: the answer is there no sooner."""
    begun = time.monotonic()
    site.post("/resend", {"email": "nobody@example.org"})

    assert time.monotonic() - begun >= ASKING
