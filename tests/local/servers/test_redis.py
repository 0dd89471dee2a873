import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from redis import Redis

from campaign.local.servers import places, redis
from campaign.operations.broker import client_url
from campaign.settings import load_settings


@pytest.fixture
def settings(tmp_path):
    settings = load_settings({"COUNTERSIGN_DATA": str(tmp_path / "data")})
    yield settings
    redis.stop(settings, hurry=True)
    shutil.rmtree(places.sockets(settings.data), ignore_errors=True)


@pytest.fixture
def connect():
    clients = []

    def make(settings):
        clients.append(Redis(unix_socket_path=str(places.sockets(settings.data) / "redis.sock")))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def test_a_started_server_answers_and_a_stopped_one_is_gone(settings, connect):
    assert redis.live_url(settings) is None

    url = redis.start(settings)

    assert url.startswith("redis+socket:///")
    assert connect(settings).ping()
    assert redis.live_url(settings) == url
    redis.stop(settings)
    assert redis.live_url(settings) is None


def test_the_server_never_drops_a_queued_word_and_listens_on_no_port(settings, connect):
    redis.start(settings)

    found = connect(settings).config_get("maxmemory-policy", "port", "appendonly", "appendfsync", "save")

    assert found == {
        "maxmemory-policy": "noeviction",
        "port": "0",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
    }


def test_starting_twice_at_once_makes_one_server(settings, connect):
    with ThreadPoolExecutor(2) as pool:
        urls = list(pool.map(lambda _: redis.start(settings), range(2)))

    assert urls[0] == urls[1]
    assert redis.start(settings) == urls[0]
    assert connect(settings).info("server")["process_id"] == int((settings.data / "redis" / "redis.pid").read_text())


def test_a_killed_server_starts_again_with_what_it_had_written(settings, connect):
    redis.start(settings)
    client = connect(settings)
    client.set("kept", 7)
    client.waitaof(1, 0, 3000)
    psutil.Process(client.info("server")["process_id"]).kill()

    redis.start(settings)

    assert client.get("kept") == b"7"


def test_an_unreadable_file_is_set_aside_and_the_server_starts_empty(settings, connect):
    redis.start(settings)
    connect(settings).set("lost", 1)
    redis.stop(settings)
    for file in (settings.data / "redis" / "appendonlydir").glob("*.[0-9].*"):
        file.write_bytes(b"not a file of redis")

    redis.start(settings)

    assert connect(settings).get("lost") is None
    assert list((settings.data / "redis").glob("appendonlydir.unreadable-*"))


def test_a_note_that_names_another_program_is_not_believed(settings, connect):
    redis.start(settings)
    redis.stop(settings)
    (settings.data / "redis" / "redis.pid").write_text(f"{os.getpid()}\n")

    redis.stop(settings)
    redis.start(settings)

    assert connect(settings).ping()


def test_a_data_folder_with_a_long_name_works(tmp_path, connect):
    settings = load_settings({"COUNTERSIGN_DATA": str(tmp_path / ("long name " * 12) / "data")})

    redis.start(settings)

    try:
        assert connect(settings).ping()
    finally:
        redis.stop(settings, hurry=True)
        shutil.rmtree(places.sockets(settings.data))


def test_a_stop_is_quick(settings):
    redis.start(settings)
    begin = time.monotonic()

    redis.stop(settings)

    # After ten seconds it would have been killed.
    assert time.monotonic() - begin < 8


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis+socket:///a%20b/redis.sock?virtual_host=3", "unix:///a%20b/redis.sock?db=3"),
        ("redis+socket:///run/redis.sock", "unix:///run/redis.sock"),
        ("redis://:secret@cache:6379/2", "redis://:secret@cache:6379/2"),
    ],
)
def test_the_url_of_the_queue_is_translated_for_the_client_library(url, expected):
    translated = client_url(url)

    assert translated == expected


def test_a_server_that_was_killed_for_a_drill_is_gone_and_can_be_started_again(settings, connect):
    redis.start(settings)

    redis.kill(settings)
    redis.kill(settings)

    assert redis.live_url(settings) is None
    redis.start(settings)
    assert connect(settings).ping()
