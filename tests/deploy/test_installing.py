"""docs/operations.md, played from an empty folder to the first signature that is confirmed through a real nginx."""

import email.policy
import http.client
import json
import re
import shutil
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest

from campaign.local.mailserver.faults import FaultServer
from tests.kit import nginx
from tests.kit.engines import ROOT, with_database
from tests.kit.played import Player, commands_of
from tests.kit.waiting import until

PAGE = (ROOT / "docs" / "operations.md").read_text()
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"https://{nginx.NAME}"}


class Visitor:
    """A browser without JavaScript, in front of nginx."""

    def __init__(self, proxy: nginx.Nginx) -> None:
        self.port = proxy.port
        self.context = ssl.create_default_context(cafile=str(proxy.authority.ca_file))

    def ask(self, method: str, path: str, form: dict[str, str] | None = None) -> http.client.HTTPResponse:
        connection = http.client.HTTPSConnection("localhost", self.port, timeout=60, context=self.context)
        body = None if form is None else urlencode(form)
        connection.request(method, path, body, {"Host": nginx.NAME} | (FORM if form is not None else {}))
        answer = connection.getresponse()
        answer.text = answer.read().decode()
        connection.close()
        return answer


class Inbox:
    """What the mail server of the test took."""

    def __init__(self, server: FaultServer) -> None:
        self.server = server

    def texts(self, to: str) -> list[str]:
        parse = email.message_from_bytes
        found = [data for _, recipient, data in list(self.server.rules.received) if recipient == to]
        return [parse(data, policy=email.policy.default).get_body(("plain",)).get_content() for data in found]

    def link(self, to: str, path: str) -> str:
        """The path of the first link of a kind, once it has come."""
        pattern = re.compile(rf"https://{re.escape(nginx.NAME)}({path}[^\s>]+)")
        until(lambda: any(pattern.search(text) for text in self.texts(to)), seconds=90)
        return next(found[1] for text in self.texts(to) if (found := pattern.search(text)))


@pytest.fixture
def played(database_url, redis_url, redis_prefix) -> Iterator[tuple[Player, Inbox]]:
    nginx.program()
    folder = Path(tempfile.mkdtemp(prefix="cs-"))
    name = f"{urlsplit(database_url).path.removeprefix('/')}_docs"
    with FaultServer() as mail, ExitStack() as stack:
        answers = {
            "--database-url": with_database(database_url, name), "--redis-url": redis_url,
            "--smtp-url": f"smtp://127.0.0.1:{mail.port}",
        }  # fmt: skip
        more = {
            "COUNTERSIGN_DATA": f"{folder}/var/lib/countersign", "COUNTERSIGN_REDIS_PREFIX": f"{redis_prefix}docs:",
            "COUNTERSIGN_BIND": f"unix:{folder}/run/countersign/web.sock",
        }  # fmt: skip
        player = Player(folder, database_url, answers, more, stack)
        stack.callback(shutil.rmtree, folder)
        stack.callback(player.end)
        yield player, Inbox(mail)


def sign(visitor: Visitor, inbox: Inbox, address: str) -> None:
    """Sign and confirm as people do."""
    page = visitor.ask("GET", "/p/river?lang=en")
    stamp = page.text.partition('name="stamp" value="')[2].partition('"')[0]
    typed = {"name": "Zahra Ahmadi", "email": address, "country": "DE", "reason": "", "website": "", "stamp": stamp}
    signed = visitor.ask("POST", "/p/river/sign?lang=en", typed)
    assert (page.status, signed.status) == (200, 303), page.text + signed.text
    link = inbox.link(address, "/c/")
    opened = visitor.ask("GET", link)
    confirmed = visitor.ask("POST", link, {})
    assert (opened.status, confirmed.status) == (200, 303), opened.text + confirmed.text


def count(visitor: Visitor) -> int:
    return json.loads(visitor.ask("GET", "/p/river/count.json").text)["count"]


def test_the_page_leads_from_nothing_to_a_confirmed_signature_and_through_upgrade_and_restore(played):
    player, inbox = played
    installing = commands_of(PAGE, "## Installing")
    said = {line.split()[1] if line.startswith("countersign") else line: player.play(line) for line in installing}
    visitor = Visitor(player.proxy)
    until(lambda: visitor.ask("GET", "/healthz").status == 200, seconds=90)
    text = player.folder / "river.md"
    text.write_text("---\ntitle: River\naddressed_to: The Council\nsummary: Please act.\n---\nAct.\n")
    player.countersign(
        "petition", "create", "--slug", "river", "--author", "A group", "--locale", "en", "--body-file", str(text),
        "--publish",
    )  # fmt: skip

    # The first signature, and what the page promises on the way.
    sign(visitor, inbox, "zahra@example.org")
    until(lambda: count(visitor) == 1, seconds=90)
    link = urlsplit(re.search(r"https://\S+/sign-in/\S+", said["setup"])[0]).path
    assert visitor.ask("GET", link).status == 200
    assert "IN TXT" in said["setup"]
    assert any("test email" in one for one in inbox.texts("ada@example.org"))
    stops = {
        finding["check"] for finding in json.loads(player.countersign("doctor", "--json")) if finding["level"] == "stop"
    }
    # Where DNS answers, it has no record for the key of a test.
    assert stops <= {"dkim.dns.countersign"}

    # Upgrading, then a backup that is restored.
    for line in commands_of(PAGE, "## Upgrading"):
        player.play(line)
    log = player.folder / "countersign-web.log"
    until(lambda: "Stopped old worker" in log.read_text(), seconds=90)
    assert count(visitor) == 1
    backup = player.folder / "var/lib/countersign/countersign.dump"
    player.countersign("backup", str(backup))
    shutil.move(backup, player.folder / "root/countersign.dump")
    restoring = [line for line in commands_of(PAGE, "## Backups and restoring") if "backup - >" not in line]
    for line in restoring:
        player.play(line.replace("countersign restore", "countersign restore --replace"))
    until(lambda: visitor.ask("GET", "/healthz").status == 200, seconds=90)
    assert count(visitor) == 1
    received = len(inbox.server.rules.received)
    player.countersign("lane", "resume", "urgent")
    sign(visitor, inbox, "other@example.org")
    until(lambda: count(visitor) == 2, seconds=90)
    until(lambda: len(inbox.texts("other@example.org")) == 2, seconds=90)
    assert len(inbox.server.rules.received) == received + 2


def test_every_command_of_the_page_can_be_copied():
    for heading in ("## Installing", "## Upgrading", "## Backups and restoring"):
        lines = commands_of(PAGE, heading)
        assert lines, heading
        assert [line for line in lines if "…" in line or "<" in line or " # " in line] == []
