"""When a deferred message is tried again."""

from datetime import timedelta

LADDER = (
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=3),
    timedelta(hours=6),
    timedelta(hours=12),
    timedelta(hours=24),
)
"""Waits after the 1st, 2nd … temporary failure of one message; RFC 5321 4.5.4.1 asks for retries over 4-5 days."""

GIVE_UP = timedelta(days=4)
"""A message that the server deferred this long, and all the ladder, is rejected: expired."""

JITTER = 0.2


def wait_after(attempts: int, *, chance: float) -> timedelta:
    """How long to wait after so many attempts.

    Args:
        attempts: attempts made so far, 1 or more.
        chance: a random number from 0 to 1; spreads the retries by up to a fifth, so that they do not come in waves.
    """
    step = LADDER[min(max(attempts, 1), len(LADDER)) - 1]
    return step * (1 + JITTER * chance)


def gives_up(attempts: int, *, age: timedelta) -> bool:
    """True if a deferred message is not tried again.

    A message that is old because its lane stood still has had few attempts: it climbs the whole ladder first.

    Args:
        attempts: attempts made so far.
        age: time since the message was planned.
    """
    return age > GIVE_UP and attempts > len(LADDER)
