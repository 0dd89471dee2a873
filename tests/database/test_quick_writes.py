"""A quick write survives what happens to its connection, and stays one round trip afterwards."""

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError

from campaign.database.connection import Store
from campaign.database.prepared import Prepared
from campaign.states import REQUESTS
from web import create_app

NOTE = Prepared(
    "note_insert",
    """insert into note select %(words)s::text, pg_backend_pid(), prepare_time from pg_prepared_statements
    where name = 'note_insert'""",
)
"""Stores which connection ran it, and when that connection prepared it."""


def test_a_sign_up_works_and_is_quick_after_a_rollback_and_after_a_health_check(world):
    slug = world.petition()
    world.ask(slug)
    client = create_app(runtime=world.runtime).test_client()

    def undone(tx):
        tx.connection.exec_driver_sql("select 1")
        raise KeyError

    for number, disturb in enumerate((
        lambda: client.get("/healthz"),
        lambda: at_worst(lambda: world.runtime.store.transact(undone)),
        world.runtime.store.is_alive,
    )):  # fmt: skip
        disturb()
        world.ask(slug, f"p{number}@example.org")

    assert world.sql("select count(*) from sign_up_request") == [(4,)]


def at_worst(act):
    try:
        act()
    except KeyError:
        return


def test_a_statement_is_prepared_once_however_often_others_roll_back(world):
    store = Store(world.runtime.settings.database_url, pool_size=1)
    world.sql("create table note (words text, pid int, prepared_at timestamptz)")

    def undone(tx):
        tx.connection.exec_driver_sql("select 1")
        raise KeyError

    for disturb in (lambda: None, store.is_alive, lambda: at_worst(lambda: store.transact(undone))):
        disturb()
        store.write(NOTE, {"words": "x"}, wake=REQUESTS)

    assert world.sql("select count(*), count(distinct (pid, prepared_at)) from note") == [(3, 1)]
    world.sql("drop table note")
    store.close()


def test_a_statement_that_the_server_refuses_is_tried_the_ordinary_way_and_costs_the_next_one_nothing(world):
    store = world.runtime.store
    divide = Prepared("divide", "select 1 / %(whole)s::int")

    with pytest.raises(DBAPIError, match="division by zero"):
        store.write(divide, {"whole": 0}, wake=REQUESTS)

    store.write(divide, {"whole": 1}, wake=REQUESTS)


def test_values_of_every_kind_arrive(world):
    world.sql("create table note (raw bytea, whole int, words text, at timestamptz, nothing text)")
    values = {"raw": b"\x00\xff'", "whole": -7, "words": "Zoë 'quoted' \\x41", "at": world.clock.now, "nothing": None}
    insert = "insert into note values (%(raw)s, %(whole)s, %(words)s, %(at)s, %(nothing)s)"

    world.runtime.store.write(Prepared("kinds", insert), values, wake=REQUESTS)

    assert [tuple(row) for row in world.sql("select * from note")] == [tuple(values.values())]
    world.sql("drop table note")


def test_a_write_on_a_lost_connection_is_repeated_and_stored_once(world):
    slug = world.petition()
    world.ask(slug)
    with psycopg.connect(world.runtime.settings.database_url, autocommit=True) as other:
        other.execute("""
            select pg_terminate_backend(pid) from pg_stat_activity
            where application_name = 'countersign' and datname = current_database()""")

    world.ask(slug, "later@example.org")
    world.ask(slug, "last@example.org")

    assert world.sql("select count(*) from sign_up_request") == [(3,)]


def test_a_connection_is_given_back_in_the_state_in_which_it_was(world):
    store = world.runtime.store
    world.ask(world.petition())

    def undone(tx):
        tx.connection.exec_driver_sql("delete from sign_up_request")
        raise KeyError

    at_worst(lambda: store.transact(undone))

    assert world.sql("select count(*) from sign_up_request") == [(1,)]


def test_the_workers_are_woken_for_requests_after_a_write(world):
    slug = world.petition()
    world.nudged.clear()

    world.ask(slug)

    assert world.nudged == [frozenset({REQUESTS})]
