"""A site for the tests of the pages: a world with a petition, and a client that browses it."""

import html
import re
from dataclasses import dataclass

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from campaign.petitions import petitions
from campaign.petitions import rules as petition_rules
from campaign.runtime import Runtime
from campaign.signatures import preferences
from tests.kit.sites import borrow_web
from tests.kit.worlds import World

SLUG = "clean-rivers"

TEXTS = {
    "en": petition_rules.Draft(
        title="Clean rivers",
        addressed_to="the Ministry of Water",
        summary="We ask for clean rivers.",
        body="Rivers **matter**.",
    ),
    "fa": petition_rules.Draft(
        title="رودهای پاک",
        addressed_to="وزارت آب",
        summary="ما رودهای پاک می‌خواهیم.",
        body="رودها مهم‌اند.",
    ),
}

OPTION = re.compile(r"<option.*?</option>", re.DOTALL)
TAG = re.compile(r"<[^>]+>")


def words(answer: TestResponse) -> str:
    """What a reader sees: the text of a page without its tags and lists of countries, blanks folded."""
    body = answer.text.partition("<body")[2].partition(">")[2]
    return " ".join(html.unescape(TAG.sub("", OPTION.sub("", body))).split())


@dataclass
class Site:
    """The application under test and the shortest ways to use it."""

    app: Flask
    client: FlaskClient
    world: World

    @property
    def runtime(self) -> Runtime:
        return self.world.runtime

    def get(self, path: str, **options) -> TestResponse:
        return self.client.get(path, buffered=True, **options)

    def post(self, path: str, data: dict[str, str] | None = None, **options) -> TestResponse:
        return self.client.post(path, data=data or {}, **options)

    def stamp(self) -> str:
        self.refresh()
        page = self.get(f"/p/{SLUG}?lang=en").text
        return page.partition('name="stamp" value="')[2].partition('"')[0]

    def form(self, **typed: str | None) -> dict[str, str]:
        """A complete form, with some fields typed otherwise; None leaves a field out."""
        whole = {"name": "Zahra Ahmadi", "email": "zahra@example.org", "country": "DE", "reason": ""}
        whole |= {"stamp": self.stamp(), "website": ""} | typed
        return {name: value for name, value in whole.items() if value is not None}

    def press(self, *, lang: str = "en", **typed: str | None) -> TestResponse:
        """Send the sign form; the answer itself."""
        return self.post(f"/p/{SLUG}/sign?lang={lang}", self.form(**typed))

    def sign(self, *, lang: str = "en", **typed: str | None) -> TestResponse:
        """Send the sign form, let a worker decide, and go where the answer leads."""
        answer = self.press(lang=lang, **typed)
        self.world.admit()
        return self.get(answer.location) if answer.status_code == 303 else answer

    def signature(self, *, confirmed: bool = False, lang: str = "en", **typed: str | None) -> int:
        """Sign by the form, and press the button if wanted; returns the id of the row."""
        assert self.sign(lang=lang, **typed).status_code == 200
        if confirmed:
            assert self.post(self.confirm(self.last)).status_code == 303
        return self.last

    @property
    def last(self) -> int:
        """The id of the newest signature."""
        return self.world.sql("select max(id) from signature")[0][0]

    def confirm(self, signature_id: int) -> str:
        return f"/c/{self.world.confirm_token(signature_id)}"

    def own(self, signature_id: int) -> str:
        return f"/me/{self.world.manage_token(signature_id)}"

    def unsubscribe(self, signature_id: int) -> str:
        return f"/u/{preferences.unsubscribe_token(self.runtime, signature_id)}"

    def second_page(self, signature_id: int, action: str) -> TestResponse:
        """Open the page that asks before something that can't be undone, and press its button."""
        asked = self.get(f"{self.own(signature_id)}/{action}?lang=en")
        assent = asked.text.partition('name="assent" value="')[2].partition('"')[0]
        return self.post(f"{self.own(signature_id)}?lang=en", {"action": action, "assent": assent})

    def states(self) -> list[str]:
        return [state for (state,) in self.world.sql("select state from signature order by id")]

    def set_count(self, count: int) -> None:
        self.world.read(
            lambda tx: tx.connection.exec_driver_sql("update petition set count = %(count)s", {"count": count})
        )
        self.refresh()

    def refresh(self) -> None:
        """Forget what the process remembers for a second, as if it had passed."""
        petitions.forget(self.runtime, SLUG)
        self.app.extensions["page cache"].clear()


@pytest.fixture
def site(world: World) -> Site:
    new = petitions.NewPetition(slug=SLUG, author="River Watch", on_behalf_of="all who swim")
    petitions.create(world.runtime, new, TEXTS)
    petitions.publish(world.runtime, SLUG)
    app = borrow_web(world.runtime)
    return Site(app, app.test_client(), world)
