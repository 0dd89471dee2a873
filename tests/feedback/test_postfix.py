"""A real Postfix bounces, delays and delivers our mail; its reports arrive at each door and are applied."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from campaign.delivery.composer import Composer
from campaign.delivery.delivery import Deliverer
from campaign.feedback import applying
from campaign.feedback.lmtp import serve_lmtp
from campaign.feedback.maildir import read_maildir
from campaign.local.mailserver.faults import FaultRules
from campaign.local.mailserver.running import ServerThread
from campaign.local.mailserver.script import Fault, Script
from campaign.mail.verp import Names
from campaign.smtp.relays import Relay, RelayTransport
from campaign.smtp.settings import SmtpSettings
from campaign.states import Lane
from tests.kit import postfix
from tests.kit.postfix import Postfix
from tests.kit.returned_mail import stored
from tests.kit.waiting import until
from tests.kit.worlds import World, make_world

RETURNS = "returns.example"

REMOTE = (
    Fault("rcpt", "550 5.1.1 No such user", recipient="gone@example.org"),
    Fault("rcpt", "552 5.2.2 Mailbox full", recipient="full@example.org"),
    Fault("rcpt", "451 4.7.1 Please try again", recipient="later@example.org"),
)
"""What the recipients' server does."""

DOMAINS = {"maildir": "inbox.example, returns.example", "lmtp": "inbox.example", "socket": "inbox.example"}
TRANSPORTS = {
    "maildir": "",
    "lmtp": "{returns.example=lmtp:inet:127.0.0.1:LMTP}",
    "socket": "{returns.example=lmtp:unix:FOLDER/lmtp.sock}",
}
"""The doors: where Postfix delivers what comes to return addresses."""

MAILDIR = """\
virtual_mailbox_base = FOLDER
virtual_mailbox_maps = static:returned/
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
"""
"""Of the user nobody; Postfix writes as no user of the system, so that root is none either."""


@dataclass
class Scene:
    """Our product, a Postfix that relays for it, and the door by which its reports come back."""

    world: World
    postfix: Postfix
    remote: FaultRules
    folder: Path | None
    """The Maildir to read, where mail is not delivered to us."""

    def look(self) -> None:
        """Read and apply what has come in."""
        if self.folder is not None:
            read_maildir(self.world.runtime, self.folder)
        applying.apply(self.world.runtime)

    def send(self, *locals_: str) -> dict[str, int]:
        """Sign with addresses, and send the confirmations through Postfix; returns the messages."""
        slug = self.world.petition()
        for local in locals_:
            self.world.sign(slug, f"{local}@example.org", name=local.title())
        found = SmtpSettings.all_from(f"smtp://127.0.0.1:{self.postfix.port}", ehlo_name="mail.example", lane="urgent")
        transport = RelayTransport([Relay.of(each) for each in found])
        deliverer = Deliverer(
            self.world.runtime, Lane.URGENT, composer=Composer(self.world.runtime), transport=transport
        )
        deliverer.drain()
        deliverer.close()
        rows = self.world.sql("select id from message where state = 'accepted' order by id")
        return dict(zip(locals_, [message_id for (message_id,) in rows], strict=True))

    def wait_for(self, messages: dict[str, int], **known: str) -> None:
        """Wait until it is known of messages what a test expects."""
        ids = {messages[local]: value for local, value in known.items()}

        def is_known() -> bool:
            self.look()
            rows = dict(map(tuple, self.world.sql("select id, came_back from message")))
            return all(rows[message_id] == value for message_id, value in ids.items())

        until(is_known)


@contextmanager
def _scene(database_url: str, tmp_path: Path, door: str) -> Iterator[Scene]:
    with ExitStack() as stack:
        remote = FaultRules(Script(faults=REMOTE))
        server = stack.enter_context(ServerThread(remote))
        world = make_world(database_url, tmp_path, return_domain=RETURNS)
        stack.callback(world.runtime.close)
        port = postfix.free_port()
        transports = f"{{example.org=smtp:[127.0.0.1]:{server.port}}} {TRANSPORTS[door]}".replace("LMTP", str(port))
        main = f"virtual_mailbox_domains = {DOMAINS[door]}\ntransport_maps = inline:{{ {transports} }}\n{MAILDIR}"
        relay = stack.enter_context(postfix.running(main))
        folder = _maildir(relay)
        if door != "maildir":
            url = f"lmtp://127.0.0.1:{port}" if door == "lmtp" else f"lmtp://{relay.folder}/lmtp.sock"
            stack.enter_context(serve_lmtp(world.runtime, url))
        yield Scene(world, relay, remote, folder if door == "maildir" else None)


def _maildir(relay: Postfix) -> Path:
    folder = relay.folder / "returned"
    for part in (folder, *(folder / name for name in ("new", "cur", "tmp"))):
        part.mkdir()
        part.chmod(0o777)
    return folder


@pytest.fixture(params=["maildir", "lmtp", "socket"])
def scene(request, database_url: str, tmp_path: Path) -> Iterator[Scene]:
    """Each door once."""
    with _scene(database_url, tmp_path, request.param) as made:
        yield made


def test_what_postfix_bounces_delays_and_delivers_is_applied_by_each_door(scene: Scene):
    messages = scene.send("gone", "full", "later", "fine")

    scene.wait_for(messages, gone="bounced", full="bounced", later="deferred")

    world = scene.world
    assert Counter((kind, status, cause) for kind, status, _, cause, _ in stored(world)) == {
        ("bounced", "5.1.1", "gone"): 1,
        ("bounced", "5.2.2", "full"): 1,
        ("deferred", "4.7.1", None): 1,
    }
    assert world.sql("select message_id, reason from suppression") == [(messages["gone"], "bounce")]
    assert world.sql("select kind from bounce_strike") == [("full",)]
    assert [recipient for _, recipient, _ in scene.remote.received] == ["fine@example.org"]
    assert world.sql("select came_back from message where id = %(id)s", id=messages["fine"]) == [(None,)]
    assert "@example.org" not in str(world.sql("select event_id, detail, sealed from delivery_event"))

    # Our own client never asks for reports of success; another one may have passed a mail on.
    address = Names.by(world.runtime).of(messages["fine"])[1]
    scene.postfix.submit(address, "fine@example.org", notify="SUCCESS")
    scene.postfix.submit(address, "fine@inbox.example", notify="SUCCESS")
    scene.wait_for(messages, fine="delivered")
    until(lambda: scene.look() or {"sent", "delivered"} <= {row[0] for row in stored(world)})
