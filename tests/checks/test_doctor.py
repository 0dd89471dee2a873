"""`countersign doctor` as an admin runs it: what is wrong, why it matters, what to do, and its exit status."""

import http.server
import json
import threading
from contextlib import contextmanager

import psycopg
import pytest

from campaign.checks import database, host, redis
from campaign.checks.findings import Level
from campaign.local.mailserver.certificates import Authority, Certificate
from campaign.local.mailserver.faults import FaultServer
from campaign.local.servers import ports
from campaign.security.keys import ensure_local_keys
from tests.kit.commands import Shell
from tests.kit.engines import with_database
from tests.kit.faulty_postgres import PASSWORD, FaultyPostgres
from tests.kit.own_redis import own_redis
from tests.kit.worlds import settings_for
from web import create_app

OTHER_KEYS = "k1:" + "A" * 43 + "="


@pytest.fixture
def shell(world):
    return Shell(world)


def told(ran):
    return {finding["check"]: finding for finding in json.loads(ran.out)}


def test_an_installation_as_it_should_be_is_fine_and_exits_with_0(world, shell, redis_url):
    world.petition()
    with FaultServer() as server:
        ran = shell(
            "doctor", "--json", REDIS_URL=redis_url, SMTP_URL=f"smtp://127.0.0.1:{server.port}",
            COUNTERSIGN_PORT=str(ports.find_free("127.0.0.1")),
        )  # fmt: skip
    found = told(ran)

    assert ran.status == 0, ran.out
    for check in ("database.log_in", "database.version", "database.encoding", "database.migrations", "database.rights",
                  "database.writing", "keys.open", "keys.files", "redis.log_in", "redis.version", "redis.eviction",
                  "smtp.url", "host.data", "host.port", "host.clock", "settings"):  # fmt: skip
        assert found[check]["level"] == "fine", found[check]
    assert found["dns"]["level"] == "unknown"


def test_what_is_wrong_comes_first_and_exits_with_1(shell):
    ran = shell("doctor", DATABASE_URL="postgresql://guest:s3cret@127.0.0.1:1/x", REDIS_URL="redis://127.0.0.1:1/0")

    assert ran.status == 1
    assert ran.out.startswith("stop")
    assert "Nothing works without the database" in ran.out
    assert "host and port of REDIS_URL" in ran.out
    assert "s3cret" not in ran.out + ran.err


def test_settings_that_can_not_be_read_are_all_named_and_exit_with_78(shell):
    ran = shell("doctor", DATABASE_URL="mysql://x", COUNTERSIGN_PORT="none")

    assert ran.status == 78
    assert "DATABASE_URL" in ran.err
    assert "COUNTERSIGN_PORT" in ran.err


def test_a_test_mail_needs_an_address(shell):
    assert shell("doctor", "--send", "nobody", SMTP_URL="smtp://127.0.0.1:1").status == 2


def findings(settings):
    return {finding.check: finding for finding in database.check(settings)}


def test_a_database_without_tables_is_a_stop_that_names_the_command(world, tmp_path):
    url = world.runtime.settings.database_url
    name = f"{url.rpartition('/')[2].partition('?')[0]}_empty"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0".encode())
        try:
            found = findings(settings_for(with_database(url, name), tmp_path))
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

    assert "countersign db upgrade" in found["database.migrations"].remedy
    assert found["database.encoding"].level is Level.STOP
    assert "keys.open" not in found


def test_keys_of_another_installation_are_a_stop(world, tmp_path):
    world.petition()
    found = findings(settings_for(world.runtime.settings.database_url, tmp_path, keys=OTHER_KEYS))

    assert (found["keys.open"].level, found["keys.open"].passes) == (Level.STOP, False)


def test_more_processes_than_the_database_has_connections_for_are_told(world):
    found = findings(world.runtime.settings.replace(web_workers=64, web_threads=64))

    assert (found["database.connections"].level, "max_connections" in found["database.connections"].remedy) == (
        Level.LOOK,
        True,
    )


