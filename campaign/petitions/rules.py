"""What a petition is, as values."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from campaign.accounts.addresses import has_controls
from campaign.errors import InvalidInputError
from campaign.petitions.markdown import MAX_BODY
from campaign.petitions.markdown import problems as text_problems
from campaign.states import PetitionState

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
    discreet: bool = False
    """Mail and the pages it leads to name neither the petition nor its author; no names are public."""
    reply_to: bytes | None = field(default=None, repr=False)
    """Where replies go, sealed; None: nowhere."""

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
    discreet: bool = False
    reply_to: str = field(default="", repr=False)
    """The email address that replies of signers are forwarded to; empty: none."""


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


MAX_TITLE = 140
MAX_LINE = 500


@dataclass(frozen=True)
class Draft:
    """What an organiser writes about a petition in one language."""

    title: str
    addressed_to: str
    body: str
    summary: str = ""
    byline: str = ""
    """Who asks, in this language; empty: the petition's author and group."""


def check_draft(draft: Draft) -> None:
    """Refuse a text that can't be published.

    Raises:
        InvalidInputError: with a code per field.
    """
    problems = {}
    title = draft.title.strip()
    if not title or len(title) > MAX_TITLE or has_controls(title):
        problems["title"] = "missing" if not title else "too_long_or_control"
    problems |= check_lines(
        {"addressed_to": draft.addressed_to, "summary": draft.summary, "byline": draft.byline}, needed={"addressed_to"}
    )
    if not draft.body.strip():
        problems["body"] = "missing"
    elif len(draft.body) > MAX_BODY:
        problems["body"] = "too_long"
    elif has_controls(draft.body, lines=True):
        problems["body"] = "control_characters"
    elif found := text_problems(draft.body.replace("\r\n", "\n").strip()):
        problems["body"] = f"{found[0].code} {found[0].line}:{found[0].column} {found[0].words}"
    if problems:
        raise InvalidInputError(problems)


def check_lines(fields: Mapping[str, str], *, needed: Collection[str]) -> dict[str, str]:
    """A problem code for each short text that is missing though needed, too long, or holds control characters."""
    problems = {}
    for name, typed in fields.items():
        line = typed.strip()
        if not line and name in needed:
            problems[name] = "missing"
        elif len(line) > MAX_LINE:
            problems[name] = "too_long"
        elif has_controls(line, lines=name == "summary"):
            problems[name] = "control_characters"
    return problems
