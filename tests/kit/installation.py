"""A real installation for a journey: `countersign up` on a folder and a port of its own, in processes of its own."""

import email.policy
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import psutil

from campaign.database.connection import Transaction
from campaign.local.servers import ports
from campaign.local.servers.attach import attach
from campaign.local.servers.children import Child, ChildProcess
from campaign.runtime import Runtime, build
from campaign.settings import VARIABLES, Settings, load_settings
from campaign.variables import ROOT
from tests.kit.waiting import until

LOOPBACK = "127.0.0.1"

READY = "Stop with Ctrl-C."
"""The last line of the welcome."""

OF_PETITION = "petition_id = (select id from petition where slug = %(slug)s)"
"""Narrows a statement to one petition; journeys share an installation, each with a petition of its own."""

START = 150.0
"""Seconds a start may take on a machine that runs all the other tests at the same time."""


@dataclass(frozen=True)
class Answer:
    """What the site answered."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass(frozen=True)
class Mail:
    """One mail as the mailbox lists and keeps it."""

    id: str
    to: str
    kind: str
    subject: str
    message: EmailMessage

    @property
    def text(self) -> str:
        return self.message.get_body(("plain",)).get_content().replace("\r\n", "\n")

    @property
    def html(self) -> str:
        return self.message.get_body(("html",)).get_content()

    @property
    def links(self) -> list[str]:
        """Every address in the text, the HTML and List-Unsubscribe, each once."""
        header = str(self.message["List-Unsubscribe"] or "")
        return sorted(set(re.findall(r"https?://[^\s<>\"]+", f"{self.text} {self.html} {header}")))

    def link(self, path: str) -> str:
        """The one address that begins with a path such as ``/c/``, the shortest if others continue it."""
        return min((link for link in self.links if urlsplit(link).path.startswith(path)), key=len)

    @property
    def code(self) -> str:
        """The six digits of a confirmation."""
        return re.findall(r"(?m)^\d{6}$", self.text)[0]


class Installation:
    """What `make run` starts, seen from outside: pages, mailbox, commands, database, processes."""

    def __init__(self, folder: Path, *, wanted: int | None = None, **variables: str) -> None:
        """Name everything, start nothing.

        Args:
            folder: removed at the end, with all that is in it.
            wanted: the port to take if it is free.
            variables: settings by their names in the environment.
        """
        self.folder = folder
        self.port = ports.find_free(LOOPBACK, wanted=wanted)
        # Nothing that the person who runs the tests has set, in the environment or in .env, reaches the installation.
        chosen = {variable.name: variable.default for variable in VARIABLES.values()}
        chosen |= {"COUNTERSIGN_PORT": str(self.port), "COUNTERSIGN_DATA": str(folder / "data")}
        # Journeys come from many networks: they say which, as a reverse proxy would.
        self.chosen = chosen | {"COUNTERSIGN_PROXIES": "1"} | variables
        self.environment = {**os.environ, **self.chosen}
        self.url = f"http://localhost:{self.port}"
        self._keeper = ChildProcess(
            Child("keep_up", (sys.executable, "-m", "tests.kit.keep_up", str(folder))),
            environment=self.environment,
            cwd=ROOT,
            lifeline=True,
        )

    # --- Begin and end ---

    def start(self) -> None:
        """Start all, and wait for the welcome."""
        self._keeper.start()
        until(lambda: READY in self.said or not self._lives(), seconds=START)
        assert READY in self.said, self.said

    def _lives(self) -> bool:
        pid = self.folder / "up.pid"
        return not pid.exists() or not pid.read_text() or psutil.pid_exists(int(pid.read_text()))

    def stop(self) -> None:
        """End all in order, and leave nothing."""
        self._keeper.ask_to_end()
        self._keeper.end()

    @property
    def said(self) -> str:
        """What `countersign up` has printed."""
        said = self.folder / "said"
        return said.read_text() if said.exists() else ""

    # --- Processes: only those that this installation started ---

    @property
    def supervisor(self) -> psutil.Process:
        return psutil.Process(int((self.folder / "up.pid").read_text()))

    def program(self, name: str) -> psutil.Process:
        """A program of the supervisor by its name: web, worker-urgent, worker-bulk, mailserver."""
        noted = json.loads((self.data / "run" / "processes.json").read_text())
        return psutil.Process(next(item["pid"] for item in noted if item["name"] == name))

    @property
    def redis(self) -> psutil.Process:
        return psutil.Process(int((self.data / "redis" / "redis.pid").read_text()))

    def children(self, name: str) -> list[psutil.Process]:
        """The processes that a program has started for its work: granian's and Celery's own."""
        return [child for child in self.program(name).children() if "resource_tracker" not in " ".join(child.cmdline())]

    # --- What it holds ---

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def settings(self) -> Settings:
        """The settings with the servers that run now."""
        return attach(load_settings(self.chosen))

    @contextmanager
    def runtime(self) -> Iterator[Runtime]:
        """A runtime beside those of the web server and the workers."""
        made = build(self.settings, pool_size=1)
        try:
            yield made
        finally:
            made.close()

    def sql(self, statement: str, **values: object) -> list[Any]:
        """Rows of a statement, for a look behind the scenes."""

        def work(tx: Transaction) -> list[Any]:
            result = tx.connection.exec_driver_sql(statement, values or None)
            return list(result.all()) if result.returns_rows else []

        with self.runtime() as runtime:
            return runtime.store.transact(work)

    def countersign(self, *words: str) -> str:
        """Run a command as in another shell; its output."""
        done = subprocess.run(
            [sys.executable, "-m", "campaign.cli", *words],
            cwd=ROOT, env=self.environment, check=False, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def monitor(self) -> dict[str, Any]:
        """What `countersign monitor --json` shows."""
        shown: dict[str, Any] = json.loads(self.countersign("monitor", "--json"))
        return shown

    def ledger(self, slug: str) -> dict[tuple[str, str], int]:
        """Messages of a petition by kind and state."""
        query = f"select kind::text, state::text, count(*) from message where {OF_PETITION} group by 1, 2"
        rows = self.sql(query, slug=slug)
        return {(kind, state): number for kind, state, number in rows}

    def petition(self, slug: str, locale: str = "en") -> str:
        """A live petition beside the example, made by the command; returns its slug."""
        text = self.folder / f"{slug}.md"
        text.write_text(f"---\ntitle: Petition {slug}\naddressed_to: The Council\nsummary: Please act.\n---\nAct.\n")
        options = ("--author", "A group", "--locale", locale, "--body-file", str(text), "--publish")
        self.countersign("petition", "create", "--slug", slug, *options)
        return slug

    # --- HTTP, without a browser ---

    def ask(
        self, method: str, path: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request; redirects are not followed. A path may be a whole address of this site."""
        parts = urlsplit(path)
        target = f"{parts.path}{'?' if parts.query else ''}{parts.query}"
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=60)
        try:
            connection.request(method, target, body, {"Host": urlsplit(self.url).netloc, **(headers or {})})
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, headers=headers)

    def sign(
        self, slug: str, email: str, *, name: str = "Zahra Ahmadi", network: str = "203.0.113.1", website: str = ""
    ) -> Answer:
        """Fill in the form as a program would, and go where the answer leads."""
        page = self.get(f"/p/{slug}?lang=en").text
        stamp = page.partition('name="stamp" value="')[2].partition('"')[0]
        typed = {"name": name, "email": email, "country": "DE", "reason": "", "website": website, "stamp": stamp}
        answer = self.post(f"/p/{slug}/sign?lang=en", typed, **{"X-Forwarded-For": network})
        return self.get(answer.headers["Location"]) if answer.status == 303 else answer

    def post(self, path: str, form: Mapping[str, str], **headers: str) -> Answer:
        """Send a form."""
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.ask("POST", path, body=urlencode(form).encode(), headers=kind | headers)

    def count(self, slug: str) -> int:
        """The public count."""
        return int(json.loads(self.get(f"/p/{slug}/count.json").body)["count"])

    # --- The mailbox ---

    def mails(self, *, to: str | None = None, kind: str | None = None) -> list[Mail]:
        """What the local mail server received, newest first, read as anybody reads it."""
        listed = json.loads(self.get("/mailbox/messages.json").body)
        return [
            self._read(item)
            for item in listed
            if (to is None or item["to"] == to) and (kind is None or item["kind"] == kind)
        ]

    def _read(self, item: Mapping[str, str]) -> Mail:
        raw = self.get(f"/mailbox/{item['id']}.eml").body
        message = email.message_from_bytes(raw, policy=email.policy.default)
        return Mail(item["id"], item["to"], item["kind"], item["subject"], message)

    def mail(self, to: str, kind: str, *, seconds: float = 90.0) -> Mail:
        """The one mail of a kind to an address, when it has come."""
        until(lambda: self.mails(to=to, kind=kind), seconds=seconds)
        [mail] = self.mails(to=to, kind=kind)
        return mail

    def rest(self) -> None:
        """Wait until every request that is due is decided and no mail is on its way."""
        until(
            lambda: (
                not self.sql(
                    "select 1 from sign_up_request where state = 'asked' and due_at < now() + interval '1 minute'"
                    " union all"
                    " select 1 from message where state in ('planned', 'claimed', 'submitting')"
                    " and due_at < now() + interval '1 minute' limit 1"
                )
            )
        )


@contextmanager
def installation(*, wanted: int | None = None, **variables: str) -> Iterator[Installation]:
    """A running installation; everything it made is removed at the end."""
    made = Installation(Path(tempfile.mkdtemp(prefix="cs-")), wanted=wanted, **variables)
    try:
        made.start()
        yield made
    finally:
        made.stop()
