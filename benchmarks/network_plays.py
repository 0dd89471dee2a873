"""Time to the email on shared networks: the two plays of tests/signatures/test_places.py in steps of a few seconds.

The clock is played too, so ten minutes take seconds and the figures are those of the rules alone: what a worker and the
mail server take comes on top.
"""

from dataclasses import dataclass
from datetime import timedelta

from benchmarks.installation import Installation
from campaign.runtime import build
from tests.kit.crowds import Crowd
from tests.kit.worlds import Clock, World

STEP = timedelta(seconds=5)
ARRIVING = timedelta(minutes=10)
PEOPLE, FORMS = 400, 10_000
GOAL_S = 300.0


@dataclass(frozen=True)
class Play:
    """Seconds from the form to the moment its email may leave, and what else came of it."""

    p50_s: float
    p95_s: float
    most_s: float
    mailed: int
    refused: int
    most_out: int
    """Emails without an answer at the same time, at most."""


def measure(made: Installation) -> dict[str, Play]:
    """Play both; Redis and PostgreSQL of the installation must run, its workers must not.

    Returns:
        ``people``: 400 of one network in ten minutes, of whom nine in ten press the button after two.
        ``bot``: 10,000 forms of one network in ten minutes, none of which is answered.
        ``neighbours``: people of other networks meanwhile.
    """
    clock = Clock()
    runtime = build(made.settings, nudge=lambda _work: None, clock=clock)
    try:
        world = World(runtime, clock, [])
        people = Crowd(world, presses=lambda number: number % 10, slug="people")
        found = {"people": _play(people, PEOPLE, ARRIVING + timedelta(minutes=10))}
        clock.forward(days=1)
        bot, neighbours = Crowd(world, slug="bot"), Crowd(world, slug="neighbours")
        found["bot"] = _play(bot, FORMS, timedelta(hours=8), neighbours)
        found["neighbours"] = _summed(neighbours, 0)
        return found
    finally:
        runtime.close()


def _play(crowd: Crowd, forms: int, lasts: timedelta, neighbours: Crowd | None = None) -> Play:
    clock, begin, sent, most = crowd.world.clock, crowd.world.clock.now, 0, 0
    while (passed := clock.now - begin) <= lasts:
        crowd.press()
        due = min(forms, int(forms * (passed + STEP) / ARRIVING))
        crowd.arrive(due - sent)
        if neighbours is not None and due > sent:
            neighbours.arrive(1, network=f"198.51.{len(neighbours.waits)}.1")
            neighbours.work()
        sent = due
        crowd.work()
        most = max(most, crowd.out())
        clock.forward(seconds=STEP.total_seconds() if passed < 2 * ARRIVING else 60)
    return _summed(crowd, most)


def _summed(crowd: Crowd, most_out: int) -> Play:
    waits = sorted(wait.total_seconds() for wait in crowd.waits)
    return Play(
        p50_s=waits[len(waits) // 2],
        p95_s=waits[int(len(waits) * 0.95)],
        most_s=waits[-1],
        mailed=len(waits),
        refused=crowd.refused,
        most_out=most_out,
    )


def show(plays: dict[str, Play]) -> None:
    """Print a line for each."""
    for name, play in plays.items():
        print(
            f"  {name:10} email after p50 {play.p50_s:.0f} s, p95 {play.p95_s:.0f} s, at most {play.most_s:.0f} s;"
            f" {play.mailed} mailed, {play.refused} asked to come later, at most {play.most_out} without an answer"
        )
    most = plays["people"].most_s
    print(f"{'shared network':16} {most:6.0f} s goal <  {GOAL_S:.0f}   {'met' if most < GOAL_S else 'NOT met'}")
