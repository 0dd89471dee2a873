"""Who takes part in a journey: supporters with a browser, and the scanner of a mail gateway."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Page

from campaign import i18n
from tests.kit.browsers import Visitor
from tests.kit.installation import Answer, Installation, Mail


@dataclass
class Inspector:
    """Looks at each distinct page once in each direction of writing, and at every request."""

    own: str
    seen: set[tuple[str, str]] = field(default_factory=set)
    found: list[str] = field(default_factory=list)
    foreign: set[str] = field(default_factory=set)

    def look(self, person: Visitor, name: str) -> None:
        """Check the page now open; scripts must be allowed, for axe-core is one."""
        direction = person.page.evaluate("document.documentElement.dir")
        self.note(person)
        if (name, direction) not in self.seen:
            self.seen.add((name, direction))
            self.found += [f"{name} ({direction}): {problem}" for problem in person.violations()]

    def note(self, person: Visitor) -> None:
        """Remember requests to anybody else."""
        self.foreign |= {url for url in person.asked if not url.startswith((f"{self.own}/", "data:"))}


@dataclass
class Supporter:
    """A person who signs one petition in one language."""

    site: Installation
    slug: str
    visitor: Visitor
    inspector: Inspector
    lang: str
    name: str
    email: str
    country: str = "DE"
    confirmation: Mail | None = None
    """As soon as it is in the mailbox."""
    thanks: Mail | None = None

    @property
    def page(self) -> Page:
        return self.visitor.page

    def says(self, message: str) -> str:
        """A sentence of the pages in the person's language."""
        return str(i18n.translations(self.lang).gettext(message))

    def open_petition(self) -> str:
        """Open the petition in the person's language; what the tally says."""
        self.visitor.open(f"{self.site.url}/p/{self.slug}?lang={self.lang}")
        self.inspector.look(self.visitor, "petition")
        assert self.page.get_attribute("html", "lang") == self.lang
        assert self.page.get_attribute("html", "dir") == i18n.direction(self.lang)
        return " ".join(self.page.locator(".tally-sentence").inner_text().split())

    def sign(self, *, reason: str = "") -> None:
        """Fill in the form, tick both boxes, press the button."""
        self.page.fill("#name", self.name)
        self.page.fill("#email", self.email)
        self.page.select_option("#country", self.country)
        self.page.fill("#reason", reason)
        self.page.check("#show_name")
        self.page.check("#wants_updates")
        self.visitor.follow("#sign button[type=submit]")
        self.expect("Check your inbox")
        self.inspector.look(self.visitor, "inbox")

    def expect(self, heading: str) -> None:
        """Wait for a page with this heading, in the person's language."""
        self.page.locator("h1", has_text=self.says(heading)).wait_for()

    def read(self, kind: str) -> Mail:
        """Wait for the one mail of a kind and read it in the mailbox: list, page, HTML."""
        mail = self.site.mail(self.email, kind)
        self.visitor.open(f"{self.site.url}/mailbox?lang={self.lang}")
        self.inspector.look(self.visitor, "mailbox")
        self.visitor.follow(f".mails a[href*='{mail.id}']")
        self.inspector.look(self.visitor, f"mail {kind}")
        self.visitor.open(f"{self.site.url}/mailbox/{mail.id}/html")
        self.inspector.note(self.visitor)
        for element in ("html", "table >> nth=0"):
            assert self.page.locator(element).get_attribute("lang") == self.lang
            assert self.page.locator(element).get_attribute("dir") == i18n.direction(self.lang)
        assert mail.message["Content-Language"] in {None, self.lang}
        return mail

    def press_twice(self, mail: Mail) -> None:
        """Open the confirm page in two tabs, and press the button in both."""
        tabs = [self.visitor, self.visitor.another_page()]
        for tab in tabs:
            tab.open(mail.link("/c/"))
        self.inspector.look(self.visitor, "confirm")
        for tab in tabs:
            tab.follow("main form button")
            self.is_thanked(tab)
        self.inspector.look(self.visitor, "thanks")
        tabs[1].page.close()

    def is_thanked(self, person: Visitor) -> None:
        """The page of thanks is open, and its address holds no token."""
        thanks = self.says("Thank you. Your signature is confirmed.")
        person.page.locator("h1", has_text=thanks).wait_for()
        parts = urlsplit(person.page.url)
        assert (parts.path, parts.query) == (f"/p/{self.slug}/thanks", f"lang={self.lang}")

    def type_code(self, mail: Mail, device: Visitor) -> None:
        """Type the code on a device that never saw the form; press the button of the mail afterwards."""
        page = device.open(f"{self.site.url}/p/{self.slug}/code?lang={self.lang}")
        self.inspector.look(device, "code")
        page.fill("#email", self.email)
        page.fill("#code", mail.code)
        device.follow("main form button")
        self.is_thanked(device)
        self.visitor.open(mail.link("/c/"))
        self.expect("Your signature is confirmed")
        self.inspector.look(self.visitor, "already")
        self.inspector.note(device)

    def open_own_page(self, mail: Mail) -> None:
        """Open the signer's own page by the link of a mail."""
        self.visitor.open(mail.link("/me/"))
        self.inspector.look(self.visitor, "own")

    def press(self, action: str) -> str:
        """Press a button of the own page; what it says afterwards."""
        self.visitor.follow(f"button[value={action}]")
        return self.page.locator("[role=status]").inner_text()

    def download(self, folder: Path) -> dict[str, Any]:
        """Take along what is kept."""
        with self.page.expect_download() as download:
            self.page.click("a[download]")
        download.value.save_as(folder / "signature.json")
        kept: dict[str, Any] = json.loads((folder / "signature.json").read_text())
        return kept

    def leave(self, action: str) -> None:
        """Withdraw or erase: the link on the own page, then the button on the page that asks once more."""
        self.visitor.follow(f"a[href*='/{action}']")
        self.inspector.look(self.visitor, action)
        self.visitor.follow(f"button[value={action}]")
        self.inspector.look(self.visitor, f"{action} done")


def scan(site: Installation, mail: Mail) -> Iterator[Answer]:
    """What the scanner of a mail gateway does: GET and HEAD every link, twice."""
    for _ in range(2):
        for link in mail.links:
            assert link.startswith(f"{site.url}/"), link
            yield from (site.ask(method, link) for method in ("GET", "HEAD"))


def state(site: Installation) -> tuple[list[Any], ...]:
    """Everything that a press of a button could change."""
    return (
        site.sql(
            "select id, state, show_name, wants_updates, code_tries, confirmed_at, ended_at, erased_at, name is null"
            " from signature order by id"
        ),
        site.sql("select id, kind, signature_id from message order by id"),
        site.sql("select count(*) from suppression"),
        site.sql("select slug, state, count from petition order by id"),
    )
