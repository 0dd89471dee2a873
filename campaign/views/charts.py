"""The geometry of bar charts: heights and labels for a template that draws them; axes begin at zero."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

TOP = 100.0
"""Height of the drawing in its own units; the page stretches it."""

_STEPS = (1, 2, 3, 4, 5, 6, 8)


@dataclass(frozen=True)
class Bar:
    """One bucket: its position, and how high its two values are, in units of the drawing."""

    x: float
    label: str
    back: int
    front: int
    back_height: float
    front_height: float


@dataclass(frozen=True)
class Chart:
    """A chart of two values per bucket, one in front of the other."""

    bars: tuple[Bar, ...]
    ticks: tuple[tuple[int, float], ...]
    """Numbers on the axis with their place from the top, the highest first, the last one zero."""

    @property
    def width(self) -> int:
        """Width in units: ten per bucket."""
        return 10 * len(self.bars)

    @property
    def is_empty(self) -> bool:
        """True if there is nothing to draw."""
        return not any(bar.back or bar.front for bar in self.bars)


def axis_top(highest: int) -> int:
    """The next round number, one digit and zeros, so near that the highest bar fills most of the height."""
    power = 1
    while True:
        for step in _STEPS:
            if highest <= step * power:
                return step * power
        power *= 10


def chart(buckets: Sequence[tuple[str, int, int]]) -> Chart:
    """A chart of buckets: label, the value behind, the value in front."""
    top = axis_top(max((max(back, front) for _, back, front in buckets), default=1))
    bars = tuple(
        Bar(
            x=10.0 * index,
            label=label,
            back=back,
            front=front,
            back_height=round(TOP * back / top, 2),
            front_height=round(TOP * front / top, 2),
        )
        for index, (label, back, front) in enumerate(buckets)
    )
    # Only whole numbers of people stand on the axis.
    middle = [(top // 2, TOP / 2)] if top % 2 == 0 else []
    return Chart(bars, ((top, 0.0), *middle, (0, TOP)))


HEIGHT = 40
STEP = 4
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
