"""Commands of a page of the documentation, played in a folder: what needs root or systemd is done as they would do it.

Paths of the page lead into the folder; so do those in files that a command has put there. A command that is not known
here is an error, so that the page can't outgrow the test.
"""

import getpass
import os
import re
import shlex
import signal
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from campaign.cli import env_file
from campaign.local.servers import ports
from tests.kit import nginx
from tests.kit.engines import ROOT

PLACES = ("/etc/", "/run/countersign", "/srv/countersign", "/usr/local/bin/", "/var/lib/countersign", "/root/")
LOOPBACK = "127.0.0.1"


def commands_of(page: str, heading: str) -> list[str]:
    """The commands in fenced blocks ``sh`` from a heading to the next one, lines that go on joined."""
    part = re.split(r"(?m)^#{1,6} ", page.partition(f"{heading}\n")[2])[0]
    blocks = re.findall(r"(?ms)^ *```sh\n(.*?)^ *```$", part)
    lines = re.sub(r"\\\n\s*", "", "".join(blocks)).splitlines()
    return [line.strip() for line in lines if line.strip()]


@dataclass
class Player:
    """Plays commands; ends all it has started, by process id."""

    folder: Path
    database_url: str
    """Of the server on which the page makes its database; its role may do that."""
    answers: dict[str, str]
    """Options of `countersign setup` that this machine has other values for."""
    more: dict[str, str]
    """Settings that differ on this machine."""
    stack: ExitStack
    units: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    proxy: nginx.Nginx | None = None
    databases: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in ("etc/systemd/system", "etc/nginx/sites-available", "etc/nginx/sites-enabled", "usr/local/bin",
                     "run/countersign", "root"):  # fmt: skip
            (self.folder / name).mkdir(parents=True)

    def mapped(self, text: str) -> str:
        """A text with the paths of the page led into the folder."""
        return re.sub(rf"(?<![\w./-])({'|'.join(PLACES)})", lambda found: f"{self.folder}{found[1]}", text)

    def play(self, line: str) -> str:
        """Play one command; returns what it printed."""
        program, *words = shlex.split(line)
        if program in {"apt-get", "useradd", "usermod", "certbot"} or line == "systemctl daemon-reload":
            return ""
        played = {
            "git": self._git, "make": self._make, "runuser": self._runuser, "install": self._install, "sed": self._sed,
            "ln": self._run_mapped("ln"), "rm": self._run_mapped("rm"), "systemctl": self._systemctl,
            "countersign": self.countersign,
        }  # fmt: skip
        assert program in played, f"nobody plays: {line}"
        return played[program](*words) or ""

    def countersign(self, *words: str) -> str:
        """The command as a shell finds it on PATH."""
        options = list(words)
        if words[0] == "setup":
            for option, value in self.answers.items():
                if option in options:
                    options[options.index(option) + 1] = value
                else:
                    options += [option, value]
            options += [text for name, value in self.more.items() for text in ("--set", f"{name}={value}")]
        done = subprocess.run(
            [self.folder / "usr/local/bin/countersign", *map(self.mapped, options)],
            env=self._environment, cwd="/", capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        allowed = {0, 1} if words[0] == "doctor" else {0}
        assert done.returncode in allowed, done.stdout + done.stderr
        return done.stdout

    @property
    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}

    def _git(self, *words: str) -> str:
        target = self.folder / "srv/countersign"
        if "clone" in words:
            assert self.mapped(words[-1]) == str(target)
            target.mkdir(parents=True)
            for path in ROOT.iterdir():
                if path.name not in {".venv", ".git", "var", "build"}:
                    (target / path.name).symlink_to(path)
        return ""

    def _make(self, *words: str) -> str:
        """What `make install-production` leaves: a script in .venv; the packages are those at hand."""
        assert words == ("-C", "/srv/countersign", "install-production"), words
        script = self.folder / "srv/countersign/.venv/bin/countersign"
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m campaign.cli "$@"\n')
        script.chmod(0o755)
        return ""

    def _runuser(self, *words: str) -> str:
        match words:
            case ("-u", "postgres", "--", "createuser", "countersign"):
                return ""
            case ("-u", "postgres", "--", "createdb", "--owner=countersign", "--encoding=UTF8", _, name):
                real = self.answers["--database-url"].partition("?")[0].rpartition("/")[2]
                assert name == "countersign"
                with psycopg.connect(self.database_url, autocommit=True) as connection:
                    connection.execute(f"CREATE DATABASE {real} ENCODING 'UTF8' TEMPLATE template0")
                self.databases.append(real)
                return ""
        raise AssertionError(f"nobody plays: runuser {words}")

    def _install(self, *words: str) -> str:
        """Only root gives files to another user; the paths in the files lead into the folder as well."""
        kept = [word for at, word in enumerate(words) if word not in {"-o", "-g"} and words[at - 1] not in {"-o", "-g"}]
        self._run("install", *map(self.mapped, kept))
        target = Path(self.mapped(kept[-1]))
        if "-d" not in kept:
            file = target / Path(kept[-2]).name if target.is_dir() else target
            # tests/kit/nginx.py leads those of nginx to where they are.
            if "nginx" not in file.parts and file.suffix != ".dump":
                text = self.mapped(file.read_text()).replace("= countersign ]", f"= {getpass.getuser()} ]")
                file.write_text(text)
        return ""

    def _sed(self, *words: str) -> str:
        return self._run("sed", words[0], words[1], *map(self.mapped, words[2:]))

    def _run_mapped(self, program: str):
        return lambda *words: self._run(program, *map(self.mapped, words))

    def _run(self, *command: str) -> str:
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout

    def _systemctl(self, *words: str) -> str:
        match words:
            case ("enable", "--now", "countersign.target") | ("start", "countersign.target"):
                for name in re.findall(r"countersign-\S+\.service", self._unit("countersign.target")):
                    self._start(name.removesuffix(".service"))
            case ("stop", "countersign.target", *_):
                for name in list(self.units):
                    self._stop(name)
            case ("restart", "nginx"):
                enabled = self.folder / "etc/nginx/sites-enabled/countersign"
                folder = self.folder / "nginx"
                folder.mkdir()
                self.proxy = self.stack.enter_context(
                    nginx.running(
                        folder, self.folder / "run/countersign/web.sock", plain=ports.find_free(LOOPBACK),
                        port=ports.find_free(LOOPBACK), configuration=enabled,
                    )
                )  # fmt: skip
            case ("reload", "countersign-web"):
                self.units["countersign-web"].send_signal(signal.SIGHUP)
            case ("restart", "countersign-worker@*"):
                for name in [one for one in self.units if "worker" in one]:
                    self._stop(name)
                    self._start(name)
            case _:
                raise AssertionError(f"nobody plays: systemctl {words}")
        return ""

    def _unit(self, name: str) -> str:
        return (self.folder / "etc/systemd/system" / name).read_text()

    def _start(self, name: str) -> None:
        """As systemd does: the command and the file of settings of the unit, and no other variable."""
        template, _, instance = name.partition("@")
        unit = self._unit(f"{template}@.service" if instance else f"{template}.service").replace("%i", instance)
        found = dict(re.findall(r"(?m)^(ExecStart|EnvironmentFile|WorkingDirectory|UMask)=(.*)$", unit))
        log = (self.folder / f"{name}.log").open("ab")
        self.stack.callback(log.close)
        self.units[name] = subprocess.Popen(
            shlex.split(found["ExecStart"]), cwd=found["WorkingDirectory"], stdout=log, stderr=log,
            env=self._environment | env_file.read(Path(found["EnvironmentFile"])), umask=int(found["UMask"], 8),
        )  # fmt: skip

    def _stop(self, name: str) -> None:
        process = self.units.pop(name)
        process.terminate()
        process.wait(90)

    def end(self) -> None:
        """End units and drop databases."""
        for name in list(self.units):
            self._stop(name)
        for name in self.databases:
            with psycopg.connect(self.database_url, autocommit=True) as connection:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
