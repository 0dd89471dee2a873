"""A small chart of an hour, drawn on the server: bars from zero, one for each minute."""

from dataclasses import dataclass
from datetime import datetime

HEIGHT = 40
STEP = 4
BAR = 3
SUMS = 5
"""Minutes summed up in a row of the table beside the chart."""


@dataclass(frozen=True)
class MinuteBar:
    """One bar in the units of the drawing; ``y`` grows downwards."""

    x: int
    y: float
    height: float


@dataclass(frozen=True)
class Sparkline:
    """What the template draws, and the same as numbers."""

    bars: tuple[MinuteBar, ...]
    width: int
    total: int
    most: int
    """The busiest minute."""
    sums: tuple[tuple[datetime, int], ...]
    """The hour in steps of five minutes."""


def draw_sparkline(minutes: tuple[tuple[datetime, int], ...]) -> Sparkline:
    """Measure the bars. The highest fills the chart; even one message in a busy hour is to be seen."""
    numbers = [number for _, number in minutes]
    most = max(numbers, default=0)
    bars = tuple(
        MinuteBar(x=place * STEP, y=round(HEIGHT - height, 2), height=round(height, 2))
        for place, number in enumerate(numbers)
        if number and (height := max(HEIGHT * number / most, 1.5))
    )
    sums = tuple(
        (minutes[first][0], sum(number for _, number in minutes[first : first + SUMS]))
        for first in range(0, len(minutes), SUMS)
    )
    return Sparkline(bars, len(numbers) * STEP, sum(numbers), most, sums)
