"""A browser of before 2022, emulated: it reads stylesheets without the at-rules and selectors that came later."""

import re

from playwright.sync_api import Page, Route

from campaign.views.rendering import STATIC

UNKNOWN = re.compile(r"@(layer|container)\b|:has\(")
"""At-rules and selectors that browsers of before 2022 drop, with all that is in their block."""

UNKNOWN_DECLARATION = re.compile(r"[^{};]*(color-mix\(|\brotate:|\bscale:|\btranslate:)[^{};]*;")


def read_by_an_old_browser(css: str) -> str:
    """A stylesheet without what an old browser does not know; a block goes as a whole (CSS Syntax section 5.4)."""
    css, kept, begin = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL), [], 0
    while (brace := css.find("{", begin)) >= 0:
        prelude = css[begin:brace].rpartition("}")[2].rpartition(";")[2]
        end = brace + 1
        if UNKNOWN.search(prelude):
            depth = 1
            while depth:
                depth += {"{": 1, "}": -1}.get(css[end], 0)
                end += 1
            kept.append(css[begin : brace - len(prelude)])
        else:
            kept.append(css[begin:end])
        begin = end
    return UNKNOWN_DECLARATION.sub("", "".join([*kept, css[begin:]]))


def age(page: Page) -> None:
    """Let a page read its stylesheets as an old browser does."""

    def give(route: Route) -> None:
        name = route.request.url.rpartition("/")[2].partition("?")[0]
        route.fulfill(body=read_by_an_old_browser((STATIC / name).read_text()), content_type="text/css")

    page.route("**/static/*.css*", give)


def strip(page: Page) -> None:
    """Let no stylesheet arrive."""
    page.route("**/static/*.css*", lambda route: route.abort())
