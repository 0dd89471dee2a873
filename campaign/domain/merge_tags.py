"""Merge tags in organisers' texts: a fixed list, found by a small scanner; nothing is ever evaluated."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

PER_RECIPIENT: Mapping[str, str] = {"name": "name", "own page": "link_manage", "unsubscribe": "link_unsubscribe"}
"""Tags whose value differs per recipient, with the slot that the mail templates know."""

PER_BLAST: Mapping[str, str] = {"count": "count", "goal": "goal", "petition": "petition_title", "link": "link_petition"}
"""Tags with one value for everybody."""

TAGS = frozenset(PER_RECIPIENT) | frozenset(PER_BLAST)

_OPENING = re.compile(r"\{\{|\{%|\{#")


@dataclass(frozen=True)
class TagProblem:
    """Where a text can't be merged, and why: ``unknown_tag``, ``unclosed_tag`` or ``not_a_tag``."""

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


def merge(text: str, value: Callable[[str], str]) -> str:
    """The text with each tag replaced by ``value(name)``; call it only for a text without :func:`problems`."""
    return re.sub(r"\{\{([^{}\n]*)\}\}", lambda match: value(_name(match[1])), text)


def used(text: str) -> set[str]:
    """The names of the tags in a text."""
    return {_name(match) for match in re.findall(r"\{\{([^{}\n]*)\}\}", text)} & TAGS


def _name(inside: str) -> str:
    return " ".join(inside.split()).lower()
