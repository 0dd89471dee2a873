"""The throw-away installation: a data folder, PostgreSQL, Redis, a web server and workers, and nothing of the person's.

Every setting is chosen here: what the environment or .env says reaches neither the drill nor what it starts.
"""

import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final

from campaign.database import migrate
from campaign.local.servers import places, ports, postgres, redis
from campaign.local.servers.children import Child, ChildProcess, end_in_order, write_note
from campaign.local.servers.watchdog import guarded
from campaign.security.keys import ensure_local_keys
from campaign.settings import VARIABLES, Settings, child_environment, load_settings
from campaign.variables import ROOT

HOST: Final = "127.0.0.1"
READY: Final = 120.0
"""Seconds that a program may take to begin; a busy machine is slow."""

PATIENCE: Final = 20.0
"""Seconds that programs may take to end when asked."""


@dataclass(frozen=True)
class WorkerSlot:
    """A place for a worker: what runs there is started again when it is killed."""

    name: str
    lane: str
    processes: int


SLOTS: Final = (
    WorkerSlot("urgent-1", "urgent", 1),
    WorkerSlot("urgent-2", "urgent", 1),
    WorkerSlot("bulk-1", "bulk", 2),
    WorkerSlot("bulk-2", "bulk", 2),
)
"""Two workers for each lane, as on two hosts."""


class Installation:
    """A running installation."""

    def __init__(self, settings: Settings, *, note: Path) -> None:
        self.settings = settings
        self._note = note
        self._noting = Lock()
        logs = places.make_private(places.logs(settings.data))
        # What killed processes leave in the folder for temporary files goes with the rest.
        environment = child_environment(settings) | {"TMPDIR": str(places.make_private(settings.data / "tmp"))}

        def program(
            name: str, *words: str, is_ready: Callable[[str], bool], variables: Mapping[str, str] = environment
        ) -> ChildProcess:
            arguments = (sys.executable, "-m", "campaign.cli", *words)
            child = Child(name, arguments, is_ready, patience=PATIENCE)
            return ChildProcess(child, environment=variables, log=logs / f"{name}.log", cwd=ROOT)

        name = f"localhost:{settings.port}"
        self.web = program(
            "web", "web", is_ready=lambda _: ports.serves_http(HOST, settings.port, path="/healthz", name=name)
        )
        self.workers = {
            slot: program(
                slot.name,
                *("worker", "--lane", slot.lane),
                is_ready=lambda written: " ready." in written,
                variables=environment | {f"COUNTERSIGN_{slot.lane.upper()}_PROCESSES": str(slot.processes)},
            )
            for slot in SLOTS
        }

    @property
    def programs(self) -> list[ChildProcess]:
        """All programs."""
        return [self.web, *self.workers.values()]

    @property
    def logs(self) -> list[Path]:
        """Every log file of the installation."""
        return [*sorted(places.logs(self.settings.data).iterdir()), postgres.log(self.settings)]

    def start(self, program: ChildProcess) -> None:
        """Start a program and write it down, so that it is found and ended whatever happens to the drill.

        For any thread.
        """
        program.start()
        with self._noting:
            write_note(self._note, self.programs)

    def start_all(self) -> None:
        """Start all programs and wait until they are ready.

        Raises:
            EngineError: one is not ready in time; with the end of its log.
        """
        for program in self.programs:
            self.start(program)
        for program in self.programs:
            program.await_ready(seconds=READY)

    def end(self) -> None:
        """End all programs, all at once."""
        end_in_order(self.programs)


@contextmanager
def running_site(*, smtp_port: int, rate: int, returned: Path) -> Iterator[Installation]:
    """An installation with its servers running and its programs not yet started; nothing of it is left afterwards.

    Args:
        smtp_port: where its mail server listens on the loopback address.
        rate: mails a second over all workers.
        returned: a Maildir, where what comes back arrives.

    Raises:
        EngineError: a server can't be started.
    """
    folder = Path(tempfile.mkdtemp(prefix="cs-drill-"))
    settings = _settings(folder / "data", smtp_port=smtp_port, rate=rate, returned=returned)
    note = folder / "processes.json"
    guard = ExitStack()
    guard.enter_context(guarded(settings, note, ["redis", "postgres"]))
    site: Installation | None = None
    try:
        settings = settings.replace(database_url=postgres.start(settings), redis_url=redis.start(settings))
        migrate.upgrade(settings.database_url)
        site = Installation(settings, note=note)
        yield site
    finally:
        with _undisturbed():
            if site is not None:
                site.end()
            note.unlink(missing_ok=True)
            redis.stop(settings, hurry=True)
            postgres.discard(settings)
            guard.close()
            shutil.rmtree(places.sockets(settings.data), ignore_errors=True)
            shutil.rmtree(folder, ignore_errors=True)


def _settings(data: Path, *, smtp_port: int, rate: int, returned: Path) -> Settings:
    chosen = {variable.name: variable.default for variable in VARIABLES.values()}
    places.make_private(data)
    port = ports.find_free(HOST)
    chosen |= {
        "COUNTERSIGN_DATA": str(data),
        "COUNTERSIGN_PORT": str(port),
        "SMTP_URL": f"smtp://{HOST}:{smtp_port}",
        "RETURN_MAILBOX_URL": f"maildir:{returned}",
        # Sign-ups come from many networks: the drill says which, as a reverse proxy would.
        "COUNTERSIGN_PROXIES": "1",
        "COUNTERSIGN_WEB_THREADS": "8",
        "COUNTERSIGN_RATE": str(rate),
    }
    return ensure_local_keys(load_settings(chosen))


@contextmanager
def _undisturbed() -> Iterator[None]:
    """A second Ctrl-C must not leave half of it behind."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
