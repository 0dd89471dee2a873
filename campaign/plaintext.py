"""Organisers' Markdown as a letter without marks: the text part of a mail.

It has the words and the links of the HTML (:mod:`campaign.petitions.markdown`), in the same order. A link stands behind its words
in angle brackets, where RFC 3986 appendix C puts an address in plain text.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Final

from markdown_it.tree import SyntaxTreeNode

from campaign.petitions.markdown import PARSER, keeps_link

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
    return _Letter(own_links).blocks(root).strip()


class _Letter:
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
