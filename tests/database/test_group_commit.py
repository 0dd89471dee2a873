"""Rows of many threads are stored in groups; a lost connection, a bad row or a rollback harms no other row."""

import threading

import psycopg
import pytest

from campaign.database.group_commit import GroupCommit
from campaign.errors import StoreUnavailableError
from campaign.states import REQUESTS
from tests.kit.racing import at_once
from web import create_app

PATIENCE = 20
"""Seconds."""


class Table:
    """Stores rows in memory; the first group waits until others are waiting behind it."""

    def __init__(self, refused=(), error=ValueError):
        self.groups = []
        self.go_on = threading.Event()
        self._refused, self._error = refused, error

    def save(self, rows):
        if not self.groups:
            self.groups.append(list(rows))
            assert self.go_on.wait(PATIENCE)
            return
        if set(rows) & set(self._refused):
            raise self._error(f"{sorted(set(rows) & set(self._refused))} can't be stored")
        self.groups.append(list(rows))

    @property
    def rows(self):
        return sorted(row for group in self.groups for row in group)


def a_rush(table):
    """One row, and four more that come while it is being stored; what each thread raised."""
    group = GroupCommit(table.save, (ValueError,))

    def last():
        while group.waiting < 3:
            pass
        table.go_on.set()
        group.add(5)

    def first():
        group.add(1)

    def later(row):
        while not table.groups:
            pass
        group.add(row)

    acts = (first, lambda: later(2), lambda: later(3), lambda: later(4), last)
    return at_once(len(acts), lambda number: acts[number]())


def test_rows_that_come_while_others_are_stored_share_the_next_transaction():
    table = Table()

    raised = a_rush(table)

    assert raised == [None] * 5
    assert table.rows == [1, 2, 3, 4, 5]
    assert table.groups[0] == [1]
    assert len(table.groups) <= 3


def test_a_row_that_is_refused_harms_no_other():
    table = Table(refused=[3])

    raised = a_rush(table)

    assert table.rows == [1, 2, 4, 5]
    assert [type(error) for error in raised] == [type(None), type(None), ValueError, type(None), type(None)]


def test_a_database_that_does_not_answer_is_an_error_of_its_own_for_every_thread():
    table = Table(refused=[2, 3, 4, 5], error=StoreUnavailableError)

    raised = a_rush(table)

    assert table.rows == [1]
    assert [type(error) for error in raised[1:]] == [StoreUnavailableError] * 4
    assert len(set(map(id, raised))) == 5


def test_no_thread_takes_its_row_for_stored_after_an_unexpected_error():
    table = Table(refused=[2, 3, 4, 5], error=KeyError)

    raised = a_rush(table)

    assert table.rows == [1]
    assert raised[0] is None
    assert {type(error) for error in raised[1:]} == {KeyError, StoreUnavailableError}


def test_a_rush_of_sign_ups_is_stored_whole_each_once_and_admitted(world):
    slug = world.petition()

    raised = at_once(40, lambda n: world.ask(slug, f"p{n}@example.org") and None)

    assert raised == [None] * 40
    assert world.sql("select count(*), count(distinct ref) from sign_up_request") == [(40, 40)]
    world.admit()
    assert world.sql("select count(*) from signature") == [(40,)]


def test_a_sign_up_works_after_a_rollback_and_after_a_health_check(world):
    slug = world.petition()
    world.ask(slug)
    client = create_app(runtime=world.runtime).test_client()

    def undone(tx):
        tx.connection.exec_driver_sql("delete from sign_up_request")
        raise KeyError

    def roll_back():
        with pytest.raises(KeyError):
            world.runtime.store.transact(undone)

    for number, disturb in enumerate((lambda: client.get("/healthz"), roll_back, world.runtime.store.is_alive)):
        disturb()
        world.ask(slug, f"p{number}@example.org")

    assert world.sql("select count(*) from sign_up_request") == [(4,)]


def test_a_sign_up_on_a_lost_connection_is_repeated_and_stored_once(world):
    slug = world.petition()
    world.ask(slug)
    with psycopg.connect(world.runtime.settings.database_url, autocommit=True) as other:
        other.execute("""
            select pg_terminate_backend(pid) from pg_stat_activity
            where application_name = 'countersign' and datname = current_database()""")

    world.ask(slug, "later@example.org")
    world.ask(slug, "last@example.org")

    assert world.sql("select count(*) from sign_up_request") == [(3,)]


def test_the_workers_are_woken_for_requests_after_the_commit(world):
    slug = world.petition()
    world.nudged.clear()

    world.ask(slug)

    assert world.nudged == [frozenset({REQUESTS})]
