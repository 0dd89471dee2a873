"""The texts of an update as typed: what is wrong with them, field by field and with the place."""

from collections.abc import Mapping

from campaign.accounts.addresses import has_controls
from campaign.blasts import merge_tags
from campaign.blasts.rules import BlastText
from campaign.errors import InvalidInputError
from campaign.petitions.markdown import MAX_BODY
from campaign.settings import LANGUAGES

MAX_SUBJECT = 120
"""Characters of a subject as typed."""


def check_texts(texts: Mapping[str, BlastText]) -> None:
    """Refuse texts that can't be sent.

    Raises:
        InvalidInputError: a code per field, e.g. ``{"de.body": "unknown_tag 3:14 nmae"}``: line and column from 1.
    """
    problems: dict[str, str] = {}
    if not texts:
        problems["texts"] = "missing"
    for locale, written in texts.items():
        if locale not in LANGUAGES:
            problems[f"{locale}.subject"] = "unknown_language"
            continue
        if problem := _subject_problem(written.subject):
            problems[f"{locale}.subject"] = problem
        if not written.body_markdown.strip():
            problems[f"{locale}.body"] = "missing"
        elif len(written.body_markdown) > MAX_BODY:
            problems[f"{locale}.body"] = "too_long"
        elif has_controls(written.body_markdown, lines=True):
            problems[f"{locale}.body"] = "control_characters"
        elif found := merge_tags.body_problems(written.body_markdown.replace("\r\n", "\n")):
            first = found[0]
            problems[f"{locale}.body"] = f"{first.code} {first.line}:{first.column} {first.text}"
    if problems:
        raise InvalidInputError(problems)


def _subject_problem(subject: str) -> str | None:
    if not subject.strip():
        return "missing"
    if len(subject) > MAX_SUBJECT:
        return "too_long"
    if has_controls(subject.strip()):
        return "control_characters"
    if found := merge_tags.problems(subject):
        return f"{found[0].code} {found[0].line}:{found[0].column} {found[0].text}"
    if merge_tags.used(subject) & set(merge_tags.PER_RECIPIENT):
        return "personal_tag"
    return None
