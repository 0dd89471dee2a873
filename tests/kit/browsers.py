"""A real browser: Debian's chromium through Playwright, and axe-core for accessibility."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, expect, sync_playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
WHY = "no chromium on this machine: `apt-get install chromium` and run the tests again"

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync"]  # fmt: skip
"""No sandbox, because the tests may run as root; nothing that talks to the network by itself."""

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
"""WCAG 2.2 AA as axe-core tags it."""

PATIENCE = 45_000
"""Milliseconds for a page to answer or to show something, on a machine that does much else."""

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
    page.set_default_timeout(PATIENCE)
    page.on("console", lambda message: _note(person, message))
    page.on("pageerror", lambda error: person.complaints.append(str(error)))
    page.on("request", lambda request: person.asked.append(request.url))
    return person


def _note(person: Visitor, message: ConsoleMessage) -> None:
    """Keep an error of the console, with the address it is about: "404" alone helps nobody."""
    if message.type == "error":
        person.complaints.append(f"{message.text} [{message.location['url']}, on {person.page.url}]")


def find_program() -> str | None:
    """The browser to drive; None if this machine has none."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


class Program:
    """The one browser of a test process: started when a test asks, and kept while the tests that follow ask too.

    Playwright keeps an event loop running in the thread that drives it, between its calls as well; code under test that
    runs a loop of its own would fail there. So the browser ends before the next test that has none.
    """

    def __init__(self) -> None:
        self._playwright: Playwright | None = None
        self._browser: Browser | None = None

    def browser(self) -> Browser:
        """The running browser; skips the test if this machine has none."""
        if self._browser is None:
            program = find_program()
            if program is None:
                pytest.skip(WHY)
            expect.set_options(timeout=PATIENCE)
            self._playwright = sync_playwright().start()
            self._browser = self._playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        return self._browser

    def end(self) -> None:
        """Stop the browser and Playwright with its loop; harmless if nothing runs."""
        browser, self._browser = self._browser, None
        playwright, self._playwright = self._playwright, None
        if browser is not None:
            browser.close()
        if playwright is not None:
            playwright.stop()

    def make_room(self, following: pytest.Item | None) -> None:
        """End unless the test that follows has a browser too."""
        if "chromium" not in getattr(following, "fixturenames", ()):
            self.end()


PROGRAM = Program()
"""One for all folders: two of Playwright's sessions in one process do not get along."""


@pytest.fixture
def chromium() -> Browser:
    return PROGRAM.browser()


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
