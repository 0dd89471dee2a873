"""Goals and milestones: a ladder of round numbers that grows with the count."""

from itertools import pairwise

LADDER = (100, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000)
"""Thresholds in signatures; above the last one each next million."""

FIRST_GOAL = 1_000
"""The goal a petition starts with: the first thousand is what most petitions need."""

GROWS_AT = 0.8
"""Share of the present goal at which the next one is shown, so that the goal is never reached and stale."""


def next_goal(count: int, *, fixed: int | None = None, first: int = FIRST_GOAL) -> int:
    """The goal to show for a count of signatures: the organiser's fixed one, else the next rung of the ladder."""
    if fixed is not None:
        return fixed
    for rung in (step for step in LADDER if step >= first):
        if count < rung * GROWS_AT:
            return rung
    return (int(count / GROWS_AT) // 1_000_000 + 1) * 1_000_000


def thresholds_up_to(count: int) -> list[int]:
    """All default milestones a count has reached, smallest first."""
    reached = [step for step in LADDER if step <= count]
    return reached + list(range(2_000_000, count + 1, 1_000_000))


def crossed(before: int, after: int, thresholds: list[int]) -> list[int]:
    """The thresholds passed when a count goes from ``before`` to ``after``, smallest first."""
    return [step for step in sorted(thresholds) if before < step <= after]


def check_thresholds(thresholds: list[int]) -> bool:
    """True if an organiser's own milestones are positive and strictly growing."""
    return all(step > 0 for step in thresholds) and all(low < high for low, high in pairwise(thresholds))
