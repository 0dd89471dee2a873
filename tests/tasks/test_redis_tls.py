"""rediss:// is verified by all who open it: queue, token buckets, places of networks and the monitor (C3)."""

import contextlib

import pytest
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from campaign.delivery.token_bucket import open_buckets
from campaign.local.mailserver.certificates import Authority, Certificate
from campaign.networks.rules import Limits
from campaign.networks.shared import Networks, NetworksAwayError
from campaign.operations import broker
from campaign.redis_causes import cause_of
from campaign.redis_client import client_url, open_client
from campaign.settings import child_environment, load_settings
from tasks.nudging import publish
from tests.kit.doors import door
from tests.kit.worlds import settings_for


@pytest.fixture
def authority(tmp_path):
    return Authority.create(tmp_path)


@pytest.fixture
def secure(redis_url, authority):
    """Opens a port with a certificate before the Redis of the tests; closed in the end."""
    with contextlib.ExitStack() as doors:
        yield lambda kind=Certificate.GOOD: doors.enter_context(
            door(
                client_url(redis_url).removeprefix("unix://").partition("?")[0], context=authority.server_context(kind)
            )
        )


def settings(tmp_path, port, *, ca_file="", options=""):
    return settings_for(
        "postgresql://unused/",
        tmp_path,
        redis_url=f"rediss://localhost:{port}/0{options}",
        redis_prefix=f"test-{tmp_path.name}:",
        ca_file=str(ca_file),
    )


def test_all_reach_a_redis_whose_authority_is_named(secure, authority, tmp_path, celery_app, caplog):
    made = settings(tmp_path, secure(), ca_file=authority.ca_file)

    assert publish(celery_app(made), "signatures.count", "upkeep")
    seen = broker.look(made.redis_url, prefix=made.redis_prefix)
    assert (seen.ok, seen.depths["upkeep"]) == (True, 1)
    networks = Networks(made.redis_url, prefix=made.redis_prefix, limits=Limits(20, 20))
    networks.note_proxy()
    assert networks.is_proxy_noted()
    networks.close()
    assert "insecure" not in caplog.text


@pytest.mark.parametrize("kind", [Certificate.GOOD, Certificate.EXPIRED, Certificate.WRONG_HOST])
def test_none_talks_to_a_redis_whose_certificate_is_not_right(secure, authority, tmp_path, celery_app, kind):
    """A good certificate of an authority that is not named is not right either."""
    ca_file = "" if kind is Certificate.GOOD else authority.ca_file
    made = settings(tmp_path, secure(kind), ca_file=ca_file)

    assert not publish(celery_app(made), "signatures.count", "upkeep")
    with pytest.raises((OperationalError, RedisError)) as caught:
        celery_app(made).connection_for_read().ensure_connection(max_retries=1, interval_start=0)
    assert cause_of(caught.value).code == "certificate"
    assert not broker.look(made.redis_url, prefix=made.redis_prefix).ok
    networks = Networks(made.redis_url, prefix=made.redis_prefix, limits=Limits(20, 20))
    with pytest.raises(NetworksAwayError):
        networks.note_proxy()
    networks.close()
    assert open_buckets(made).take("all", 1, rate=10, must=True) == 1


@pytest.mark.parametrize("options", ["?ssl_cert_reqs=none", "?ssl_cert_reqs=CERT_NONE"])
def test_an_option_of_the_url_is_stronger_for_all(secure, tmp_path, celery_app, options):
    made = settings(tmp_path, secure(Certificate.EXPIRED), options=options)

    assert publish(celery_app(made), "signatures.count", "upkeep")
    with open_client(made.redis_url, timeout=5) as client:
        assert client.ping()


def test_a_child_process_reads_the_same_urls(authority):
    given = {
        "DATABASE_URL": "postgresql://u:p%40ss@db.example/x?connect_timeout=2",
        "REDIS_URL": "rediss://:p%40ss@redis.example/0",
        "COUNTERSIGN_CA_FILE": str(authority.ca_file),
    }
    made = load_settings(given)
    again = load_settings(child_environment(made))

    assert (again.database_url, again.redis_url) == (made.database_url, made.redis_url)
    assert made.database_url == (
        "postgresql://u:p%40ss@db.example/x?connect_timeout=2&sslmode=verify-full&sslrootcert=" + str(authority.ca_file)
    )
    assert made.redis_url == f"rediss://:p%40ss@redis.example/0?ssl_cert_reqs=required&ssl_ca_certs={authority.ca_file}"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u@localhost/x",
        "postgresql://u@/x?host=/run/postgresql",
        "postgresql://u@db.example/x?sslmode=disable&sslrootcert=/other.pem",
    ],
)
def test_a_database_of_this_machine_or_with_options_of_its_own_stays_as_it_is(authority, url):
    assert load_settings({"DATABASE_URL": url, "COUNTERSIGN_CA_FILE": str(authority.ca_file)}).database_url == url
