"""`countersign backup` and `restore`: all comes back, and nobody is mailed until an admin says so."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from campaign.accounts import sign_in
from campaign.database import contents, migrate
from campaign.database.connection import Store
from campaign.database.schema import metadata
from campaign.errors import EngineError
from campaign.local.servers import dump
from campaign.outbox import lanes
from campaign.runtime import build
from campaign.settings import child_environment
from campaign.states import Lane
from tests.kit import installed, ledgers
from tests.kit.commands import Shell
from tests.kit.databases import own_database
from tests.kit.engines import ROOT
from tests.kit.memory_transport import MemoryTransport
from tests.kit.skipping import skip_loudly
from tests.kit.worlds import World, make_world

SLUG = "river"
CHANGED = {"instance", "lane", "audit_entry", "sign_in_link"}
"""Tables in which the copy differs: it has another epoch, its lanes are paused, and an admin has a link."""


@dataclass
class Site:
    """An installation on a database that may be dropped."""

    world: World
    shell: Shell
    file: Path

    @property
    def rows(self) -> dict[str, list[str]]:
        """All that is stored."""
        return {
            name: sorted(map(repr, self.world.sql(f"select cast(t as text) from {name} t"))) for name in metadata.tables
        }

    def drain(self, lane: Lane = Lane.URGENT) -> list[str]:
        """Whom a worker that starts now mails."""
        runtime = build(self.world.runtime.settings, clock=self.world.clock)
        transport = MemoryTransport()
        deliverer = World(runtime, self.world.clock).deliverer(lane, transport=transport)
        deliverer.drain()
        deliverer.close()
        runtime.close()
        return sorted(envelope.rcpt_to for envelope in transport.sent)

    def lose_everything(self) -> None:
        self.world.runtime.store.close()
        store = Store(self.world.runtime.settings.database_url, pool_size=1)
        contents.empty(store)
        store.close()


@pytest.fixture
def site(database_url, tmp_path) -> Iterator[Site]:
    with own_database(database_url, "backup") as url:
        migrate.upgrade(url)
        world = make_world(url, tmp_path / "data")
        ledgers.admin(world)
        world.petition(SLUG)
        world.runtime.store.engine.dispose()
        yield Site(world, Shell(world), tmp_path / "site.dump")
        world.runtime.close()


def test_all_comes_back_and_what_was_waiting_is_mailed_once_and_only_after_it_was_resumed(site: Site):
    site.world.signature(SLUG, "sent@example.org", name="Sent", confirmed=True)
    assert site.drain() == ["sent@example.org"]
    site.world.signature(SLUG, "waiting@example.org", name="Waiting")
    before = site.rows
    backed_up = site.shell("backup", str(site.file))
    site.lose_everything()

    restored = site.shell("restore", str(site.file))

    assert (backed_up.status, restored.status) == (0, 0), backed_up.err + restored.err
    after = site.rows
    assert {name for name in before if after[name] != before[name]} == CHANGED
    assert [site.drain(lane) for lane in Lane] == [[], []]
    site.world.read(lambda tx: [lanes.resume(tx, lane) for lane in Lane])
    assert site.drain() == ["waiting@example.org"]
    assert site.drain() == []


def test_the_link_that_is_printed_signs_an_admin_in(site: Site):
    site.shell("backup", str(site.file))
    restored = site.shell("restore", "--replace", str(site.file))

    [link] = [word for word in restored.out.split() if "/sign-in/" in word]
    assert restored.status == 0, restored.err
    assert sign_in.sign_in(site.world.runtime, link.rpartition("/")[2])


def test_a_backup_is_for_its_owner_alone_and_holds_neither_keys_nor_what_they_hide(site: Site):
    site.world.signature(SLUG, "hidden@example.org", name="Hiddenname")
    ran = site.shell("backup", str(site.file))

    assert oct(site.file.stat().st_mode & 0o777) == "0o600"
    assert sorted(path.name for path in site.file.parent.iterdir() if path.name.startswith(".")) == []
    content = site.file.read_bytes()
    assert content.startswith(b"PGDMP")
    for secret in (b"Hiddenname", b"hidden@example.org", site.world.runtime.settings.keys[0].secret):
        assert secret not in content
    assert "COUNTERSIGN_KEYS" in ran.err


def test_a_backup_is_never_overwritten(site: Site):
    site.file.write_text("older")

    ran = site.shell("backup", str(site.file))

    assert (ran.status, site.file.read_text()) == (1, "older")
    assert "is there already" in ran.err


def test_a_backup_that_fails_leaves_no_file(site: Site):
    ran = site.shell("backup", str(site.file.parent / "missing" / "site.dump"))

    assert ran.status == 1
    assert "missing" in ran.err
    assert "Traceback" not in ran.err


def test_a_backup_goes_to_standard_output(site: Site):
    settings = site.world.runtime.settings
    with site.file.open("wb") as file:
        ran = subprocess.run(
            [sys.executable, "-m", "campaign.cli", "backup", "-"], cwd=ROOT, env=child_environment(settings),
            stdout=file, stderr=subprocess.PIPE, check=False, timeout=120,
        )  # fmt: skip

    assert ran.returncode == 0, ran.stderr
    assert site.shell("restore", "--replace", str(site.file)).status == 0


def test_a_database_that_holds_something_is_not_replaced_by_mistake(site: Site):
    site.shell("backup", str(site.file))
    site.world.petition("newer")
    site.world.runtime.store.engine.dispose()

    refused = site.shell("restore", str(site.file))
    kept = site.world.sql("select slug from petition order by id")
    site.world.runtime.store.engine.dispose()
    replaced = site.shell("restore", "--replace", str(site.file))

    assert refused.status == 1
    assert "--replace" in refused.err
    assert kept == [(SLUG,), ("newer",)]
    assert replaced.status == 0, replaced.err
    assert site.world.sql("select slug from petition order by id") == [(SLUG,)]


def test_it_waits_for_programs_that_are_still_connected_to_be_stopped(site: Site):
    site.shell("backup", str(site.file))
    with psycopg.connect(site.world.runtime.settings.database_url):
        refused = site.shell("restore", "--replace", str(site.file))

    assert refused.status == 1
    assert "Stop web and workers" in refused.err
    assert site.world.sql("select slug from petition") == [(SLUG,)]


@pytest.mark.parametrize("content", [b"", b"PGDMP and then nothing", b"-- SQL\nselect 1;\n", "cut short"])
def test_a_file_that_is_no_whole_backup_deletes_nothing(content, site: Site):
    if isinstance(content, str):
        site.shell("backup", str(site.file))
        content = site.file.read_bytes()[:-20_000]
    site.file.write_bytes(content)

    ran = site.shell("restore", "--replace", str(site.file))

    assert ran.status == 1
    assert "no backup that can be restored" in ran.err
    assert site.world.sql("select slug from petition") == [(SLUG,)]


def test_a_backup_of_an_earlier_release_is_migrated(site: Site):
    with own_database(site.world.runtime.settings.database_url, "earlier") as url:
        migrate.upgrade(url, revision="0024")
        backed_up = site.shell("backup", str(site.file), DATABASE_URL=url)
        restored = site.shell("restore", "--replace", str(site.file), DATABASE_URL=url)

        assert (backed_up.status, restored.status) == (0, 0), backed_up.err + restored.err
        assert migrate.compare(url) is migrate.Schema.SAME


def test_a_server_as_this_machine_has_it_installed_is_backed_up_by_programs_of_its_version(site: Site):
    programs = installed.find_postgres()
    if programs is None:
        skip_loudly("backups of an older PostgreSQL: it needs Debian's postgresql")
    with installed.run_postgres(programs) as url:
        migrate.upgrade(url)
        backed_up = site.shell("backup", str(site.file), DATABASE_URL=url)
        restored = site.shell("restore", "--replace", str(site.file), DATABASE_URL=url)

        assert (backed_up.status, restored.status) == (0, 0), backed_up.err + restored.err
        assert migrate.compare(url) is migrate.Schema.SAME


def test_journals_of_the_time_before_are_set_aside(site: Site):
    folder = site.world.runtime.settings.data / "journal"
    folder.mkdir(parents=True)
    (folder / "7.journal").write_text("")
    site.shell("backup", str(site.file))

    ran = site.shell("restore", "--replace", str(site.file))

    assert [path.name for path in folder.iterdir()] == ["7.journal.before-restore"]
    assert "set aside" in ran.out


def test_with_other_keys_it_says_so_and_the_copy_is_held_back_all_the_same(site: Site):
    site.world.signature(SLUG, "waiting@example.org")
    site.shell("backup", str(site.file))
    site.world.runtime.store.engine.dispose()

    ran = site.shell("restore", "--replace", str(site.file), COUNTERSIGN_KEYS="k2:" + "A" * 43 + "=")

    assert ran.status == 1
    assert "restored and held back" in ran.err
    assert [site.drain(lane) for lane in Lane] == [[], []]


def test_programs_older_than_the_server_are_named_with_what_to_install(site: Site, tmp_path):
    with pytest.raises(EngineError, match=r"postgresql-client-99"):
        dump.find("pg_dump", version=99)
    with pytest.raises(EngineError, match=r"is not installed"):
        dump.find("pg_dump_of_nobody", version=15)


def test_no_password_is_on_a_command_line():
    place, password = contents.without_password("postgres://ada:s%40cret@db.internal:5433/site?sslmode=require")

    assert password == "s@cret"
    assert sorted(place.split()) == ["dbname=site", "host=db.internal", "port=5433", "sslmode=require", "user=ada"]
    assert contents.without_password("postgresql:///site?host=/run/postgresql") == (
        "dbname=site host=/run/postgresql", None,
    )  # fmt: skip
