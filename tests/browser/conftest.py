"""A real browser on a live site: Debian's chromium through Playwright, and axe-core for accessibility."""

import os
import shutil
import socket
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright
from werkzeug.serving import make_server

from campaign import petitions
from tests.kit.worlds import World, make_world
from web import create_app

PROGRAMS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
WHY = "no chromium on this machine: `apt-get install chromium` and run the tests again"

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync"]  # fmt: skip
"""No sandbox, because the tests may run as root; nothing that talks to the network by itself."""

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
"""WCAG 2.2 AA as axe-core tags it."""

PICTURES = os.environ.get("TEST_PICTURES", "")
"""Folder for screenshots; empty: none are taken."""

SLUG = "stop-the-killing"
LONG = "Protect every river, lake and spring of the northern provinces from the waste water of new industrial estates"
TEXTS = {
    "en": petitions.Draft(
        title="Clean rivers", addressed_to="the Ministry of Water", summary="We ask for clean rivers.",
        body="## Why\n\nRivers **matter**.\n\n1. For those who drink\n2. For those who swim",
    ),
    "fa": petitions.Draft(
        title="رودهای پاک", addressed_to="وزارت آب", summary="ما رودهای پاک می‌خواهیم.", body="رودها مهم‌اند.",
    ),
    "ur": petitions.Draft(
        title="صاف دریا", addressed_to="وزارتِ آب", summary="ہم صاف دریا چاہتے ہیں۔", body="دریا اہم ہیں۔",
    ),
}  # fmt: skip


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly that the browser tests did not run."""
    if any(WHY in str(report.longrepr) for report in terminalreporter.stats.get("skipped", [])):
        terminalreporter.section("BROWSER TESTS SKIPPED", red=True, bold=True)
        terminalreporter.line(WHY)


@dataclass
class Live:
    """A site that listens, and the world behind it."""

    url: str
    world: World

    def token(self, issue: Callable[[int], str], *, confirmed: bool) -> str:
        """A token for a new signature."""
        email = f"signer{'-confirmed' if confirmed else ''}@example.org"
        signature_id = self.world.signature(
            SLUG, email, confirmed=confirmed, name="زہرا حسینی", reason="I swim there.", show_name=True
        )
        return issue(signature_id)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def live(database_url: str, tmp_path: Path) -> Iterator[Live]:
    port = _free_port()
    url = f"http://localhost:{port}"
    world = make_world(database_url, tmp_path, base_url=url, port=str(port), local_mailbox="yes")
    petitions.create(world.runtime, petitions.NewPetition(slug=SLUG, author="River Watch"), TEXTS)
    petitions.publish(world.runtime, SLUG)
    server = make_server("127.0.0.1", port, create_app(runtime=world.runtime), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Live(url, world)
    server.shutdown()
    thread.join()
    server.server_close()
    world.runtime.close()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip(WHY)
    with sync_playwright() as playwright, warnings.catch_warnings():
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


@dataclass
class Visitor:
    """A person with a browser: opens pages, and remembers what the console complained about."""

    page: Page
    complaints: list[str]

    def open(self, url: str) -> Page:
        self.page.goto(url)
        return self.page

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


@pytest.fixture
def visitor(chromium: Browser) -> Iterator[Callable[..., Visitor]]:
    """Makes visitors; options are those of a Playwright context (viewport, color_scheme, java_script_enabled)."""
    contexts = []

    def make(width: int = 1440, height: int = 900, **options) -> Visitor:
        context = chromium.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return Visitor(page, complaints)

    yield make
    for context in contexts:
        context.close()
