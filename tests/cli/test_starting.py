"""Web and workers look before they begin: what can't work is told at once, with exit status 78 (C4 to C7)."""

import contextlib
import os
import signal
import subprocess
import sys

import psycopg
import pytest

from campaign.local.mailserver.certificates import Authority
from campaign.local.servers import ports, postgres
from campaign.redis_client import client_url
from campaign.settings import child_environment
from campaign.variables import ROOT
from tasks.process import _Holder
from tests.kit.doors import door
from tests.kit.engines import with_database
from tests.kit.faulty_postgres import FaultyPostgres
from tests.kit.waiting import until
from tests.kit.worlds import settings_for

PROGRAMS = [("web",), ("worker", "--lane", "urgent")]


def environment(settings, **more):
    return os.environ | child_environment(settings) | more


def ended(settings, *words, **more):
    """The end of a program that is refused: exit status and what it said."""
    ran = subprocess.run(
        [sys.executable, "-m", "campaign.cli", *words],
        check=False, cwd=ROOT, env=environment(settings, **more), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    said = ran.stdout + ran.stderr
    assert "Traceback" not in said
    return ran.returncode, said


@contextlib.contextmanager
def running(settings, log, *words):
    """A program that goes on; ended by its number."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "campaign.cli", *words],
            cwd=ROOT, env=environment(settings), stdout=output, stderr=output,
        )  # fmt: skip
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=90)


def serves(settings):
    return ports.serves_http("127.0.0.1", settings.port, path="/healthz", name=f"localhost:{settings.port}")


@pytest.mark.parametrize("words", PROGRAMS)
def test_all_that_can_not_work_is_told_at_once(own_server, tmp_path, words):
    faulty = FaultyPostgres(*own_server)
    pem, file = tmp_path / "dkim.pem", tmp_path / "file"
    pem.write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    file.write_text("")
    made = settings_for(
        faulty.url_of(password="s3cret"), file / "data", dkim_key_file=str(pem), redis_url="redis://127.0.0.1:1/0"
    )

    status, said = ended(made, *words, SMTP_URL="smtp://ada:s3cret@relay.example.org:25")

    assert status == 78
    for name in ("DATABASE_URL", "COUNTERSIGN_DKIM_KEY_FILE", "COUNTERSIGN_DATA", "SMTP_URL"):
        assert name in said
    assert "refuses the user name or the password" in said
    assert "s3cret" not in said


@pytest.mark.parametrize("words", PROGRAMS)
def test_a_database_without_the_tables_of_this_release_is_refused(world, tmp_path, redis_url, words):
    url = world.runtime.settings.database_url
    name = f"{url.rpartition('/')[2].partition('?')[0]}_bare"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        try:
            made = settings_for(with_database(url, name), tmp_path, redis_url=redis_url)
            status, said = ended(made, *words)
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

    assert (status, "Run `countersign db upgrade`" in said) == (78, True)


def test_keys_of_another_installation_are_refused(world, tmp_path, redis_url):
    made = settings_for(world.runtime.settings.database_url, tmp_path, redis_url=redis_url, keys="k1:" + "A" * 43 + "=")
    status, said = ended(made, "worker", "--lane", "bulk")

    assert (status, "COUNTERSIGN_KEYS" in said) == (78, True)


@pytest.mark.parametrize("same_folder", [True, False])
def test_a_second_web_server_on_a_port_is_refused_while_the_first_goes_on(world, tmp_path, redis_url, same_folder):
    port = ports.find_free("127.0.0.1")
    url = world.runtime.settings.database_url
    first = settings_for(url, tmp_path / "one", redis_url=redis_url, port=str(port))
    second = settings_for(url, tmp_path / ("one" if same_folder else "two"), redis_url=redis_url, port=str(port))
    with running(first, tmp_path / "web.log", "web"):
        until(lambda: serves(first))
        status, said = ended(second, "web")
        assert serves(first)

    assert (status, "COUNTERSIGN_PORT" in said) == (78, True)
    # And the port is free again for the next one.
    ports.check_free("127.0.0.1", port)


def test_a_worker_waits_for_a_database_that_is_not_up_and_is_not_ready_before(own_server, redis_url, tmp_path):
    settings, url = own_server
    made = settings_for(url, settings.data, redis_url=redis_url, redis_prefix=f"test-{tmp_path.name}:")
    log = tmp_path / "worker.log"
    postgres.stop(settings)
    with running(made, log, "worker", "--lane", "urgent"):
        until(lambda: "Nothing answers at the host and port of DATABASE_URL" in log.read_text())
        assert " ready." not in log.read_text()
        postgres.start(settings)
        until(lambda: " ready." in log.read_text())

    assert log.read_text().count("Nothing answers") == 1


def test_a_worker_is_ready_on_rediss_with_the_right_certificate_alone(world, redis_url, tmp_path):
    authority = Authority.create(tmp_path)
    path = client_url(redis_url).removeprefix("unix://").partition("?")[0]
    with door(path, context=authority.server_context()) as port:
        shared = {"redis_url": f"rediss://localhost:{port}/0", "redis_prefix": f"test-{tmp_path.name}:"}
        database = world.runtime.settings.database_url
        trusting = settings_for(database, tmp_path / "one", ca_file=str(authority.ca_file), **shared)
        with running(trusting, tmp_path / "trusting.log", "worker", "--lane", "urgent"):
            until(lambda: " ready." in (tmp_path / "trusting.log").read_text())
        with running(
            settings_for(database, tmp_path / "two", **shared), tmp_path / "other.log", "worker", "--lane", "urgent"
        ):
            until(lambda: "Cannot connect" in (tmp_path / "other.log").read_text())

    said = (tmp_path / "other.log").read_text()
    assert "The TLS certificate of Redis can't be trusted" in said
    assert " ready." not in said
    assert "insecure" not in said + (tmp_path / "trusting.log").read_text()


def test_a_worker_process_tries_again_whatever_kept_it_from_beginning(world, tmp_path, redis_url, celery_app, caplog):
    """A folder that can't be made is an OSError, which once ended the thread for good."""
    blocked = tmp_path / "blocked"
    blocked.write_text("")
    made = settings_for(world.runtime.settings.database_url, blocked, redis_url=redis_url)
    holder = _Holder(celery_app(made), made)
    try:
        until(lambda: "this worker can't begin" in caplog.text)
        blocked.unlink()
        assert holder.process().lane == "urgent"
    finally:
        holder.close()
