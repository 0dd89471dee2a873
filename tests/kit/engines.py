"""PostgreSQL and Redis for the tests: one of each per run, a database of its own for each xdist worker.

TEST_DATABASE_URL and TEST_REDIS_URL replace the embedded ones; the role needs CREATEDB then.
"""

import fcntl
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql
from redis import Redis

from campaign.database import migrate
from campaign.local.servers import places
from campaign.operations.broker import client_url
from tests.kit.keeper import KEEPER_LOCK, RUN_LOCK, STARTED

ROOT = Path(__file__).parent.parent.parent
_SEEDS = "countersign_test_seeds"
URLS = "urls.json"
_FOLDER = pytest.StashKey[Path]()
_LOCK = pytest.StashKey[int]()
_keepers: list[int] = []
"""Process numbers of the keepers started here."""


@dataclass(frozen=True)
class Engines:
    """What one xdist worker works on."""

    database_url: str
    redis_url: str
    redis_prefix: str


def begin(config: pytest.Config) -> None:
    """Find the folder that all workers of this run share; the controller makes it and holds its lock while it lives."""
    if (given := getattr(config, "workerinput", None)) is not None:
        config.stash[_FOLDER] = Path(given["engines_folder"])
        return
    folder = Path(tempfile.mkdtemp(prefix="countersign-tests-"))
    config.stash[_FOLDER] = folder
    descriptor = places.take(folder / RUN_LOCK)
    assert descriptor is not None
    config.stash[_LOCK] = descriptor


def share(node) -> None:
    """Tell an xdist worker the folder."""
    node.workerinput["engines_folder"] = str(node.config.stash[_FOLDER])


def end(config: pytest.Config) -> None:
    """Let the keeper stop the engines, and wait until it has."""
    if _LOCK not in config.stash:
        return
    folder = config.stash[_FOLDER]
    _drop_template(folder)
    fcntl.flock(config.stash[_LOCK], fcntl.LOCK_UN)
    os.close(config.stash[_LOCK])
    if (folder / KEEPER_LOCK).exists():
        descriptor = places.take(folder / KEEPER_LOCK, wait=60) if folder.exists() else None
        if descriptor is not None:
            os.close(descriptor)
    for keeper in _keepers:
        os.waitpid(keeper, 0)
    shutil.rmtree(folder, ignore_errors=True)


def _start(folder: Path) -> dict[str, str]:
    with places.held(folder / "start.lock", wait=120):
        if not (folder / URLS).exists():
            _prepare(folder)
        return json.loads((folder / URLS).read_text())


def _prepare(folder: Path) -> None:
    given = {"database": os.environ.get("TEST_DATABASE_URL"), "redis": os.environ.get("TEST_REDIS_URL")}
    urls = {name: url for name, url in given.items() if url}
    wanted = [program for program, name in (("postgres", "database"), ("redis", "redis")) if name not in urls]
    if wanted:
        urls |= _run_keeper(folder, wanted)
    urls["run"] = folder.name.rpartition("-")[2].lower()
    _make_template(urls)
    (folder / URLS).write_text(json.dumps(urls))


def _run_keeper(folder: Path, wanted: list[str]) -> dict[str, str]:
    log = folder / "keeper.log"
    if not (folder / STARTED).exists():
        keeper = _spawn([sys.executable, "-m", "tests.kit.keeper", str(folder), *wanted], log)
        _keepers.append(keeper)
        while not (folder / STARTED).exists():
            if os.waitpid(keeper, os.WNOHANG) != (0, 0):
                pytest.exit(f"The engines for the tests did not start:\n{log.read_text()}", returncode=3)
            time.sleep(0.02)
    return json.loads((folder / STARTED).read_text())


def _spawn(command: list[str], log: Path) -> int:
    """Start a process that outlives this one (for which a Popen would warn at exit); its number."""
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return os.posix_spawn(command[0], command, environment, file_actions=actions, setsid=True)


def _make_template(urls: dict[str, str]) -> None:
    """Migrate one database; each worker copies it, which takes a tenth of the time."""
    name = f"countersign_test_{urls['run']}"
    with psycopg.connect(urls["database"], autocommit=True) as connection:
        for statement in ("DROP DATABASE IF EXISTS {} WITH (FORCE)", "CREATE DATABASE {}"):
            connection.execute(sql.SQL(statement).format(sql.Identifier(name)))
    migrate.upgrade(with_database(urls["database"], name))
    with psycopg.connect(with_database(urls["database"], name), autocommit=True) as connection:
        _keep_seeds(connection)


def _drop_template(folder: Path) -> None:
    if not os.environ.get("TEST_DATABASE_URL") or not (folder / URLS).exists():
        return  # The embedded server goes as a whole.
    urls = json.loads((folder / URLS).read_text())
    with psycopg.connect(urls["database"], autocommit=True) as connection:
        name = sql.Identifier(f"countersign_test_{urls['run']}")
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))


