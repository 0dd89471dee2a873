"""Each fault of a database is made for real, and told with its cause by monitor, command and /healthz (F64, C2, C5)."""

import contextlib
import json
import os

import psycopg
import pytest

from campaign.database import migrate
from campaign.local.servers import postgres
from campaign.operations import monitor
from campaign.operations.diagnosis import judge
from campaign.operations.health import Code, Level
from campaign.operations.metrics import exposition
from campaign.operations.status_line import sentence
from campaign.states import Lane
from tests.kit.commands import Shell
from tests.kit.faulty_postgres import FaultyPostgres
from tests.kit.small_disk import small_disk
from tests.kit.worlds import make_world
from web import create_app


@pytest.fixture
def faulty(own_server):
    settings, url = own_server
    made = FaultyPostgres(settings, url)
    made.run(
        "grant usage, create on schema public to guest",
        "grant all on all tables in schema public to guest",
        "grant all on all sequences in schema public to guest",
    )
    return made


@pytest.fixture
def world(faulty, tmp_path):
    made = make_world(faulty.url_of(), tmp_path)
    yield made
    made.runtime.close()


@contextlib.contextmanager
def web_of(settings):
    app = create_app(settings)
    try:
        yield app.test_client()
    finally:
        app.extensions["countersign"].close()


def forget(world):
    """Close kept connections, as a restart does, and what was found a second ago."""
    world.runtime.store.engine.dispose()
    world.runtime.cache.clear()


def told(world, shell, client, **environ):
    """What the four ways say: the command, its JSON, --check, and /healthz."""
    shown, checked = shell("monitor", **environ), shell("monitor", "--check", **environ)
    document = json.loads(shell("monitor", "--json", **environ).out)
    health = client.get("/healthz")
    assert (checked.status, health.status_code) == (1, 503), (shown.out, health.text)
    assert document["sentence"]["text"] == shown.out.splitlines()[0] == checked.out.splitlines()[0]
    assert "Traceback" not in shown.out + shown.err + checked.err
    assert health.json["problem"] in shown.out
    return document["sentence"]["code"], health.json["database"], shown.out.splitlines()[0]


def test_a_read_only_database_is_told_and_signing_goes_on_by_itself_afterwards(world, faulty):
    slug = world.petition()
    faulty.run("alter role guest set default_transaction_read_only = on")
    forget(world)

    with web_of(world.runtime.settings) as client:
        said = told(world, Shell(world), client)
        snapshot = monitor.take(world.runtime)
        metrics = exposition(snapshot, {}).decode()
        faulty.run("alter role guest reset default_transaction_read_only")
        forget(world)
        client.application.extensions["countersign"].close()

    assert said[:2] == ("not_writable", "25006")
    assert said[2].startswith(
        "The database can’t be written. PostgreSQL is read-only: it is a replica, or default_transaction_read_only is "
    )
    assert "countersign_database_writable 0.0" in metrics
    assert [flow.lane for flow in snapshot.lanes] == list(Lane)
    world.sign(slug)
    assert judge(monitor.take(world.runtime)).code is not Code.NOT_WRITABLE


@pytest.mark.parametrize(
    ("change", "code", "begins"),
    [
        ({"password": "wrong"}, "28P01", "PostgreSQL refuses the user name or the password in DATABASE_URL."),
        ({"database": "absent"}, "3D000", "PostgreSQL has no database of the name in DATABASE_URL."),
    ],
)
def test_a_wrong_url_is_told_with_its_variable(world, faulty, change, code, begins):
    url = faulty.url_of(**change)
    settings = world.runtime.settings.model_copy(update={"database_url": url})

    with web_of(settings) as client:
        said = told(world, Shell(world), client, DATABASE_URL=url)

    assert said[:2] == ("no_database", code)
    assert said[2].startswith(f"The database can’t be used. {begins}")


def test_a_password_that_was_changed_while_the_site_runs_is_told(world, faulty):
    with web_of(world.runtime.settings) as client:
        assert client.get("/healthz").status_code == 200
        faulty.run("alter role guest password 'another'")
        for runtime in (world.runtime, client.application.extensions["countersign"].runtime()):
            runtime.store.engine.dispose()
            runtime.cache.clear()
        said = told(world, Shell(world), client)

    assert said[:2] == ("no_database", "28P01")


def test_a_role_without_a_connection_left_is_told(world, faulty):
    forget(world)
    faulty.run("alter role guest connection limit 0")

    with web_of(world.runtime.settings) as client:
        said = told(world, Shell(world), client)

    assert said[:2] == ("no_database", "53300")
    assert "PostgreSQL has no connection left." in said[2]


def test_a_server_that_is_stopped_and_a_host_that_is_unknown_are_told(world, own_server):
    unknown = "postgresql://guest@no-such-host.invalid/countersign"
    with web_of(world.runtime.settings.model_copy(update={"database_url": unknown})) as client:
        said = told(world, Shell(world), client, DATABASE_URL=unknown)
    assert said[:2] in {("no_database", "host"), ("no_database", "dns")}

    postgres.stop(own_server[0], hurry=True)
    forget(world)
    with web_of(world.runtime.settings) as client:
        said = told(world, Shell(world), client)
    postgres.start(own_server[0])

    assert said[0] == "no_database"
    assert said[1] in {"refused", "57P03", "57P01", "lost"}


def test_a_full_disk_is_told_by_those_that_only_read_and_ends_by_itself(own_server, tmp_path):
    settings, url = own_server
    folder = tmp_path / "disk"
    folder.mkdir()
    owner = postgres.cluster(settings).stat().st_uid
    with small_disk(folder, megabytes=48, owner=owner) as disk:
        for parent in folder.parents[:-2]:
            parent.chmod(parent.stat().st_mode | 0o111)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"create tablespace small location '{folder}'")
            connection.execute("create database small tablespace small")
        small = url.replace("/countersign?", "/small?")
        migrate.upgrade(small)
        world = make_world(small, tmp_path)
        deliverer = world.deliverer()
        disk.fill()

        with web_of(world.runtime.settings) as client:
            said = told(world, Shell(world), client)
        assert said[:2] == ("not_writable", "53100")
        assert "The disk of PostgreSQL is full. Free space on the host of DATABASE_URL" in said[2]

        disk.free()
        snapshot = monitor.take(world.runtime)
        deliverer.beat()
        deliverer.close()
        world.runtime.close()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("drop database small with (force)")
            connection.execute("drop tablespace small")

    assert snapshot.database_problem is None


def test_a_heartbeat_fails_on_a_database_that_takes_no_writes_with_its_cause(world, faulty):
    deliverer = world.deliverer()
    faulty.run("alter role guest set default_transaction_read_only = on")
    forget(world)

    with pytest.raises(Exception, match="PostgreSQL is read-only"):
        deliverer.beat()

    faulty.run("alter role guest reset default_transaction_read_only")
    forget(world)
    deliverer.close()


def test_health_writes_once_a_second_however_often_it_is_asked(world):
    with web_of(world.runtime.settings) as client:
        answers = [client.get("/healthz").status_code for _ in range(20)]
    rows = world.sql("select host, pid from write_check")

    assert set(answers) == {200}
    assert rows == [(os.uname().nodename, os.getpid())]
    assert sentence(monitor.take(world.runtime), "fa")
    assert judge(monitor.take(world.runtime)).level is Level.BAD
