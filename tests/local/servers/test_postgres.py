import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import psycopg
import pytest

from campaign.errors import EngineError
from campaign.local.servers import places, postgres, unprivileged
from campaign.settings import load_settings


@pytest.fixture
def settings(tmp_path):
    settings = load_settings({"COUNTERSIGN_DATA": str(tmp_path / "data")})
    yield settings
    postgres.discard(settings)


def ask(url, query):
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(query).fetchone()


def server_process(url):
    folder = ask(url, "SELECT current_setting('data_directory')")[0]
    note = Path(folder, "postmaster.pid").read_text(encoding="utf-8")
    return psutil.Process(int(note.partition("\n")[0]))


def test_a_started_server_answers_and_a_stopped_one_is_gone(settings):
    assert postgres.live_url(settings) is None

    url = postgres.start(settings, durable=False)

    assert ask(url, "SELECT current_database()") == ("countersign",)
    assert postgres.live_url(settings) == url
    postgres.stop(settings)
    assert postgres.live_url(settings) is None


def test_the_server_listens_on_no_port_and_its_socket_folder_is_private(settings):
    url = postgres.start(settings, durable=False)

    (addresses,) = ask(url, "SELECT current_setting('listen_addresses')")
    (folder,) = ask(url, "SELECT current_setting('unix_socket_directories')")

    assert addresses == ""
    assert stat.S_IMODE(Path(folder.strip('"')).stat().st_mode) == 0o700


def test_the_server_is_durable_unless_told_otherwise(settings):
    url = postgres.start(settings)

    flags = ask(url, "SELECT current_setting('fsync'), current_setting('synchronous_commit')")

    assert flags == ("on", "on")


def test_text_sorts_by_the_built_in_locale_and_is_utf8(settings):
    url = postgres.start(settings, durable=False)

    found = ask(url, "SELECT datlocprovider, datlocale, pg_encoding_to_char(encoding) FROM pg_database WHERE oid = 1")

    assert found == ("b", "C.UTF-8", "UTF8")


def test_starting_twice_reuses_the_server(settings):
    first = postgres.start(settings, durable=False)
    begun = ask(first, "SELECT pg_postmaster_start_time()")

    second = postgres.start(settings, durable=False)

    assert second == first
    assert ask(second, "SELECT pg_postmaster_start_time()") == begun


def test_two_starts_at_once_make_one_server(settings):
    with ThreadPoolExecutor(2) as pool:
        urls = list(pool.map(lambda _: postgres.start(settings, durable=False), range(2)))

    assert urls[0] == urls[1]


def test_a_killed_server_starts_again_with_its_data(settings):
    url = postgres.start(settings)
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    idle = psycopg.connect(url)
    server_process(url).kill()

    again = postgres.start(settings)

    assert ask(again, "SELECT number FROM kept") == (7,)
    idle.close()


def test_a_stale_note_that_names_another_program_does_not_block_the_start(settings):
    url = postgres.start(settings, durable=False)
    (folder,) = ask(url, "SELECT current_setting('data_directory')")
    postgres.stop(settings)
    Path(folder, "postmaster.pid").write_text(f"{os.getpid()}\n{folder}\n0\n5432\n/nowhere\n\n  12345  1\nready\n")

    again = postgres.start(settings, durable=False)

    assert ask(again, "SELECT 1") == (1,)


def test_a_data_folder_with_a_long_name_and_spaces_works(tmp_path):
    settings = load_settings({"COUNTERSIGN_DATA": str(tmp_path / ("long name " * 12) / "data")})

    url = postgres.start(settings, durable=False)

    try:
        assert ask(url, "SELECT 1") == (1,)
        assert len(os.fsencode(places.sockets(settings.data) / ".s.PGSQL.5432")) <= places.SOCKET_LIMIT
    finally:
        postgres.discard(settings)


def test_a_half_made_cluster_is_made_anew(settings):
    postgres.start(settings, durable=False)
    postgres.stop(settings)
    cluster = postgres.cluster(settings)
    cluster.rename(cluster.with_name("18.incomplete"))

    url = postgres.start(settings, durable=False)

    assert ask(url, "SELECT 1") == (1,)


def test_a_broken_cluster_is_refused_with_a_reason(settings):
    postgres.start(settings, durable=False)
    postgres.stop(settings)
    (postgres.cluster(settings) / "PG_VERSION").write_text("9.6\n")

    with pytest.raises(EngineError, match=r"PostgreSQL does not start") as problem:
        postgres.start(settings, durable=False)

    assert "database files are incompatible with server" in str(problem.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, whose data are kept apart")
def test_root_leaves_the_permissions_of_a_private_folder_alone(tmp_path):
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    settings = load_settings({"COUNTERSIGN_DATA": str(home / "data")})

    url = postgres.start(settings, durable=False)

    try:
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        assert server_process(url).uids().real != 0
    finally:
        postgres.discard(settings)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, whose data are kept apart")
def test_root_refuses_a_copied_data_folder(settings, tmp_path):
    postgres.start(settings, durable=False)
    copy = load_settings({"COUNTERSIGN_DATA": str(tmp_path / "copy")})
    (copy.data / "postgres").mkdir(parents=True)
    (copy.data / "postgres" / "home").write_text((settings.data / "postgres" / "home").read_text())

    with pytest.raises(EngineError, match="is a copy of"):
        unprivileged.home(copy.data)


def test_a_server_that_was_killed_for_a_drill_comes_back_with_what_was_committed(settings):
    url = postgres.start(settings)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS number")

    postgres.kill(settings)
    postgres.kill(settings)

    assert not postgres.is_running(settings)
    assert postgres.live_url(settings) is None
    assert ask(postgres.start(settings), "SELECT number FROM kept") == (42,)
    assert "database system was not properly shut down" in postgres.log(settings).read_text()
