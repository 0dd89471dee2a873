"""Why PostgreSQL does not do its work is told in words that name the variable and the remedy, and nothing else."""

import socket
import threading
from urllib.parse import quote, unquote

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DataError

from campaign.database.causes import CAUSES, cause_of
from campaign.database.connection import Store
from campaign.errors import SettingsError, StoreUnavailableError
from campaign.local.mailserver.certificates import Authority, Certificate
from tests.kit.doors import door
from tests.kit.faulty_postgres import PASSWORD, FaultyPostgres

SECRET = "s3cret-of-a-signer"


@pytest.fixture
def faulty(own_server):
    settings, url = own_server
    return FaultyPostgres(settings, url)


def told(url, statement="select 1", **values):
    """The cause that travels with the error of a statement."""
    store = Store(url)
    try:
        with pytest.raises(StoreUnavailableError) as caught:
            store.transact(lambda tx: tx.execute(text(statement), **values))
    finally:
        store.close()
    assert str(caught.value) == caught.value.cause.sentence
    return caught.value.cause


def socket_of(url):
    return unquote(url.partition("host=")[2]) + "/.s.PGSQL.5432"


def test_each_mistake_in_the_log_in_is_told_apart(faulty):
    found = {
        told(faulty.url_of(password="wrong")).code: "28P01",
        told(faulty.url_of(user="unknown")).code: "28000",
        told(faulty.url_of(user="barred")).code: "28000",
        told(faulty.url_of(database="absent")).code: "3D000",
        told(faulty.url_of(password="")).code: "password",
    }
    assert all(code == wanted for code, wanted in found.items()), found
    faulty.rules("local all guest reject")
    assert told(faulty.url_of()).code in {"pg_hba", "28P01"}


def test_no_rule_for_the_host_is_told_apart(faulty):
    (faulty.cluster / "pg_hba.conf").write_text("local all countersign trust\n")
    faulty.run("select pg_reload_conf()")
    while (cause := told(faulty.url_of())).code != "pg_hba":
        assert cause.code != "other"


def test_what_a_server_refuses_while_it_runs_is_told_apart(faulty):
    guest = faulty.url_of()
    assert told(guest, "create table public.refused (id int)").code == "42501"
    assert told(guest, "select * from tables_of_tomorrow").code == "42P01"
    assert told(faulty.url, "select column_of_tomorrow from instance").code == "42P01"
    faulty.run("alter role guest set default_transaction_read_only = on")
    assert told(guest, "create table public.refused (id int)").code == "25006"
    faulty.run("alter role guest reset all", "alter role guest connection limit 0")
    assert told(guest).code == "53300"


def test_a_full_disk_is_told_as_such(faulty):
    """As the server says it: a function that raises 53100 stands in for the disk, which this machine shares."""
    statement = "do $$ begin raise exception 'could not extend file' using errcode = '53100'; end $$"
    cause = told(faulty.url, statement)
    assert (cause.code, cause.lasting) == ("53100", False)


def test_a_server_that_ends_our_connection_is_told_as_such(faulty):
    assert told(faulty.url, "select pg_terminate_backend(pg_backend_pid())").code == "57P01"


def test_what_no_server_answers_is_told_apart(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert told(f"postgresql://guest:{SECRET}@127.0.0.1:{port}/x").code == "refused"
    assert told(f"postgresql://guest:{SECRET}@/x?host={quote(str(tmp_path), safe='')}").code == "refused"
    assert told(f"postgresql://guest:{SECRET}@host.invalid/x").code in {"host", "dns"}
    assert told(f"postgresql://guest:{SECRET}@127.0.0.1:99999/x").code == "port"
    assert told(f"postgresql://guest:{SECRET}@127.0.0.1/x?misspelt=1").code == "url"


def test_a_server_that_takes_connections_and_is_silent_is_told_as_late():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert told(f"postgresql://guest@127.0.0.1:{silent.getsockname()[1]}/x").code == "timeout"


def test_a_server_that_ends_each_connection_is_told_as_lost():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def end_all():
            for _ in range(8):
                try:
                    server.accept()[0].close()
                except OSError:
                    return

        threading.Thread(target=end_all, daemon=True).start()
        url = f"postgresql://guest@127.0.0.1:{server.getsockname()[1]}/x?sslmode=disable"
        assert told(url).code == "lost"


def test_a_url_that_can_not_be_read_is_a_mistake_of_the_settings():
    with pytest.raises(SettingsError) as caught:
        Store(f"guest:{SECRET}@host/x")
    assert "DATABASE_URL" in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("certificate", "host", "trusted"),
    [
        (Certificate.GOOD, "localhost", True),
        (Certificate.GOOD, "localhost", False),
        (Certificate.EXPIRED, "localhost", True),
        (Certificate.WRONG_HOST, "localhost", True),
    ],
)
def test_a_certificate_is_checked_and_named(faulty, tmp_path, certificate, host, trusted):
    authority, other = Authority.create(tmp_path), tmp_path / "other"
    other.mkdir()
    ca_file = authority.ca_file if trusted else Authority.create(other).ca_file
    with door(socket_of(faulty.url), context=authority.server_context(certificate), postgres=True) as port:
        url = f"postgresql://countersign@{host}:{port}/countersign?sslmode=verify-full&sslrootcert={ca_file}"
        if certificate is Certificate.GOOD and trusted:
            store = Store(url)
            assert store.transact(lambda tx: tx.execute(text("select 1")).scalar_one()) == 1
            store.close()
        else:
            assert told(url).code == "certificate"


def test_a_server_without_tls_is_told_apart_from_a_wrong_certificate(faulty):
    with door(socket_of(faulty.url)) as port:
        assert told(f"postgresql://countersign@127.0.0.1:{port}/countersign?sslmode=require").code == "tls"


def test_no_sentence_and_no_log_holds_a_value(faulty, caplog):
    """Neither a value of a statement nor a password: of what is known and of what is not."""
    store = Store(faulty.url)
    try:
        with pytest.raises(DataError) as caught:
            store.transact(lambda tx: tx.execute(text("select 1 / (length(:value) - length(:value))"), value=SECRET))
    finally:
        store.close()
    assert SECRET not in str(caught.value)
    cause = cause_of(caught.value)
    assert "22012" in cause.sentence
    with pytest.raises(psycopg.OperationalError) as refused:
        psycopg.connect(faulty.url_of(password=SECRET))
    cause = cause_of(refused.value)
    assert cause.code == "28P01"
    assert not {SECRET, PASSWORD, "guest"} & set(cause.sentence.split())
    assert SECRET not in caplog.text


def test_each_sentence_names_its_variable_or_the_command():
    assert [cause.code for cause in CAUSES.values() if "DATABASE_URL" not in cause.sentence] == []
