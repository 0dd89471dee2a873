"""The monitor under test: the application with an admin signed in."""

import re
from dataclasses import dataclass

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from campaign.accounts.accounts import Account
from tests.kit import ledgers
from tests.kit.sites import make_web
from tests.kit.worlds import World


@dataclass
class Night:
    """The application at 3 a.m., with an admin signed in."""

    app: Flask
    world: World
    ada: Account
    client: FlaskClient

    def get(self, path: str) -> TestResponse:
        return self.client.get(path, buffered=True)

    def press(self, path: str, **fields: str) -> TestResponse:
        """Send a form with the session's token."""
        token = re.search(r'name="csrf" value="([0-9a-f]+)"', self.get("/admin").text)
        assert token is not None
        return self.client.post(path, data={"csrf": token[1]} | fields)

    def log(self) -> list[tuple[str, int | None]]:
        return self.world.sql(
            "select action, account_id from audit_entry where action !~ '^(account|petition|blast.s)' order by id"
        )


@pytest.fixture
def night(world: World) -> Night:
    app = make_web(world.runtime)
    ada = ledgers.admin(world)
    return Night(app, world, ada, ledgers.sign_in(world, app, ada))
