"""A live site for a real browser; the browser is in tests/kit/browsers.py."""

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import pytest
from werkzeug.serving import make_server

from campaign.petitions import petitions
from campaign.petitions import rules as petition_rules
from tests.kit.browsers import Visitor
from tests.kit.sites import make_web
from tests.kit.worlds import World, make_world

__all__ = ["LONG", "SLUG", "Live", "Visitor"]

SLUG = "stop-the-killing"
LONG = "Protect every river, lake and spring of the northern provinces from the waste water of new industrial estates"
TEXTS = {
    "en": petition_rules.Draft(
        title="Clean rivers", addressed_to="the Ministry of Water", summary="We ask for clean rivers.",
        body="## Why\n\nRivers **matter**.\n\n1. For those who drink\n2. For those who swim",
    ),
    "fa": petition_rules.Draft(
        title="رودهای پاک", addressed_to="وزارت آب", summary="ما رودهای پاک می‌خواهیم.", body="رودها مهم‌اند.",
    ),
    "ur": petition_rules.Draft(
        title="صاف دریا", addressed_to="وزارتِ آب", summary="ہم صاف دریا چاہتے ہیں۔", body="دریا اہم ہیں۔",
    ),
}  # fmt: skip


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


class Door:
    """An application that can be closed: what is at work ends, what comes later is refused.

    The browser may ask after its test has ended. An answer then would open a connection to the database of a runtime
    that is closed, and the connection would stay for the tests that follow.
    """

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application
        self._changed = threading.Condition()
        self._at_work = 0
        self._open = True

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer whole, or with 503 once closed."""
        with self._changed:
            if not self._open:
                start_response("503 Service Unavailable", [("Content-Type", "text/plain")])
                return [b"closed"]
            self._at_work += 1
        try:
            answer = self._application(environ, start_response)
            try:
                return list(answer)
            finally:
                if hasattr(answer, "close"):
                    answer.close()
        finally:
            with self._changed:
                self._at_work -= 1
                self._changed.notify_all()

    def close(self) -> None:
        """Refuse what comes, and wait until the answers at work are done."""
        with self._changed:
            self._open = False
            assert self._changed.wait_for(lambda: self._at_work == 0, timeout=30), "an answer does not end"


@contextmanager
def serving(database_url: str, folder: Path, **settings: str) -> Iterator[Live]:
    """A site that listens while the block runs."""
    port = _free_port()
    url = f"http://localhost:{port}"
    world = make_world(database_url, folder, base_url=url, port=str(port), local_mailbox="yes", **settings)
    petitions.create(world.runtime, petitions.NewPetition(slug=SLUG, author="River Watch"), TEXTS)
    petitions.publish(world.runtime, SLUG)
    door = Door(make_web(world.runtime))
    server = make_server("127.0.0.1", port, door, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Live(url, world)
    server.shutdown()
    thread.join()
    server.server_close()
    door.close()
    world.runtime.close()


@pytest.fixture
def live(database_url: str, tmp_path: Path) -> Iterator[Live]:
    with serving(database_url, tmp_path) as site:
        yield site
