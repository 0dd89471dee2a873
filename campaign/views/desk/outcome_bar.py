"""What became of an update's emails, as one bar and one table in the same colours and words."""

from dataclasses import dataclass

from campaign.blasts.reports import Report
from campaign.states import MessageState
from campaign.views.desk import words
from campaign.views.language import gettext as _

WIDTH = 1000


@dataclass(frozen=True)
class Part:
    """One outcome: a stretch of the bar and a line of the table."""

    code: str
    label: str
    number: int
    x: float
    width: float


def parts(report: Report) -> list[Part]:
    """The five outcomes and what is still open, in this order; the stretches add up to :data:`WIDTH`."""
    numbers = [
        *((str(state), words.said(words.EQUATION, state), report.states.get(MessageState(state), 0))
          for state in words.EQUATION),
        ("open", _("Still to be sent"), report.open),
    ]  # fmt: skip
    found, x, total = [], 0.0, max(report.planned, 1)
    for code, label, number in numbers:
        width = number * WIDTH / total
        found.append(Part(code, label, number, round(x, 2), round(width, 2)))
        x += width
    return found
