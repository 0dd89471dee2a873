import os
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from campaign.errors import CountersignError, EngineError
from campaign.local.servers import postgres, redis
from campaign.local.servers.attach import attach, attach_database
from campaign.security import keys
from campaign.settings import load_settings


@pytest.fixture
def settings(tmp_path):
    settings = load_settings({"COUNTERSIGN_DATA": str(tmp_path / "data")})
    yield settings
    redis.stop(settings, hurry=True)
    postgres.discard(settings)


def test_a_command_finds_the_servers_and_keys_of_a_running_instance(settings):
    made = keys.ensure_local_keys(settings)
    database_url, redis_url = postgres.start(settings, durable=False), redis.start(settings)

    found = attach(settings)

    assert (found.database_url, found.redis_url, found.keys) == (database_url, redis_url, made.keys)
    assert not found.local_mailbox


def test_a_command_without_servers_says_what_to_start(settings):
    with pytest.raises(EngineError, match=r"PostgreSQL is not running for .* `make run`, or set DATABASE_URL"):
        attach_database(settings)


def test_given_servers_are_not_looked_for(tmp_path):
    given = {"DATABASE_URL": "postgresql://db/name", "REDIS_URL": "redis://cache", "SMTP_URL": "smtp://mail"}
    settings = load_settings({"COUNTERSIGN_DATA": str(tmp_path), **given})

    found = attach(settings)

    assert found == settings.model_copy(update={"retention_keys": tmp_path / "keys" / "retention"})


def test_local_keys_are_made_once_and_private(settings):
    first = keys.ensure_local_keys(settings)
    second = keys.ensure_local_keys(settings)

    assert first == second
    assert first.dkim_key_file.read_text().startswith("-----BEGIN PRIVATE KEY-----")
    assert stat.S_IMODE(settings.key_folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in settings.key_folder.iterdir()} == {0o600}
    assert len(list(settings.key_folder.iterdir())) == 3


def test_local_keys_made_at_once_by_two_are_the_same(settings):
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: keys.ensure_local_keys(settings).keys, range(4)))

    assert len(set(found)) == 1


def test_a_broken_key_file_is_named_by_what_it_should_be(settings):
    settings.key_folder.mkdir(parents=True)
    keys.instance_file(settings).write_text("not a key\n")

    with pytest.raises(CountersignError, match=r"must be id:base64-of-32-bytes"):
        keys.read_local_keys(settings)


def test_rotating_without_keys_says_how_to_make_some(settings):
    with pytest.raises(CountersignError, match="countersign keys generate"):
        keys.rotate(settings)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_files_of_another_user_are_refused_plainly(settings):
    keys.ensure_local_keys(settings)
    settings.key_folder.chmod(0)

    with pytest.raises(CountersignError, match="Run the command as the user who owns it"):
        keys.read_local_keys(settings)

    settings.key_folder.chmod(0o700)
