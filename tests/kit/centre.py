"""PostgreSQL and Redis as several hosts share them: over TCP, with passwords, named by URL and nothing else.

Both are the programs of the embedded engines, started by the kit with options of its own in a folder of its own.
"""

import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import psycopg
from redis import Redis
from redis.exceptions import RedisError

from campaign.database import migrate
from campaign.local.servers import postgres, redis
from campaign.operations.broker import client_url
from campaign.settings import Settings
from tests.kit.worlds import settings_for

PASSWORD = "correct-horse"
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Centre:
    """The two servers; ``addresses`` are where they listen, ``number`` tells one test's data from another's."""

    database_port: int
    redis_port: int
    addresses: tuple[str, ...]
    number: int = 0

    def database_url(self, address: str = LOOPBACK, *, name: str | None = None) -> str:
        name = name or f"countersign{self.number or ''}"
        return f"postgresql://countersign:{PASSWORD}@{address}:{self.database_port}/{name}"

    def redis_url(self, address: str = LOOPBACK) -> str:
        return f"redis://:{PASSWORD}@{address}:{self.redis_port}/{self.number}"

    def fresh(self, number: int) -> "Centre":
        """The same servers with a migrated database without rows, and a Redis without keys."""
        with psycopg.connect(self.database_url(name="postgres"), autocommit=True) as connection:
            connection.execute(f"create database countersign{number} template countersign")
        return replace(self, number=number)


@contextmanager
def centre(*addresses: str) -> Iterator[Centre]:
    """Start both on the loopback address and on others that this machine has; all is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="countersign-centre-"))
    settings = settings_for("", folder)
    made = Centre(_free_port(), _free_port(), (LOOPBACK, *addresses))
    try:
        server = _start_postgres(settings, made)
        try:
            _open_redis(settings, made)
            migrate.upgrade(made.database_url())
            yield made
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(60)
    finally:
        _stop_redis(settings, made)
        postgres.discard(settings)
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    """A port below those that the system hands out, so that nobody is given it until it is used."""
    while True:
        port = 20_000 + secrets.randbelow(10_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind((LOOPBACK, port))
            return port


def _start_postgres(settings: Settings, made: Centre) -> subprocess.Popen[bytes]:
    """Make a cluster with the engine, then run its program with TCP and passwords."""
    with psycopg.connect(postgres.start(settings, durable=False)) as connection:
        connection.execute(f"alter role countersign password '{PASSWORD}'")
    cluster = postgres.cluster(settings)
    process = psutil.Process(int((cluster / "postmaster.pid").read_text().split()[0]))
    program, owner, group = process.exe(), process.uids().real, process.gids().real
    postgres.stop(settings)
    (cluster / "pg_hba.conf").write_text("host all all all scram-sha-256\n")
    root = psutil.Process().uids().effective == 0
    options = {
        "listen_addresses": ",".join(made.addresses), "port": str(made.database_port), "unix_socket_directories": "",
        "fsync": "off", "timezone": "UTC",
    }  # fmt: skip
    server = subprocess.Popen(
        [program, "-D", str(cluster), *(f"--{name}={value}" for name, value in options.items())],
        cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        user=owner if root else None, group=group if root else None, extra_groups=[] if root else None,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while True:
        try:
            psycopg.connect(made.database_url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            assert server.poll() is None, "PostgreSQL did not start"
            assert time.monotonic() < deadline, "PostgreSQL did not get ready"
            time.sleep(0.1)
        else:
            return server


def _open_redis(settings: Settings, made: Centre) -> None:
    with Redis.from_url(client_url(redis.start(settings, durable=False))) as client:
        client.config_set("bind", " ".join(made.addresses))
        client.config_set("requirepass", PASSWORD)
        client.config_set("port", made.redis_port)


def _stop_redis(settings: Settings, made: Centre) -> None:
    with suppress(RedisError), Redis.from_url(made.redis_url()) as client:
        client.config_set("requirepass", "")
    redis.stop(settings, hurry=True)


def runtime_settings(made: Centre, folder: Path, **overrides: str) -> Settings:
    """Settings of the test's own runtime, which reaches the centre as a host does."""
    return settings_for(made.database_url(), folder, **overrides).replace(redis_url=made.redis_url())
