"""Migrations go up and down, agree with the schema, and wait for each other."""

import threading
import time

import psycopg
import pytest
from alembic import command
from psycopg import sql

from campaign.database import migrate
from tests.kit.engines import with_database


@pytest.fixture
def empty_url(engines):
    """A database of this test's own, without tables."""
    name = f"{engines.redis_prefix.rstrip(':')}_migrations"
    with psycopg.connect(engines.database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    yield with_database(engines.database_url, name)
    with psycopg.connect(engines.database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def objects(url):
    """Every table, index, sequence and type that is not PostgreSQL's own."""
    with psycopg.connect(url) as connection:
        return connection.execute("""
            select relkind::text, relname from pg_class where relnamespace = 'public'::regnamespace
                and relname !~ '^alembic_version'
            union select 'type', typname from pg_type where typnamespace = 'public'::regnamespace and typtype = 'e'
            order by 1, 2""").fetchall()


def definitions(url):
    """What indexes and constraints say, word for word."""
    with psycopg.connect(url) as connection:
        return connection.execute("""
            select indexname::text, indexdef from pg_indexes where schemaname = 'public'
            union select conname::text, pg_get_constraintdef(oid) from pg_constraint
                where connamespace = 'public'::regnamespace
            order by 1, 2""").fetchall()


def downgrade(url, revision):
    command.downgrade(migrate._alembic(url), revision)  # noqa: SLF001 - the product never goes down by itself


def test_up_down_and_up_again_gives_the_same_database(empty_url):
    migrate.upgrade(empty_url)
    first = objects(empty_url), definitions(empty_url)

    downgrade(empty_url, "base")
    emptied = objects(empty_url)
    migrate.upgrade(empty_url)

    assert emptied == []
    assert (objects(empty_url), definitions(empty_url)) == first
    assert len(first[0]) > 60


def test_each_migration_goes_down_by_itself(empty_url):
    migrate.upgrade(empty_url)

    downgrade(empty_url, "-1")
    before = migrate.current(empty_url)
    migrate.upgrade(empty_url)

    assert before != migrate.head()
    assert migrate.current(empty_url) == migrate.head()


OLD_ROWS = (
    "insert into periodic_job (name, next_at, outcome) values ('recount', '2026-05-02', '7'), ('stray', now(), '')"
)
ALL_ROWS = "select name, next_at::date::text, outcome from periodic_job where name <> 'stray' order by name"


def test_periodic_jobs_keep_their_history_under_the_names_of_their_tasks(empty_url):
    migrate.upgrade(empty_url)
    downgrade(empty_url, "0011-1")
    with psycopg.connect(empty_url) as connection:
        connection.execute(OLD_ROWS)

    migrate.upgrade(empty_url)
    with psycopg.connect(empty_url) as connection:
        renamed = connection.execute(ALL_ROWS).fetchall()
        # A worker of the release before runs on.
        connection.execute("insert into periodic_job (name, next_at, outcome) values ('recount', '2026-05-03', '8')")
    downgrade(empty_url, "0011-1")

    assert renamed == [("signatures.recount", "2026-05-02", "7")]
    with psycopg.connect(empty_url) as connection:
        assert connection.execute(ALL_ROWS).fetchall() == [("recount", "2026-05-03", "8")]
        assert connection.execute("select count(*) from periodic_job where name = 'stray'").fetchone() == (1,)


def test_a_migrated_database_is_what_the_schema_says(empty_url):
    migrate.upgrade(empty_url)

    assert migrate.differences(empty_url) == []


def test_upgrading_twice_changes_nothing(database_url):
    before = definitions(database_url)

    migrate.upgrade(database_url)

    assert definitions(database_url) == before


def test_two_hosts_that_start_together_migrate_one_after_the_other(empty_url):
    errors = []

    def upgrade():
        try:
            migrate.upgrade(empty_url)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            errors.append(error)

    hosts = [threading.Thread(target=upgrade) for _ in range(4)]
    for host in hosts:
        host.start()
    for host in hosts:
        host.join(timeout=60)

    assert errors == []
    assert migrate.current(empty_url) == migrate.head()


def test_a_second_host_waits_while_the_first_migrates(empty_url):
    with psycopg.connect(empty_url) as first:
        first.execute("select pg_advisory_lock(%s)", [migrate.LOCK])
        second = threading.Thread(target=migrate.upgrade, args=(empty_url,))
        second.start()
        time.sleep(0.5)
        waited = second.is_alive() and migrate.current(empty_url) is None
        first.execute("select pg_advisory_unlock(%s)", [migrate.LOCK])
    second.join(timeout=60)

    assert waited
    assert migrate.current(empty_url) == migrate.head()
