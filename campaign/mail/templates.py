"""The Jinja2 environments of mail: one per language, strict about names, escaping HTML, numbers in the local manner."""

from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, Protocol

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from jinja2.exceptions import TemplateError
from markdown_it.tree import SyntaxTreeNode

from campaign.errors import MailTemplateError
from campaign.i18n import format_date, format_number
from campaign.petitions.markdown import PARSER, keeps_link


class Translations(Hashable, Protocol):
    """What the templates need of a gettext catalogue; ``babel.support.Translations`` fits."""

    def gettext(self, message: str) -> str:
        """Translate ``message``."""

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        """Translate the singular or plural for ``n``."""


@cache
def environment(folder: Path, *, locale: str, translations: Translations) -> Environment:
    """An environment over our own template files; made once per process, so that each template is compiled once.

    Filters: ``number`` writes an integer with the digits and grouping of the language (Persian digits in Persian);
    ``date`` a date in words, in the time zone of the value.
    """
    env = Environment(
        loader=FileSystemLoader(folder),
        autoescape=select_autoescape(enabled_extensions=("html",)),
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
    )
    env.install_gettext_translations(translations, newstyle=True)  # type: ignore[attr-defined]  # added by the extension
    env.filters["number"] = lambda number: format_number(number, locale)
    env.filters["date"] = lambda when: format_date(when, locale)
    return env


def render(env: Environment, name: str, context: dict[str, Any]) -> str:
    """Render one template.

    Raises:
        MailTemplateError: for an undefined name or a broken template; names the template.
    """
    try:
        return env.get_template(name).render(context)
    except TemplateError as error:
        raise MailTemplateError(f"The mail template {name} can't be rendered: {error}") from error


RULE: Final = "-" * 20
LONGEST_RULE: Final = 60
"""Characters of the line below a heading, at most."""

MAILTO: Final = "mailto:"


def to_text(markdown: str, *, own_links: Collection[str] = ()) -> str:
    """A text to read as it is.

    Args:
        markdown: as written.
        own_links: as :func:`campaign.petitions.markdown.to_html`.
    """
    root = SyntaxTreeNode(PARSER.parse(markdown))
    return _TemplateContext(own_links).blocks(root).strip()


class _TemplateContext:
    def __init__(self, own_links: Collection[str]) -> None:
        self._own_links = own_links
        self._blocks: Mapping[str, Callable[[SyntaxTreeNode], str]] = {
            "paragraph": self._words,
            "heading": self._heading,
            "bullet_list": self._list,
            "ordered_list": self._list,
            "blockquote": lambda node: _indented(self.blocks(node), "> ", "> "),
            "code_block": lambda node: _indented(node.content.rstrip("\n"), "    ", "    "),
            "fence": lambda node: _indented(node.content.rstrip("\n"), "    ", "    "),
            "hr": lambda _: RULE,
            "table": self._table,
        }

    def blocks(self, parent: SyntaxTreeNode, *, apart: str = "\n\n") -> str:
        return apart.join(text for node in parent.children if (text := self._blocks[node.type](node)))

    def _heading(self, node: SyntaxTreeNode) -> str:
        words = self._words(node)
        return f"{words}\n{'-' * min(len(words), LONGEST_RULE)}" if words else ""

    def _list(self, node: SyntaxTreeNode) -> str:
        # The paragraphs of a tight list are hidden in HTML: its items stand line by line.
        tight = all(part.hidden for item in node.children for part in item.children if part.type == "paragraph")
        items = [
            _indented(self.blocks(item, apart="\n" if tight else "\n\n"), mark, " " * len(mark))
            for item, mark in zip(node.children, _marks(node), strict=False)
        ]
        return ("\n" if tight else "\n\n").join(items)

    def _table(self, node: SyntaxTreeNode) -> str:
        rows = [row for part in node.children for row in part.children]
        return "\n".join(" | ".join(self._words(cell) for cell in row.children) for row in rows)

    def _words(self, node: SyntaxTreeNode) -> str:
        return "".join(map(self._inline, node.children)).strip()

    def _inline(self, node: SyntaxTreeNode) -> str:
        if node.type in {"softbreak", "hardbreak"}:
            return "\n"
        if node.type == "link":
            return self._link(node)
        return "".join(map(self._inline, node.children)) if node.children else node.content

    def _link(self, node: SyntaxTreeNode) -> str:
        words = "".join(map(self._inline, node.children))
        target = str(node.attrs.get("href", ""))
        if not keeps_link(target, self._own_links):
            return words
        shown = target.removeprefix(MAILTO)
        return shown if words in {shown, target, ""} else f"{words} <{shown}>"


def _marks(node: SyntaxTreeNode) -> Iterator[str]:
    if node.type == "bullet_list":
        while True:
            yield "- "
    number = int(node.attrs.get("start", 1))
    while True:
        yield f"{number}. "
        number += 1


def _indented(text: str, first: str, others: str) -> str:
    """Lines behind a mark on the first, and another on the rest; no line ends in a blank."""
    begin, *rest = text.split("\n")
    return "\n".join([(first + begin).rstrip(), *((others + line).rstrip() for line in rest)])
