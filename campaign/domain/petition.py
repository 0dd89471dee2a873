"""What a petition is, as values."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from campaign.domain.goals import next_goal
from campaign.states import PetitionState

GRACE = timedelta(hours=24)
"""Confirming shortly after the petition closed still counts: the signer pressed the button in time."""


@dataclass(frozen=True)
class Petition:
    """A petition without its texts."""

    id: int
    slug: str
    state: PetitionState
    default_locale: str
    author: str
    on_behalf_of: str
    sender_name: str
    fixed_goal: int | None
    count: int
    published_at: datetime | None
    closed_at: datetime | None

    @property
    def goal(self) -> int:
        """The goal to show for the present count."""
        return next_goal(self.count, fixed=self.fixed_goal)

    def accepts_confirmations(self, now: datetime) -> bool:
        """True while the petition is live, and for :data:`GRACE` after it closed."""
        if self.state is PetitionState.LIVE:
            return True
        return self.state is PetitionState.CLOSED and self.closed_at is not None and now < self.closed_at + GRACE


@dataclass(frozen=True)
class PetitionSettings:
    """What organisers may change on a petition besides its texts."""

    default_locale: str
    author: str
    on_behalf_of: str
    sender_name: str
    fixed_goal: int | None
    """None: the goal grows with the count."""
    milestones: tuple[int, ...] | None
    """None: the default ladder."""
    milestone_policy: str


@dataclass(frozen=True)
class TextVersion:
    """One version of a petition's text in one language; never changed, only followed by the next."""

    id: int
    locale: str
    version: int
    title: str
    summary: str
    addressed_to: str
    body_markdown: str
    body_html: str
    hash: bytes
    created_at: datetime
    byline: str = ""
    """Who asks, in this language; empty: the petition's author and group."""


def nearest(texts: dict[str, TextVersion], locale: str, default: str) -> TextVersion:
    """The text in a language, else in the petition's own, else in any."""
    for wanted in (locale, default):
        if wanted in texts:
            return texts[wanted]
    return next(iter(texts.values()))
