"""PostgreSQL and Redis as this machine has them installed: other versions than the pinned ones of the wheels.

The tests run on the pinned servers; a few run once more on these (tests/local/servers/test_installed.py).
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from redis import Redis
from redis.exceptions import RedisError

from campaign.local.servers import redis
from campaign.local.servers.postgres import MAJOR
from tests.kit.waiting import until

OLDEST_POSTGRES = 14
"""The oldest major version that the documentation promises."""


def find_postgres() -> Path | None:
    """The folder of the programs of a PostgreSQL older than the pinned one; None if none is installed."""
    on_path = shutil.which("postgres")
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    for folder in [*([Path(on_path).resolve().parent] if on_path else []), *debian]:
        if (folder / "initdb").exists() and OLDEST_POSTGRES <= _major(folder) < int(MAJOR):
            return folder
    return None


def _major(folder: Path) -> int:
    said = subprocess.run([folder / "postgres", "--version"], check=True, capture_output=True, text=True).stdout
    return int(said.removeprefix("postgres (PostgreSQL) ").partition(".")[0])


def find_redis() -> str | None:
    """A usable Redis or Valkey from PATH; None if none is installed."""
    return next(iter(redis.installed_programs()), None)


@contextmanager
def run_postgres(programs: Path) -> Iterator[str]:
    """A server of these programs, without TCP and not durable; its URL. Nothing is left of it."""
    folder = Path(tempfile.mkdtemp(prefix="cs-pg-"))
    # PostgreSQL refuses to run as root.
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    who = {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    if user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)
    options = ("listen_addresses=", f"unix_socket_directories={folder}", "fsync=off", "timezone=UTC")
    try:
        _call([programs / "initdb", "-D", folder / "data", "-U", "countersign", "-E", "UTF8", "--locale=C", "-N"], who)
        server = subprocess.Popen(
            [programs / "postgres", "-D", folder / "data", *(f"--{option}" for option in options)],
            cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **who,
        )  # fmt: skip
        url = f"postgresql://countersign@/postgres?host={folder}"
        try:
            until(lambda: server.poll() is not None or _is_ready(url))
            yield url
        finally:
            server.terminate()
            server.wait(60)
    finally:
        shutil.rmtree(folder)


def _call(command: list[object], who: dict) -> None:
    done = subprocess.run(command, cwd="/", check=False, capture_output=True, text=True, **who)
    assert done.returncode == 0, done.stdout + done.stderr


def _is_ready(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


@contextmanager
def run_redis(program: str) -> Iterator[str]:
    """A server of this program on a unix socket, keeping nothing; its URL as Celery spells it."""
    folder = Path(tempfile.mkdtemp(prefix="cs-redis-"))
    socket = folder / "redis.sock"
    server = subprocess.Popen(
        [program, "--port", "0", "--unixsocket", socket, "--dir", folder, "--save", ""], stdout=subprocess.DEVNULL
    )
    try:
        until(lambda: server.poll() is not None or _answers(socket))
        yield f"redis+socket://{socket}"
    finally:
        server.terminate()
        server.wait(60)
        shutil.rmtree(folder)


def _answers(socket: Path) -> bool:
    try:
        with Redis(unix_socket_path=str(socket)) as client:
            return bool(client.ping())
    except RedisError:
        return False
