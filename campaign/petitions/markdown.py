"""Organisers' Markdown to safe HTML: markdown-it-py without HTML and images, then nh3.

Any text can be rendered, in bounded time: one over the limits of :func:`problems` is shown as it was typed.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import escape

from campaign.petitions import links
from campaign.petitions.links import SCHEMES

TAGS: Final = {
    "p",
    "br",
    "hr",
    "h2",
    "h3",
    "h4",
    "strong",
    "em",
    "ul",
    "ol",
    "li",
    "blockquote",
    "a",
    "code",
    "pre",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
}

MAX_BODY: Final = 100_000
"""Characters of Markdown; the HTML of a mail must stay under 100 KB (Gmail clips above)."""

MAX_NESTING: Final = 20
"""Levels of tokens within each other; a quotation or emphasis is one, a list two."""

MAX_LINES: Final = 3_000
MAX_MARKS: Final = 10_000
"""Characters that may be markup: what they mean is found by looking back and forth in the text."""

MAX_CELLS: Final = 10_000
"""Cells of all tables: each row is filled up to the width of its head."""

MARKS: Final = (*"[]()*_`<>&\\!|~", "- ", "+ ", ". ")

PARSER: Final = MarkdownIt("commonmark", {"html": False, "linkify": False, "maxNesting": MAX_NESTING + 4})
PARSER.enable("table").disable("image")
PARSER.core.ruler.before("text_join", "links", links.work_on_links)


@dataclass(frozen=True)
class TextProblem:
    """What is wrong with a text, and where; line and column count from 1."""

    code: str
    """``too_many_lines``, ``too_much_markup``, ``too_large_table``, ``too_deep``, ``dead_link``, ``html_tag``."""
    line: int
    column: int
    words: str = ""


def problems(markdown: str, *, own_links: Collection[str] = (), open_links: Collection[str] = ()) -> list[TextProblem]:
    """What an organiser must mend: what can't be rendered, links that lead nowhere, and HTML, in reading order.

    Args:
        markdown: as written.
        own_links: as for :func:`to_html`.
        open_links: those of ``own_links`` that a query or fragment may follow.
    """
    if (size := _over_size(markdown)) is not None:
        return [size]
    notes: list[links.Note] = []
    tokens = PARSER.parse(markdown, {links.OWN_LINKS: own_links, links.OPEN_LINKS: open_links, links.NOTES: notes})
    if (deep := _too_deep(tokens)) is not None:
        return [deep]
    lines = markdown.split("\n")
    found = [TextProblem(code, *_place(lines, block, words), words[:80]) for code, block, words in notes]
    return sorted(found, key=lambda problem: (problem.line, problem.column))


def _place(lines: Sequence[str], block: tuple[int, int], words: str) -> tuple[int, int]:
    first, end = block
    for number in range(first, min(end, len(lines))):
        if (at := lines[number].find(words)) >= 0:
            return number + 1, at + 1
    return first + 1, 1


def parse(markdown: str, *, own_links: Collection[str] = ()) -> list[Token] | None:
    """The tokens of a text; None if it is over the limits and is to be shown as it was typed.

    Args:
        markdown: as written.
        own_links: as for :func:`to_html`.
    """
    if _over_size(markdown) is not None:
        return None
    tokens = PARSER.parse(markdown, {links.OWN_LINKS: own_links})
    return None if _too_deep(tokens) is not None else tokens


def is_over_limits(markdown: str) -> bool:
    """True if a text is shown as it was typed, for it can't be rendered within the limits."""
    return parse(markdown) is None


def _over_size(markdown: str) -> TextProblem | None:
    """What is too much to be parsed at all; found in one pass."""
    marks = cells = widest = rows = 0
    for number, line in enumerate(markdown.split("\n"), 1):
        marks += sum(map(line.count, MARKS))
        if line.strip():
            widest, rows = max(widest, line.count("|")), rows + 1
        else:
            cells, widest, rows = cells + _cells(widest, rows), 0, 0
        if number > MAX_LINES:
            return TextProblem("too_many_lines", number, 1, str(MAX_LINES))
        if marks > MAX_MARKS:
            return TextProblem("too_much_markup", number, 1, str(MAX_MARKS))
        if cells + _cells(widest, rows) > MAX_CELLS:
            return TextProblem("too_large_table", number, 1, str(MAX_CELLS))
    return None


def _cells(widest: int, rows: int) -> int:
    return (widest + 1) * rows if widest else 0


def _too_deep(tokens: Sequence[Token]) -> TextProblem | None:
    line = 1
    for token in tokens:
        line = token.map[0] + 1 if token.map else line
        inner = max((child.level for child in token.children or ()), default=0)
        if max(token.level, inner) > MAX_NESTING:
            return TextProblem("too_deep", line, 1, str(MAX_NESTING // 2))
    return None


def to_html(markdown: str, *, own_links: Collection[str] = ()) -> str:
    """Safe HTML for pages and mails; scripts, forms, images, styles and odd link schemes do not survive.

    A first-level heading becomes a second-level one, since the title of a page is above it.

    Args:
        markdown: as written.
        own_links: link targets of our own that are no addresses yet (slots of a mail).
    """

    def keep_link(tag: str, name: str, value: str) -> str | None:
        return value if tag != "a" or name != "href" or links.resolve(value, own_links) == value else None

    tokens = parse(markdown, own_links=own_links)
    env: dict[str, Any] = {}
    rendered = _as_typed(markdown) if tokens is None else PARSER.renderer.render(tokens, PARSER.options, env)
    rendered = rendered.replace("<h1>", "<h2>").replace("</h1>", "</h2>")
    return nh3.clean(
        rendered,
        tags=TAGS,
        attributes={"a": {"href"}},
        url_schemes=SCHEMES,
        link_rel="noopener nofollow",
        attribute_filter=keep_link,
    ).strip()


def _as_typed(markdown: str) -> str:
    paragraphs = [part for part in markdown.split("\n\n") if part.strip()]
    return "\n".join(f"<p>{escape(part.strip())}</p>" for part in paragraphs)
