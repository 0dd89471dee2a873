"""A real Postfix runs ``countersign bounces -`` for each report, set up with the lines of docs/operations.md."""

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from campaign.local.mailserver.faults import FaultRules
from campaign.local.mailserver.running import ServerThread
from campaign.local.mailserver.script import Fault, Script
from campaign.mail.verp import Names
from campaign.variables import ROOT
from tests.feedback.test_postfix import RETURNS, Scene
from tests.kit import postfix
from tests.kit.returned_mail import stored
from tests.kit.waiting import until
from tests.kit.worlds import KEYS, make_world

MANUAL = (ROOT / "docs" / "operations.md").read_text()
PROGRAM = "/usr/local/bin/countersign"
REMOTE = (Fault("rcpt", "550 5.1.1 No such user", recipient="gone@example.org"),)


def _blocks(title: str) -> list[str]:
    """The code blocks of a section of the manual."""
    section = MANUAL.split(f"### {title}\n", 1)[1].split("\n##", 1)[0]
    return re.findall(r"```\w*\n(.*?)```", section, re.DOTALL)


AGENT = """\
#!/bin/sh
job=FOLDER/$$
cat > $job.mail
printf '%s\\n' "$@" > $job.arguments
mv $job.arguments $job.ready
while [ ! -e $job.status ]; do [ -d FOLDER ] || exit 75; sleep 0.1; done
exit "$(cat $job.status)"
"""
"""What Postfix runs in place of our program, as a user who may enter neither the folder of the tests nor the database:
it hands arguments and mail to the test, which runs the program with them, and ends as that ended."""


@dataclass
class Pipe:
    """Runs our program for what the agent brings."""

    folder: Path
    environ: dict[str, str]
    ended: list[tuple[list[str], int]] = field(default_factory=list)

    def look(self) -> None:
        """Run the program for each mail that waits."""
        for ready in sorted(self.folder.glob("*.ready")):
            arguments = ready.read_text().splitlines()
            with ready.with_suffix(".mail").open("rb") as mail:
                ran = subprocess.run(
                    [ROOT / ".venv" / "bin" / "countersign", *arguments], stdin=mail, env=self.environ, check=False,
                )  # fmt: skip
            self.ended.append((arguments, ran.returncode))
            ready.unlink()
            written = ready.with_suffix(".new")
            written.write_text(str(ran.returncode))
            written.rename(ready.with_suffix(".status"))


@dataclass
class Played:
    """The scene of the other doors, and the pipe."""

    scene: Scene
    pipe: Pipe

    def until(self, condition: Callable[[], object]) -> None:
        """Bring what Postfix returns through the pipe until something is so."""
        until(lambda: self.pipe.look() or condition())


@pytest.fixture
def played(database_url: str, tmp_path: Path) -> Iterator[Played]:
    """A Postfix that pipes what comes to return addresses into our program."""
    master, main = _blocks("A pipe")[:2]
    remote = FaultRules(Script(faults=REMOTE))
    with ServerThread(remote) as server:
        world = make_world(database_url, tmp_path, return_domain=RETURNS)
        route = f"{{example.org=smtp:[127.0.0.1]:{server.port}}}"
        main = main.replace("bounces.example.org", RETURNS).replace("inline:{ ", f"inline:{{ {route} ")
        environ = {
            "PATH": os.environ["PATH"],
            "DATABASE_URL": database_url,
            "COUNTERSIGN_DATA": str(tmp_path),
            "COUNTERSIGN_KEYS": KEYS,
            "COUNTERSIGN_RETURN_DOMAIN": RETURNS,
            "SMTP_URL": "smtp://127.0.0.1:2525",
        }
        with postfix.running(main, master=lambda folder: _as_typed(master, folder)) as relay:
            yield Played(Scene(world, relay, remote, folder=None), Pipe(relay.folder / "pipe", environ))
        world.runtime.close()


def _as_typed(master: str, folder: Path) -> str:
    """The lines of master.cf, with our agent in the place of the program, and a user whom every system has."""
    assert PROGRAM in master
    spool = folder / "pipe"
    spool.mkdir()
    spool.chmod(0o777)
    agent = spool / "agent"
    agent.write_text(AGENT.replace("FOLDER", str(spool)))
    agent.chmod(0o755)
    return master.replace(PROGRAM, str(agent)).replace("user=countersign", "user=nobody")


def test_what_postfix_returns_goes_through_the_pipe_and_is_applied(played: Played):
    scene = played.scene
    messages = scene.send("gone", "fine")

    played.until(lambda: scene.world.sql("select 1 from message where came_back = 'bounced'"))

    assert [(kind, status) for kind, status, *_ in stored(scene.world)] == [("bounced", "5.1.1")]
    assert scene.world.sql("select message_id, reason from suppression") == [(messages["gone"], "bounce")]
    assert [recipient for _, recipient, _ in scene.remote.received] == ["fine@example.org"]
    address = Names.by(scene.world.runtime).of(messages["gone"])[1]
    assert played.pipe.ended == [(["bounces", "-", "--recipient", address], 0)]


def test_a_reply_through_the_pipe_has_its_sender(played: Played):
    scene = played.scene
    messages = scene.send("fine")
    address = Names.by(scene.world.runtime).reply_address(messages["fine"])

    scene.postfix.submit("fine@example.org", address, notify="NEVER")

    played.until(lambda: [kind for kind, *_ in stored(scene.world)] == ["replied"])


@pytest.mark.parametrize(
    ("local", "verdict"),
    [
        (f"b-{'0' * 12}-{'0' * 20}", "status=bounced (user unknown"),
        ("abuse", "status=bounced (user unknown"),
        (f"r-{'0' * 12}-{'0' * 20}", "status=bounced (user unknown"),
    ],
)
def test_mail_that_is_none_of_ours_is_refused_as_the_table_says(played: Played, local: str, verdict: str):
    scene = played.scene

    scene.postfix.submit("fine@example.org", f"{local}@{RETURNS}", notify="FAILURE")

    played.until(lambda: verdict in scene.postfix.log)
    assert played.pipe.ended[0][1] == 67
    assert stored(scene.world) == []


def test_while_the_database_is_away_postfix_keeps_the_mail_and_tries_again(played: Played):
    scene, away = played.scene, "postgresql://nobody@127.0.0.1:1/none"
    messages = scene.send("fine")
    address = Names.by(scene.world.runtime).of(messages["fine"])[1]
    there, played.pipe.environ["DATABASE_URL"] = played.pipe.environ["DATABASE_URL"], away

    scene.postfix.submit("", address, notify="NEVER")

    played.until(lambda: "status=deferred (temporary failure" in scene.postfix.log)
    assert played.pipe.ended[0][1] == 75
    played.pipe.environ["DATABASE_URL"] = there
    played.until(lambda: "status=sent (delivered via countersign service" in scene.postfix.log)
