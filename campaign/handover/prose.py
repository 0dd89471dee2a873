"""The HTML of a petition's text as blocks of words for a document."""

from dataclasses import asdict, dataclass, field, replace
from html.parser import HTMLParser
from typing import Final

HEADINGS: Final = frozenset({"h1", "h2", "h3", "h4"})
BLOCKS: Final = frozenset({"p", "li", "blockquote", "pre", "tr"}) | HEADINGS


@dataclass(frozen=True)
class Run:
    """Words in one style."""

    text: str
    bold: bool = False
    italic: bool = False
    link: str = ""


@dataclass
class Block:
    """A paragraph, a heading, an item of a list, or a quotation."""

    kind: str
    runs: list[Run] = field(default_factory=list)
    mark: str = ""
    """In front of an item: a dot or its number."""


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.blocks: list[Block] = []
        self.style = Run("")
        self.lists: list[int | None] = []
        """The next number of each ordered list that is open; None for one with dots."""
        self.quotes = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"strong", "th"}:
            self.style = replace(self.style, bold=True)
        elif tag == "em":
            self.style = replace(self.style, italic=True)
        elif tag == "a":
            self.style = replace(self.style, link=dict(attrs).get("href") or "")
        elif tag in {"ul", "ol"}:
            self.lists.append(None if tag == "ul" else 1)
        elif tag == "blockquote":
            self.quotes += 1
        elif tag == "br":
            self._add("\n")
        elif tag == "li":
            self.blocks.append(Block("item", mark=self._mark()))
        elif tag in HEADINGS:
            self.blocks.append(Block("heading"))
        elif tag in BLOCKS and not self._is_begun_item():
            self.blocks.append(Block("quote" if self.quotes else "text"))

    def handle_endtag(self, tag: str) -> None:
        if tag in {"strong", "th"}:
            self.style = replace(self.style, bold=False)
        elif tag == "em":
            self.style = replace(self.style, italic=False)
        elif tag == "a":
            self.style = replace(self.style, link="")
        elif tag in {"ul", "ol"} and self.lists:
            self.lists.pop()
        elif tag == "blockquote":
            self.quotes -= 1
        if tag in {"td", "th"}:
            self._add("   ")

    def handle_data(self, data: str) -> None:
        if data.strip():
            self._add(data)
        elif self.blocks and self.blocks[-1].runs and "\n" not in data:
            self._add(" ")

    def _is_begun_item(self) -> bool:
        return bool(self.blocks) and self.blocks[-1].kind == "item" and not self.blocks[-1].runs

    def _mark(self) -> str:
        if not self.lists or self.lists[-1] is None:
            return "•"
        number = self.lists[-1]
        self.lists[-1] = number + 1
        return f"{number}."

    def _add(self, words: str) -> None:
        if not self.blocks:
            self.blocks.append(Block("text"))
        self.blocks[-1].runs.append(replace(self.style, text=words))


def blocks(html: str) -> list[dict[str, object]]:
    """The blocks of a text, in the shape that the template of the letter reads."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return [asdict(one) for one in reader.blocks if any(run.text.strip() for run in one.runs)]
