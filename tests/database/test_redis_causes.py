"""Why Redis does not do its work is told in words that name the variable and the remedy, and nothing else."""

import socket

import pytest
from redis.exceptions import RedisError

from campaign.local.mailserver.certificates import Authority, Certificate
from campaign.redis_causes import CAUSES, cause_of
from campaign.redis_client import open_client
from tests.kit.doors import door
from tests.kit.own_redis import own_redis

PASSWORD = "s3cret-of-redis"


@pytest.fixture
def server(tmp_path):
    with own_redis(tmp_path / "redis") as (url, client):
        yield url, client


def told(url):
    """The code and the sentence for a client that writes."""
    with pytest.raises((RedisError, OSError, ValueError)) as caught, open_client(url, timeout=1) as client:
        client.set("a-key", "1")
    cause = cause_of(caught.value)
    assert PASSWORD not in cause.sentence
    return cause.code


def test_a_log_in_that_is_refused_is_told_apart(server):
    url, client = server
    path = url.removeprefix("redis+socket://")
    client.config_set("requirepass", PASSWORD)
    try:
        assert told(url) == "NOAUTH"
        with door(path) as port:
            assert told(f"redis://:wrong@127.0.0.1:{port}/0") == "NOAUTH"
            assert told(f"redis://unknown:{PASSWORD}@127.0.0.1:{port}/0") == "NOAUTH"
            assert told(f"redis://:{PASSWORD}@127.0.0.1:{port}/99") == "database"
            client.execute_command("ACL", "SETUSER", "guest", "on", f">{PASSWORD}", "~other:*", "+@all")
            assert told(f"redis://guest:{PASSWORD}@127.0.0.1:{port}/0") == "NOPERM"
    finally:
        client.config_set("requirepass", "")


def test_a_server_that_refuses_writes_is_told_apart(server):
    url, client = server
    client.config_set("maxmemory", "1")
    assert told(url) == "OOM"
    client.config_set("maxmemory", "0")
    client.execute_command("REPLICAOF", "127.0.0.1", "1")
    assert told(url) == "READONLY"


def test_what_no_server_answers_is_told_apart(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert told(f"redis://:{PASSWORD}@127.0.0.1:{port}/0") == "refused"
    assert told(f"redis+socket://{tmp_path}/absent.sock") == "refused"
    assert told("redis://host.invalid:6379/0") in {"host", "dns"}
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert told(f"redis://127.0.0.1:{silent.getsockname()[1]}/0") == "timeout"


def test_a_url_that_can_not_be_read_is_told_as_such():
    assert told(f"http://:{PASSWORD}@host/0") == "url"


def test_tls_is_told_apart_from_no_tls(server, tmp_path):
    url, _ = server
    path = url.removeprefix("redis+socket://")
    authority = Authority.create(tmp_path)
    with door(path) as plain, door(path, context=authority.server_context()) as secure:
        assert told(f"rediss://127.0.0.1:{plain}/0") in {"tls", "timeout", "lost"}
        assert told(f"redis://127.0.0.1:{secure}/0") in {"tls", "lost"}
        assert told(f"rediss://127.0.0.1:{secure}/0") == "certificate"


@pytest.mark.parametrize("kind", [Certificate.EXPIRED, Certificate.WRONG_HOST])
def test_a_wrong_certificate_is_refused_though_its_authority_is_trusted(server, tmp_path, kind):
    url, _ = server
    authority = Authority.create(tmp_path)
    with door(url.removeprefix("redis+socket://"), context=authority.server_context(kind)) as port:
        assert told(f"rediss://localhost:{port}/0?ssl_ca_certs={authority.ca_file}") == "certificate"


def test_each_sentence_names_its_variable():
    assert [cause.code for cause in CAUSES.values() if "REDIS_URL" not in cause.sentence] == []
