"""A site for the tests of the pages: a real database, a petition, a client, a clock that stands still until told."""

import base64
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.test import TestResponse

from campaign import config, confirming, petitions, preferences
from campaign import runtime as runtimes
from campaign.runtime import Runtime
from web import create_app

SLUG = "clean-rivers"
KEYS = f"k1:{base64.b64encode(bytes(range(32))).decode()}"

TEXTS = {
    "en": petitions.Draft(
        title="Clean rivers",
        addressed_to="the Ministry of Water",
        summary="We ask for clean rivers.",
        body="Rivers **matter**.",
    ),
    "fa": petitions.Draft(
        title="رودهای پاک",
        addressed_to="وزارت آب",
        summary="ما رودهای پاک می‌خواهیم.",
        body="رودها مهم‌اند.",
    ),
}


@dataclass
class Clock:
    """The present moment, moved by hand."""

    moment: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.moment

    def pass_by(self, span: timedelta) -> None:
        self.moment += span


@dataclass
class Site:
    """The application under test and the shortest ways to use it."""

    app: Flask
    client: FlaskClient
    runtime: Runtime
    clock: Clock

    def get(self, path: str, **options) -> TestResponse:
        return self.client.get(path, **options)

    def post(self, path: str, data: dict[str, str] | None = None, **options) -> TestResponse:
        return self.client.post(path, data=data or {}, **options)

    def stamp(self) -> str:
        page = self.get(f"/p/{SLUG}").text
        return page.partition('name="stamp" value="')[2].partition('"')[0]

    def form(self, **typed: str) -> dict[str, str]:
        """A complete form, with some fields typed otherwise; None leaves a field out."""
        whole = {"name": "Zahra Ahmadi", "email": "zahra@example.org", "country": "DE", "reason": ""}
        whole |= {"stamp": self.stamp(), "website": ""} | typed
        return {name: value for name, value in whole.items() if value is not None}

    def sign(self, **typed: str) -> TestResponse:
        return self.post(f"/p/{SLUG}/sign?lang=en", self.form(**typed))

    def rows(self, query: str, **values) -> list:
        return self.runtime.store.transact(lambda tx: tx.execute(text(query), **values).all())

    def states(self) -> list[str]:
        return [row.state for row in self.rows("select state from signature order by id")]

    def last(self):
        return self.rows("select id, nonce from signature order by id desc limit 1")[0]

    def confirm_path(self) -> str:
        row = self.last()
        return f"/c/{confirming.token_for(self.runtime, row.id, bytes(row.nonce))}"

    def own_path(self) -> str:
        row = self.last()
        return f"/me/{preferences.manage_token(self.runtime, row.id, bytes(row.nonce))}"

    def unsubscribe_path(self) -> str:
        return f"/u/{preferences.unsubscribe_token(self.runtime, self.last().id)}"

    def code(self) -> str:
        row = self.last()
        return confirming.code_for(self.runtime, row.id, bytes(row.nonce))

    def signed(self, **typed: str) -> None:
        """One confirmed signature."""
        assert self.sign(**typed).status_code == 200
        assert self.post(self.confirm_path()).status_code == 303

    def set_count(self, count: int) -> None:
        self.runtime.store.transact(
            lambda tx: tx.execute(text("update petition set count = :count where slug = :slug"), count=count, slug=SLUG)
        )
        self.refresh()

    def refresh(self) -> None:
        """Forget what processes remember for a second, as if it had passed."""
        petitions.forget(self.runtime, SLUG)
        for memory in ("brief pages", "brief counts"):
            self.app.extensions[memory].clear()


def make_runtime(database_url: str, folder: Path, clock: Clock, **settings: str) -> Runtime:
    chosen = config.load({}, database_url=database_url, keys=KEYS, data=str(folder), **settings)
    return runtimes.build(chosen, clock=clock)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def runtime(database_url: str, tmp_path: Path, clock: Clock) -> Iterator[Runtime]:
    made = make_runtime(database_url, tmp_path, clock)
    yield made
    made.close()


@pytest.fixture
def site(runtime: Runtime, clock: Clock) -> Site:
    petitions.create(
        runtime, petitions.NewPetition(slug=SLUG, author="River Watch", on_behalf_of="all who swim"), TEXTS
    )
    petitions.publish(runtime, SLUG)
    app = create_app(runtime=runtime)
    return Site(app, app.test_client(), runtime, clock)


@pytest.fixture
def elsewhere(runtime: Runtime) -> Runtime:
    """A runtime whose database does not answer."""
    dead = replace(runtime.settings, database_url="postgresql://nobody@127.0.0.1:1/nothing")
    store = type(runtime.store)(dead.database_url)
    return replace(runtime, settings=dead, store=store)


def words(answer: TestResponse) -> str:
    """What a reader sees: the text of a page without its tags, blanks folded."""
    body = answer.text.partition("<body>")[2]
    bare = re.sub(r"<[^>]+>", "", re.sub(r"<option.*?</option>", "", body, flags=re.DOTALL))
    return " ".join(html.unescape(bare).split())