def test_missing_rights_and_a_read_only_database_are_told_apart(own_server, tmp_path):
    settings, url = own_server
    faulty = FaultyPostgres(settings, url)
    made = settings_for(faulty.url_of(password=PASSWORD), tmp_path)
    assert findings(made)["database.migrations"].level is Level.STOP

    faulty.run("grant all on all tables in schema public to guest", "revoke insert on message from guest")
    found = findings(made)
    assert "message" in found["database.rights"].what
    assert found["database.writing"].level is Level.FINE

    faulty.run("alter role guest set default_transaction_read_only = on")
    found = findings(made)
    assert (found["database.writing"].level, found["database.writing"].passes) == (Level.STOP, True)
    assert "read-only" in found["database.writing"].what


def test_a_redis_that_drops_keys_or_refuses_writes_is_told_apart(tmp_path):
    with own_redis(tmp_path / "redis") as (url, client):
        made = settings_for("postgresql://unused/", tmp_path, redis_url=url)
        client.config_set("maxmemory-policy", "allkeys-lru")
        found = {finding.check: finding for finding in redis.check(made)}
        assert found["redis.eviction"].level is Level.LOOK
        assert found["redis.persistence"].level is Level.LOOK
        client.execute_command("REPLICAOF", "127.0.0.1", "1")
        [found] = redis.check(made)
        assert (found.level, "replica" in found.what) == (Level.STOP, True)


@contextmanager
def public(app, *forwarded, tls=None):
    """A server that hands requests to an application as so many proxies do; its port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            headers = dict(self.headers) | ({"X-Forwarded-For": ", ".join(forwarded)} if forwarded else {})
            answer = app.test_client().get(self.path, headers=headers)
            self.send_response(answer.status_code)
            self.end_headers()
            self.wfile.write(answer.data)

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=30)


@pytest.mark.parametrize(
    ("set_to", "forwarded", "level", "words"),
    [
        ("0", (), Level.FINE, ""),
        ("1", ("192.0.2.7",), Level.FINE, ""),
        ("0", ("192.0.2.7",), Level.STOP, "one network"),
        ("2", ("192.0.2.7",), Level.STOP, "write themselves"),
    ],
)
def test_proxies_are_counted_by_a_request_to_the_public_address(world, set_to, forwarded, level, words):
    made = world.runtime.settings.replace(proxies=int(set_to))
    app = create_app(made)
    with public(app, *forwarded) as port:
        address, proxies = host.public_address(made.replace(base_url=f"http://localhost:{port}"))
        plain = app.test_client().get("/healthz/proxies")

    assert (address.level, proxies.level, words in proxies.why) == (Level.FINE, level, True)
    assert plain.status_code == 404
    app.extensions["countersign"].close()


def test_a_public_address_that_leads_elsewhere_or_nowhere_is_told(world):
    made = world.runtime.settings
    [away] = host.public_address(made.replace(base_url=f"http://localhost:{ports.find_free('127.0.0.1')}"))
    app = create_app(made)
    with public(app) as port:
        [other] = host.public_address(
            ensure_local_keys(made.replace(base_url=f"http://localhost:{port}", keys=(), data=made.data / "other"))
        )
    app.extensions["countersign"].close()

    assert away.level is Level.UNKNOWN
    assert (other.level, "not this installation" in other.what) == (Level.LOOK, True)


@pytest.mark.parametrize("kind", [Certificate.GOOD, Certificate.EXPIRED, Certificate.WRONG_HOST])
def test_a_public_address_with_a_certificate_that_is_refused_is_told(world, tmp_path, kind):
    app = create_app(world.runtime.settings)
    with public(app, tls=Authority.create(tmp_path).server_context(kind)) as port:
        [found] = host.public_address(world.runtime.settings.replace(base_url=f"https://localhost:{port}"))
    app.extensions["countersign"].close()

    assert (found.level, "certificate" in found.what, "certbot" in found.remedy) == (Level.LOOK, True, True)


def test_a_data_folder_that_can_not_be_made_is_a_stop(tmp_path):
    (tmp_path / "file").write_text("")
    found = host.data_folder(settings_for("postgresql://unused/", tmp_path / "file" / "data"))

    assert (found.level, "COUNTERSIGN_DATA" in found.remedy) == (Level.STOP, True)
