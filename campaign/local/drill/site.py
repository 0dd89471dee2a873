"""The throw-away installation: a data folder, PostgreSQL, Redis, a web server and workers, and nothing of the person's.

Every setting is chosen here: what the environment or .env says reaches neither the drill nor what it starts.
"""

import contextlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from campaign.database import migrate
from campaign.errors import EngineError
from campaign.local.servers import places, ports, postgres, redis
from campaign.local.servers import processes as servers_processes
from campaign.security.keys import ensure_local_keys
from campaign.settings import VARIABLES, Settings, child_environment, load_settings
from campaign.variables import ROOT

HOST: Final = "127.0.0.1"
READY: Final = 120.0
"""Seconds that a program may take to begin; a busy machine is slow."""

PATIENCE: Final = 20.0
"""Seconds that programs may take to end when asked."""


@dataclass(frozen=True)
class Slot:
    """A place for a worker: what runs there is started again when it is killed."""

    name: str
    lane: str
    processes: int


SLOTS: Final = (
    Slot("urgent-1", "urgent", 1), Slot("urgent-2", "urgent", 1), Slot("bulk-1", "bulk", 2), Slot("bulk-2", "bulk", 2),
)  # fmt: skip
"""Two workers for each lane, as on two hosts."""


class Program:
    """A program of the installation over all its lives."""

    def __init__(self, name: str, arguments: Sequence[str], environment: dict[str, str], log: Path) -> None:
        self.name = name
        self.log = log
        self._arguments = [sys.executable, "-m", "campaign.cli", *arguments]
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, in a session of its own: Ctrl-C is for the drill alone, which ends all in order."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._arguments, cwd=ROOT, env=self._environment, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    @property
    def pid(self) -> int | None:
        """The process id, if it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def noted(self) -> servers_processes.Noted | None:
        """What is to be written down about it."""
        return None if self.pid is None else servers_processes.identify(self.name, self.pid)

    def children(self) -> list[psutil.Process]:
        """The processes that it started for its work."""
        with contextlib.suppress(psutil.NoSuchProcess):
            if self.pid is not None:
                return [child for child in psutil.Process(self.pid).children() if _works(child)]
        return []

    def reap(self) -> None:
        """Let a killed process go, so that no zombie is left."""
        if self._process is not None:
            self._process.wait()

    def ask_to_end(self) -> None:
        """Ask it to end."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def end(self, *, until: float) -> None:
        """Wait for its end until a moment of the monotonic clock, then kill it and all that it left."""
        if self._process is None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=max(0.0, until - time.monotonic()))
        servers_processes.signal_group(self._process.pid, signal.SIGKILL)
        self._process.wait()


def _works(process: psutil.Process) -> bool:
    try:
        return "resource_tracker" not in " ".join(process.cmdline())
    except psutil.Error:
        return False


class Site:
    """A running installation."""

    def __init__(self, settings: Settings, *, note: Path) -> None:
        self.settings = settings
        self._note = note
        logs = places.make_private(places.logs(settings.data))
        # What killed processes leave in the folder for temporary files goes with the rest.
        environment = child_environment(settings) | {"TMPDIR": str(places.make_private(settings.data / "tmp"))}
        self.web = Program("web", ["web"], environment, logs / "web.log")
        self.workers = {
            slot: Program(
                slot.name, ["worker", "--lane", slot.lane],
                environment | {f"COUNTERSIGN_{slot.lane.upper()}_PROCESSES": str(slot.processes)},
                logs / f"{slot.name}.log",
            )
            for slot in SLOTS
        }  # fmt: skip

    @property
    def programs(self) -> list[Program]:
        """All programs."""
        return [self.web, *self.workers.values()]

    @property
    def logs(self) -> list[Path]:
        """Every log file of the installation."""
        return [*sorted(places.logs(self.settings.data).iterdir()), postgres.log(self.settings)]

    def start(self, program: Program) -> None:
        """Start a program and write it down, so that it is found and ended whatever happens to the drill."""
        program.start()
        servers_processes.write(self._note, filter(None, [item.noted for item in self.programs]))

    def start_all(self) -> None:
        """Start all programs and wait until they are ready.

        Raises:
            EngineError: one is not ready in time; with the end of its log.
        """
        for program in self.programs:
            self.start(program)
        name = f"localhost:{self.settings.port}"
        _await(self.web, lambda: ports.serves_http(HOST, self.settings.port, path="/healthz", name=name))
        for worker in self.workers.values():
            _await(worker, lambda worker=worker: b" ready." in worker.log.read_bytes())  # type: ignore[misc]

    def end(self) -> None:
        """End all programs, those that send first asked and then killed."""
        for program in self.programs:
            program.ask_to_end()
        until = time.monotonic() + PATIENCE
        for program in self.programs:
            program.end(until=until)


def _await(program: Program, is_ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + READY
    while not is_ready():
        if program.pid is None or time.monotonic() > deadline:
            raise EngineError(f"{program.name} does not begin. The end of its log:\n{places.tail(program.log)}")
        time.sleep(0.1)


@contextmanager
def running_site(*, smtp_port: int, rate: int) -> Iterator[Site]:
    """An installation with its servers running and its programs not yet started; nothing of it is left afterwards.

    Args:
        smtp_port: where its mail server listens on the loopback address.
        rate: mails a second over all workers.

    Raises:
        EngineError: a server can't be started.
    """
    folder = Path(tempfile.mkdtemp(prefix="cs-drill-"))
    settings = _settings(folder / "data", smtp_port=smtp_port, rate=rate)
    note = folder / "processes.json"
    guardian = _guard(settings, note)
    site: Site | None = None
    try:
        settings = settings.replace(database_url=postgres.start(settings), redis_url=redis.start(settings))
        migrate.upgrade(settings.database_url)
        site = Site(settings, note=note)
        yield site
    finally:
        with _undisturbed():
            if site is not None:
                site.end()
            note.unlink(missing_ok=True)
            redis.stop(settings, hurry=True)
            postgres.discard(settings)
            _dismiss(guardian)
            shutil.rmtree(places.sockets(settings.data), ignore_errors=True)
            shutil.rmtree(folder, ignore_errors=True)


def _settings(data: Path, *, smtp_port: int, rate: int) -> Settings:
    chosen = {variable.name: variable.default for variable in VARIABLES.values()}
    places.make_private(data)
    port = ports.find_free(HOST)
    chosen |= {
        "COUNTERSIGN_DATA": str(data), "COUNTERSIGN_PORT": str(port), "SMTP_URL": f"smtp://{HOST}:{smtp_port}",
        # Sign-ups come from many networks: the drill says which, as a reverse proxy would.
        "COUNTERSIGN_PROXIES": "1", "COUNTERSIGN_WEB_THREADS": "8", "COUNTERSIGN_RATE": str(rate),
    }  # fmt: skip
    return ensure_local_keys(load_settings(chosen))


def _guard(settings: Settings, note: Path) -> subprocess.Popen[bytes]:
    """Somebody who ends everything if the drill itself is killed outright."""
    return subprocess.Popen(
        [sys.executable, "-m", "campaign.local.servers.watchdog", str(note), "redis", "postgres"],
        cwd=ROOT, env=child_environment(settings), stdin=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def _dismiss(guardian: subprocess.Popen[bytes]) -> None:
    if guardian.stdin is not None:
        guardian.stdin.close()
    guardian.wait()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """A second Ctrl-C must not leave half of it behind."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
