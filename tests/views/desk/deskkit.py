"""An organiser with a browser, for the tests of the desk."""

import html
import re
from dataclasses import dataclass

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from campaign.accounts import accounts, sign_in
from campaign.accounts import queries as account_queries
from campaign.accounts.accounts import Account, Role
from campaign.petitions import petitions
from tests.kit.sites import borrow_web
from tests.kit.worlds import World

SLUG = "a-petition"
_TAG = re.compile(r"<[^>]+>")


def text_of(answer: TestResponse) -> str:
    """What a reader sees of a page: its text without tags, blanks folded."""
    return " ".join(html.unescape(_TAG.sub(" ", answer.text.partition("<body>")[2])).split())


@dataclass
class Desk:
    """The application, an organiser who is signed in, and her petition."""

    app: Flask
    client: FlaskClient
    world: World
    olga: Account
    petition_id: int

    def get(self, rest: str = "", **options) -> TestResponse:
        """A page of the petition."""
        return self.client.get(f"/organiser/p/{SLUG}{rest}", **options)

    def post(self, rest: str, **typed: object) -> TestResponse:
        """Send a form of the petition, with the token of the session."""
        return self.send(f"/organiser/p/{SLUG}{rest}", **typed)

    def send(self, path: str, **typed: object) -> TestResponse:
        """Send a form, its fields by name."""
        return self.client.post(path, data={"csrf": self.csrf(), **typed})

    def csrf(self) -> str:
        found = re.search(r'name="csrf" value="([0-9a-f]+)"', self.client.get("/organiser/account").text)
        assert found is not None
        return found[1]


def make_desk(world: World, *, live: bool = True, locales: tuple[str, ...] = ("en", "de")) -> Desk:
    """A desk with one petition."""
    accounts.create(world.runtime, email="olga@example.org", name="Olga", role=Role.ORGANISER)
    olga = accounts.find(world.runtime, "olga@example.org")
    assert olga is not None
    world.petition(SLUG, live=live, locales=locales)
    petition_id = petitions.by_slug(world.runtime, SLUG).petition.id
    world.read(lambda tx: account_queries.add_member(tx, petition_id, olga.id, role="owner"))
    app = borrow_web(world.runtime)
    client = app.test_client()
    link = sign_in.sign_in_link(world.runtime, olga.id)
    assert client.post(link.removeprefix(world.runtime.settings.base_url)).status_code == 303
    return Desk(app, client, world, olga, petition_id)
