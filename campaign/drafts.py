"""What an organiser writes about a petition in one language, and the rules it must keep."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from campaign.accounts.addresses import has_controls
from campaign.errors import InvalidInputError
from campaign.markdown import MAX_BODY

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
