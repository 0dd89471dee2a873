"""Organisers' Markdown to safe HTML: markdown-it-py without HTML and images, then nh3."""

from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

import nh3
from markdown_it import MarkdownIt

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
SCHEMES: Final = {"http", "https", "mailto"}

MAX_BODY: Final = 100_000
"""Characters of Markdown; the HTML of a mail must stay under 100 KB (Gmail clips above)."""

PARSER: Final = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable("table").disable("image")


def to_html(markdown: str, *, own_links: Collection[str] = ()) -> str:
    """Safe HTML for pages and mails; scripts, forms, images, styles and odd link schemes do not survive.

    A first-level heading becomes a second-level one, since the title of a page is above it.

    Args:
        markdown: as written.
        own_links: link targets of our own that are no addresses yet (slots of a mail).
    """

    def keep_link(tag: str, name: str, value: str) -> str | None:
        return value if tag != "a" or name != "href" or keeps_link(value, own_links) else None

    rendered = PARSER.render(markdown).replace("<h1>", "<h2>").replace("</h1>", "</h2>")
    return nh3.clean(
        rendered,
        tags=TAGS,
        attributes={"a": {"href"}},
        url_schemes=SCHEMES,
        link_rel="noopener nofollow",
        attribute_filter=keep_link,
    ).strip()


def keeps_link(target: str, own_links: Collection[str]) -> bool:
    """True if a link may lead there; of others only the words stay."""
    return target in own_links or urlsplit(target).scheme in SCHEMES
