"""Who works at the desk and at the monitor in a journey: an organiser and an admin, each with a browser."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from tests.journeys.people import Inspector
from tests.kit.browsers import Visitor
from tests.kit.installation import Installation

BERLIN = ZoneInfo("Europe/Berlin")
"""Where the organiser of the example lives."""

ROOM = timedelta(seconds=25)
"""What is left of this minute must be enough to press two buttons on a busy machine; else the next but one is taken."""


@dataclass
class Staff:
    """A person with an account."""

    site: Installation
    visitor: Visitor
    inspector: Inspector
    home = "/organiser"
    """Where a sign-in link leads."""

    def enter(self, link: str) -> None:
        """Sign in with a link: it opens a page with one button."""
        self.visitor.open(link)
        self._look("sign in")
        self.visitor.follow("main form button")
        assert self.visitor.page.url == f"{self.site.url}{self.home}"
        self._look("desk")

    def _look(self, name: str) -> None:
        self.inspector.look(self.visitor, name)

    def open(self, path: str, name: str) -> None:
        """Open a page in English and inspect it."""
        self.visitor.open(f"{self.site.url}{path}{'&' if '?' in path else '?'}lang=en")
        self._look(name)

    def press(self, button: str) -> None:
        """Press one of the buttons that are a form of their own."""
        self.visitor.follow(f"form:has(input[value={button}]) button")


@dataclass
class Organiser(Staff):
    """Somebody who has a petition and writes to its signers."""

    slug: str

    def edit(self, locale: str, **fields: str) -> None:
        """Change the text of the petition in one language and save it as the next version."""
        self.open(f"/organiser/p/{self.slug}/text?text={locale}", "text")
        for name, text in fields.items():
            self.visitor.page.fill(f"#{name}", text)
        self.visitor.follow("button[value=save]")

    def write(self, texts: Mapping[str, tuple[str, str]]) -> str:
        """Write an update in several languages, look at the preview, save the draft; its path."""
        self.open(f"/organiser/p/{self.slug}/updates/new", "editor")
        page = self.visitor.page
        for locale, (subject, body) in texts.items():
            if not page.locator(f"#{locale}-subject").is_visible():
                page.locator("details.language", has=page.locator(f"#{locale}-subject")).locator("> summary").click()
            page.fill(f"#{locale}-subject", subject)
            page.fill(f"#{locale}-body", body)
        self.visitor.follow("button[value=save]")
        self._look("draft")
        return page.url.removeprefix(self.site.url).partition("?")[0]

    def look_at_mail(self, path: str) -> None:
        """The mail as HTML, as text, and on a small screen."""
        self.open(f"{path}/preview", "preview")

    def schedule_soon(self, path: str) -> datetime:
        """Choose the next full minute on the clocks of Berlin; first it is said what that means, then pressed."""
        self.open(path, "draft")
        moment = (datetime.now(BERLIN) + ROOM + timedelta(minutes=1)).replace(second=0, microsecond=0)
        page = self.visitor.page
        page.fill("input[name=date]", moment.date().isoformat())
        page.fill("input[name=time]", f"{moment:%H:%M}")
        page.select_option("select[name=zone]", BERLIN.key)
        self.visitor.follow("form:has(select[name=zone]) button")
        self._look("moment")
        assert f"{moment:%H:%M}" in page.locator("main").inner_text()
        self.visitor.follow("main form button.button-large")
        self._look("scheduled")
        return moment

    def report(self, path: str) -> dict[str, int]:
        """The lines of the equation, by their words."""
        self.open(path, "report")
        rows = self.visitor.page.locator("#standing section:has(#sum-title) tr").all_inner_texts()
        return {words.strip(): int(number) for words, number in (row.rsplit("\t", 1) for row in rows)}


@dataclass
class Admin(Staff):
    """Somebody who looks after the queues."""

    home = "/admin"

    def pause(self, lane: str, why: str) -> None:
        """Pause a lane, saying why."""
        self.open("/admin", "monitor")
        lane_card = self.visitor.page.locator(f"article[data-live=lane-{lane}]")
        lane_card.locator("details.careful summary").click()
        self.visitor.page.fill(f"#why-{lane}", why)
        self.visitor.follow(f"form[action*='/lanes/{lane}/pause'] button")
        self._look("monitor paused")

    def resume(self, lane: str) -> None:
        """Let a lane flow again."""
        self.open("/admin", "monitor")
        self.visitor.follow(f"article form[action*='/lanes/{lane}/resume'] button")

    @property
    def sentence(self) -> str:
        """What the monitor says first."""
        return self.visitor.page.locator(".verdict-sentence").inner_text()


def links(site: Installation) -> dict[str, str]:
    """The links that `countersign up` printed, by role."""
    found = re.findall(r"As (organiser|admin) +(http\S+)", site.said)
    return dict(found)
