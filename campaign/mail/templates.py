"""The Jinja2 environments of mail: one per language, strict about names, escaping HTML, numbers in the local manner."""

from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import unquote

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from jinja2.exceptions import TemplateError
from markdown_it.token import Token
from markdown_it.tree import SyntaxTreeNode

from campaign.errors import MailTemplateError
from campaign.i18n import format_date, format_number
from campaign.petitions.links import MAILTO, TEL
from campaign.petitions.markdown import parse


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


def to_text(markdown: str, *, own_links: Collection[str] = ()) -> str:
    """A text to read as it is; one that can't be rendered is left as it was typed.

    Args:
        markdown: as written.
        own_links: as :func:`campaign.petitions.markdown.to_html`.
    """
    tokens = parse(markdown, own_links=own_links)
    return markdown.strip() if tokens is None else _blocks(SyntaxTreeNode(_flat(tokens))).strip()


def _flat(tokens: Sequence[Token]) -> list[Token]:
    """The blocks of a text with their words as plain text: emphasis, however deep, is no tree to walk."""
    return [
        replace(token, content=_words(token.children), children=None) if token.type == "inline" else token
        for token in tokens
    ]


def _words(tokens: Sequence[Token] | None) -> str:
    pieces: list[str] = []
    begin, target = 0, ""
    for token in tokens or ():
        if token.type == "link_open":
            begin, target = len(pieces), str(token.attrs.get("href", ""))
        elif token.type == "link_close":
            pieces[begin:] = [_link("".join(pieces[begin:]), target)]
        elif token.type in {"softbreak", "hardbreak"}:
            pieces.append("\n")
        elif token.nesting == 0:
            pieces.append(token.content)
    return "".join(pieces).strip()


def _link(words: str, target: str) -> str:
    shown = target.removeprefix(MAILTO).removeprefix(TEL)
    if words in {shown, target, ""}:
        return shown
    # An address of other letters than English ones is shown as it was typed, while its target is percent-encoded.
    is_address = unquote(target) in {unquote(words), f"https://{unquote(words)}"}
    return words if is_address else f"{words} <{shown}>"


def _blocks(parent: SyntaxTreeNode, *, apart: str = "\n\n") -> str:
    return apart.join(text for node in parent.children if (text := _BLOCKS[node.type](node)))


def _line(node: SyntaxTreeNode) -> str:
    return "".join(child.content for child in node.children)


def _heading(node: SyntaxTreeNode) -> str:
    words = _line(node)
    return f"{words}\n{'-' * min(len(words), LONGEST_RULE)}" if words else ""


def _list(node: SyntaxTreeNode) -> str:
    # The paragraphs of a tight list are hidden in HTML: its items stand line by line.
    tight = all(part.hidden for item in node.children for part in item.children if part.type == "paragraph")
    items = [
        _indented(_blocks(item, apart="\n" if tight else "\n\n"), mark, " " * len(mark))
        for item, mark in zip(node.children, _marks(node), strict=False)
    ]
    return ("\n" if tight else "\n\n").join(items)


def _table(node: SyntaxTreeNode) -> str:
    rows = [row for part in node.children for row in part.children]
    return "\n".join(" | ".join(map(_line, row.children)) for row in rows)


def _code(node: SyntaxTreeNode) -> str:
    return _indented(node.content.rstrip("\n"), "    ", "    ")


_BLOCKS: Mapping[str, Callable[[SyntaxTreeNode], str]] = {
    "paragraph": _line,
    "heading": _heading,
    "bullet_list": _list,
    "ordered_list": _list,
    "blockquote": lambda node: _indented(_blocks(node), "> ", "> "),
    "code_block": _code,
    "fence": _code,
    "hr": lambda _: RULE,
    "table": _table,
}


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
