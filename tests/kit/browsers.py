"""A real browser: Debian's chromium through Playwright, and axe-core for accessibility."""

import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
WHY = "no chromium on this machine: `apt-get install chromium` and run the tests again"

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync"]  # fmt: skip
"""No sandbox, because the tests may run as root; nothing that talks to the network by itself."""

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
"""WCAG 2.2 AA as axe-core tags it."""

PICTURES = os.environ.get("TEST_PICTURES", "")
"""Folder for screenshots; empty: none are taken."""


def say_what_was_skipped(reporter: pytest.TerminalReporter) -> None:
    """Say loudly that the browser tests did not run."""
    if any(WHY in str(report.longrepr) for report in reporter.stats.get("skipped", [])):
        reporter.section("BROWSER TESTS SKIPPED", red=True, bold=True)
        reporter.line(WHY)


@dataclass
class Visitor:
    """A person with a browser: opens pages, remembers what it asked for and what the console complained about."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def open(self, url: str) -> Page:
        self.page.goto(url)
        return self.page

    def follow(self, selector: str) -> None:
        """Press a link or a button, and wait for the page it leads to."""
        with self.page.expect_navigation():
            self.page.click(selector)

    def another_page(self) -> "Visitor":
        """The same person in a second tab."""
        return _watched(Visitor(self.page.context.new_page(), self.complaints, self.asked))

    def violations(self) -> list[str]:
        """What axe-core finds against WCAG 2.2 AA on the page now open, one line each."""
        options = {"runOnly": {"type": "tag", "values": RULES}, "resultTypes": ["violations"]}
        found = Axe().run(self.page, options=options).response["violations"]
        return [f"{item['id']}: {node['target']} {node['failureSummary']}" for item in found for node in item["nodes"]]

    def overflow(self) -> int:
        """Pixels by which the page is wider than the window."""
        width: int = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        return width

    def pictures(self, name: str) -> None:
        """Screenshots of the whole page, light and dark, if TEST_PICTURES names a folder for them."""
        if PICTURES:
            for scheme in ("dark", "light"):
                self.page.emulate_media(color_scheme=scheme)
                self.page.screenshot(full_page=True, path=Path(PICTURES) / f"{name}-{scheme}.png")


def watch(context: BrowserContext) -> Visitor:
    """A visitor with one page open in a browser context."""
    return _watched(Visitor(context.new_page()))


def _watched(person: Visitor) -> Visitor:
    page = person.page
    page.set_default_timeout(20_000)
    page.on("console", lambda message: person.complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: person.complaints.append(str(error)))
    page.on("request", lambda request: person.asked.append(request.url))
    return person


def find_program() -> str | None:
    """The browser to drive; None if this machine has none."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    program = find_program()
    if program is None:
        pytest.skip(WHY)
    with sync_playwright() as playwright, warnings.catch_warnings():
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def visitor(chromium: Browser) -> Iterator[Callable[..., Visitor]]:
    """Makes visitors; options are those of a Playwright context (viewport, color_scheme, java_script_enabled)."""
    contexts = []

    def make(width: int = 1440, height: int = 900, **options) -> Visitor:
        context = chromium.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        return watch(context)

    yield make
    for context in contexts:
        context.close()
