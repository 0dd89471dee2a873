"""Merge tags of an organiser's text outside mail: for the public page and for the editor's live preview."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from campaign.blasts.rules import Blast
from campaign.i18n import format_number
from campaign.petitions import markdown as petition_markdown
from campaign.petitions.markdown import to_html
from campaign.petitions.petitions import Opened
from campaign.petitions.rules import next_goal
from campaign.runtime import Runtime

PER_RECIPIENT: Mapping[str, str] = {"name": "name", "unsubscribe": "link_unsubscribe"}
"""Tags whose value differs per recipient, with the slot that the mail templates know."""

PER_BLAST: Mapping[str, str] = {
    "count": "count",
    "goal": "goal",
    "petition": "petition_title",
    "link": "link_petition",
    "own page": "link_mine",
}
"""Tags with one value for everybody."""

TAGS = frozenset(PER_RECIPIENT) | frozenset(PER_BLAST)

_OPENING = re.compile(r"\{\{|\{%|\{#")


@dataclass(frozen=True)
class TagProblem:
    """Where a text can't be merged, and why: ``unknown_tag``, ``unclosed_tag``, ``not_a_tag`` or ``tag_in_link``.

    Or why it can't be rendered: a code of :class:`campaign.petitions.markdown.TextProblem`.
    """

    code: str
    line: int
    column: int
    text: str


def problems(text: str) -> list[TagProblem]:
    """Every place in a text that is no merge tag of ours, in reading order; lines and columns count from 1."""
    found = []
    for opening in _OPENING.finditer(text):
        start = opening.start()
        line, column = text.count("\n", 0, start) + 1, start - text.rfind("\n", 0, start)
        if opening[0] != "{{":
            found.append(TagProblem("not_a_tag", line, column, opening[0]))
            continue
        end = text.find("}}", start)
        inside = text[start + 2 : end]
        if end < 0 or "\n" in inside or "{{" in inside:
            found.append(TagProblem("unclosed_tag", line, column, text[start : start + 20].split("\n", maxsplit=1)[0]))
        elif _name(inside) not in TAGS:
            found.append(TagProblem("unknown_tag", line, column, inside.strip()[:40]))
    return found


_IN_TARGET = re.compile(r"\]\([^()\s]*?\{\{\s*(name|count|goal|petition)\s*\}\}", re.IGNORECASE)


def body_problems(text: str) -> list[TagProblem]:
    """Every place in the body of an update that can't be merged or rendered, in reading order."""
    if found := problems(text):
        return found
    for inside in _IN_TARGET.finditer(text):
        start = inside.start(1)
        line, column = text.count("\n", 0, start) + 1, start - text.rfind("\n", 0, start)
        return [TagProblem("tag_in_link", line, column, inside[1])]
    tokens = {tag: f"z{number}tag{number}z" for number, tag in enumerate(sorted(TAGS))}
    merged = merge(text, tokens.__getitem__)
    links = {tokens[tag] for tag in LINKS}
    shared = {tokens[tag] for tag in LINKS & PER_BLAST.keys()}
    lines = text.split("\n")
    return [
        _typed(problem, tokens, lines[problem.line - 1])
        for problem in petition_markdown.problems(merged, own_links=links, open_links=shared)
    ]


def _typed(problem: petition_markdown.TextProblem, tokens: Mapping[str, str], line: str) -> TagProblem:
    """A problem of the merged text, with the words and the column of the text as typed."""
    words = problem.words
    for tag, token in tokens.items():
        words = words.replace(token, f"{{{{{tag}}}}}")
    column = line.find(words) + 1 or 1
    return TagProblem(problem.code, problem.line, column if words else problem.column, words)


def merge(text: str, value: Callable[[str], str]) -> str:
    """The text with each tag replaced by ``value(name)``; what is no tag of ours stays as it was typed.

    A query typed behind a link that has one already continues it: ``{{link}}?from=mail``.
    """

    def filled(match: re.Match[str]) -> str:
        if (name := _name(match[1])) not in TAGS:
            return match[0]
        filled = value(name)
        return filled + ("&" if match[2] and "?" in filled else match[2])

    return re.sub(r"\{\{([^{}\n]*)\}\}((?:\?(?=[\w%]))?)", filled, text)


def used(text: str) -> set[str]:
    """The names of the tags in a text."""
    return {_name(match) for match in re.findall(r"\{\{([^{}\n]*)\}\}", text)} & TAGS


def _name(inside: str) -> str:
    return " ".join(inside.split()).lower()


LINKS = frozenset({"link", "own page", "unsubscribe"})
"""Tags whose value is an address: it is inserted in the Markdown as it is, also as the target of a link."""

_PUNCTUATION = re.compile(r"([\\`*_{}\[\]()#+\-.!<>|~&:/@])")


def shared_values(runtime: Runtime, opened: Opened, blast: Blast, locale: str, *, name: str) -> dict[str, str]:
    """A value for every tag without personal data: each personal link leads to the petition.

    Args:
        runtime: the runtime.
        opened: the petition.
        blast: the update; once it has begun the count is that of its begin.
        locale: how numbers are written.
        name: used in place of the reader's name.
    """
    count = opened.petition.count if blast.count_at_start is None else blast.count_at_start
    link = f"{runtime.settings.base_url}/p/{opened.petition.slug}?lang={locale}"
    return {
        "name": name,
        "count": format_number(count, locale),
        "goal": format_number(next_goal(count, fixed=opened.petition.fixed_goal), locale),
        "petition": opened.text_for(locale).title,
        **dict.fromkeys(LINKS, link),
    }


def escaped(value: str) -> str:
    """A value that means nothing in Markdown: neither emphasis nor a link."""
    return _PUNCTUATION.sub(r"\\\1", value)


def merged_html(markdown: str, values: Mapping[str, str]) -> str:
    """Safe HTML of a text with its tags filled in; a value can't be taken for Markdown."""

    def value(tag: str) -> str:
        return values[tag] if tag in LINKS else escaped(values[tag])

    return to_html(merge(markdown, value))


def merged_line(text: str, values: Mapping[str, str]) -> str:
    """A subject with its tags filled in."""
    return merge(text, values.__getitem__)