def with_database(url: str, name: str) -> str:
    """The same server, another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def _tables(connection: psycopg.Connection) -> list[str]:
    rows = connection.execute(
        "SELECT format('%%I.%%I', schemaname, tablename) FROM pg_tables"
        " WHERE schemaname NOT IN ('pg_catalog', 'information_schema', %s) AND tablename <> 'alembic_version'"
        " ORDER BY 1",
        [_SEEDS],
    )
    return [name for (name,) in rows]


def _filled(connection: psycopg.Connection, tables: list[str]) -> list[str]:
    if not tables:
        return []
    query = " UNION ALL ".join(f"(SELECT '{name}' FROM {name} LIMIT 1)" for name in tables)
    return [name for (name,) in connection.execute(query)]


def _keep_seeds(connection: psycopg.Connection) -> None:
    """Copy the rows that migrations made, so that :func:`clean` can bring them back."""
    connection.execute(f"CREATE SCHEMA {_SEEDS}")
    for number, table in enumerate(_filled(connection, _tables(connection))):
        connection.execute(f"CREATE TABLE {_SEEDS}.s{number} AS TABLE {table}")
        connection.execute(f"COMMENT ON TABLE {_SEEDS}.s{number} IS '{table}'")


_RESTART = "SELECT setval(seqrelid, seqstart, false) FROM pg_sequence"
"""Every sequence from its start: otherwise ids would depend on the tests before."""

_SMALL = 256 * 1024
"""Bytes of a table whose rows are deleted; a larger one is truncated, which takes ten times as long for a few rows."""


def clean(url: str, *, anew: bool = False) -> None:
    """Empty every table that has rows, then bring back the rows that migrations made.

    Args:
        url: the database.
        anew: give every table new files, empty or not.
    """
    with psycopg.connect(url) as connection:
        connection.execute("SET lock_timeout = '20s'")  # a transaction that a test left open is an error, not a hang
        connection.execute(_RESTART)
        tables = _tables(connection)
        filled = tables if anew else _filled(connection, tables)
        if not filled:
            return
        _empty(connection, filled, anew=anew)
        seeds = connection.execute(
            "SELECT relname, obj_description(oid, 'pg_class') FROM pg_class"
            " WHERE relnamespace = %s::regnamespace AND relkind = 'r'",
            [_SEEDS],
        ).fetchall()
        for seed, table in seeds:
            connection.execute(f"INSERT INTO {table} OVERRIDING SYSTEM VALUE TABLE {_SEEDS}.{seed}")


def _empty(connection: psycopg.Connection, tables: list[str], *, anew: bool) -> None:
    # What was deleted before still counts, so a table that grows is truncated now and then.
    sizes = connection.execute("SELECT max(pg_relation_size(name::regclass)) FROM unnest(%s::text[]) name", [tables])
    [[largest]] = sizes.fetchall()
    if anew or largest > _SMALL:
        connection.execute(f"TRUNCATE {', '.join(tables)} CASCADE")
        return
    # In one statement: foreign keys are looked at once all rows are gone.
    steps = ", ".join(f"d{number} AS (DELETE FROM {table})" for number, table in enumerate(tables))
    connection.execute(f"WITH {steps} SELECT")


@pytest.fixture(scope="session")
def engines(request: pytest.FixtureRequest) -> Iterator[Engines]:
    """The engines of this worker: a database of its own, and a number of its own in Redis."""
    worker = getattr(request.config, "workerinput", {}).get("workerid", "main")
    urls = _start(request.config.stash[_FOLDER])
    template = f"countersign_test_{urls['run']}"
    name = f"{template}_{worker}"
    with psycopg.connect(urls["database"], autocommit=True) as connection:
        copy = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        connection.execute(copy)
    prefix = f"{name}:"
    if os.environ.get("TEST_REDIS_URL"):
        redis_url = urls["redis"]
    else:
        redis_url = f"{urls['redis']}?virtual_host={int(worker.removeprefix('gw') or 0) + 1 if worker != 'main' else 0}"
    yield Engines(with_database(urls["database"], name), redis_url, prefix)
    if os.environ.get("TEST_DATABASE_URL"):
        with psycopg.connect(urls["database"], autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def database_url(engines: Engines) -> str:
    """The URL of a migrated database without rows (but those that migrations made)."""
    clean(engines.database_url)
    return engines.database_url


@pytest.fixture
def new_tables(database_url: str) -> None:
    """Tables with new files, for tests that look at plans: these depend on what tests before have deleted too.

    To be named before ``world``.
    """
    clean(database_url, anew=True)


@pytest.fixture
def redis_prefix(engines: Engines) -> str:
    """The prefix that all keys of this worker begin with; needed only where TEST_REDIS_URL is shared."""
    return engines.redis_prefix


@pytest.fixture
def redis_url(engines: Engines) -> str:
    """The URL (as Celery spells it) of a Redis without keys of ours."""
    with Redis.from_url(client_url(engines.redis_url)) as client:
        if os.environ.get("TEST_REDIS_URL"):
            for key in client.scan_iter(match=f"{engines.redis_prefix}*", count=1000):
                client.delete(key)
        else:
            client.flushdb()
    return engines.redis_url
