"""The engines for the tests hold what they promise."""

import os
import signal
import subprocess
import sys
import textwrap

import psutil
import psycopg
import pytest
from redis import Redis

from campaign.operations.broker import client_url
from tests.kit import engines as kit_engines
from tests.kit.waiting import until


@pytest.mark.parametrize("time", ["first", "second"])
def test_each_test_finds_clean_tables(database_url, time):
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kit_parent (id int PRIMARY KEY)")
        connection.execute("CREATE TABLE IF NOT EXISTS kit_child (parent int REFERENCES kit_parent)")
        found = connection.execute("SELECT count(*) FROM kit_child").fetchone()
        connection.execute("INSERT INTO kit_parent VALUES (1)")
        connection.execute("INSERT INTO kit_child VALUES (1)")

    assert found == (0,)


@pytest.mark.parametrize("time", ["first", "second"])
def test_ids_do_not_depend_on_the_tests_before(world, time):
    assert world.signature(world.petition()) == 1


@pytest.mark.parametrize("time", ["first", "second"])
def test_each_test_finds_an_empty_redis(redis_url, redis_prefix, time):
    with Redis.from_url(client_url(redis_url)) as client:
        found = list(client.scan_iter(match=f"{redis_prefix}*"))
        client.set(f"{redis_prefix}key", 1)

    assert found == []


def test_rows_of_migrations_come_back(engines):
    name = f"{engines.redis_prefix.rstrip(':')}_seeds"
    with psycopg.connect(engines.database_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    url = kit_engines.with_database(engines.database_url, name)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE seeded (id bigint GENERATED ALWAYS AS IDENTITY, word text)")
        connection.execute("INSERT INTO seeded (word) VALUES ('from a migration')")
        kit_engines._keep_seeds(connection)  # noqa: SLF001 - its counterpart is under test
        connection.execute("UPDATE seeded SET word = 'changed by a test'")

    kit_engines.clean(url)

    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT id, word FROM seeded").fetchall() == [(1, "from a migration")]
    with psycopg.connect(engines.database_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.skipif(bool(os.environ.get("TEST_DATABASE_URL")), reason="nothing is started here then")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_when_a_run_is_interrupted(tmp_path, number):
    (tmp_path / "test_inner.py").write_text(
        textwrap.dedent("""
            import time
            from pathlib import Path

            import psycopg

            def test_waits(database_url, redis_url):
                with psycopg.connect(database_url) as connection:
                    pid = connection.execute("SELECT pg_backend_pid()").fetchone()[0]
                    Path(__file__).with_name("ready.draft").write_text(str(pid))
                    Path(__file__).with_name("ready.draft").rename(Path(__file__).with_name("ready"))
                    time.sleep(60)
            """)
    )
    arguments = f"-m pytest -p tests.conftest -p no:valkey -c /dev/null --rootdir {tmp_path} {tmp_path}".split()
    with subprocess.Popen(
        [sys.executable, *arguments],
        cwd=kit_engines.ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    ) as run:
        until(lambda: (tmp_path / "ready").exists() or run.poll() is not None)
        server = psutil.Process(int((tmp_path / "ready").read_text())).parent()

        run.send_signal(number)

    until(lambda: gone(server))
    until(lambda: not list(tmp_path.glob("countersign-tests-*")))


def test_a_keeper_outlives_the_process_that_started_it_without_a_warning(tmp_path):
    program = "from pathlib import Path; from tests.kit import engines; import sys; "
    program += "engines._spawn(['/bin/sh', '-c', 'echo said; read nothing || sleep 1; echo done'], Path(sys.argv[1]))"

    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, tmp_path / "log"],
        cwd=kit_engines.ROOT, check=False, capture_output=True, text=True,
    )  # fmt: skip

    assert (ended.returncode, ended.stderr) == (0, "")
    until(lambda: (tmp_path / "log").exists() and (tmp_path / "log").read_text() == "said\ndone\n")


def gone(process):
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
