"""The database away, back, deadlocked (F25, F26): nothing hangs, nothing is lost, no restart is needed."""

import threading
import time
from collections import Counter

import psycopg
import pytest

from campaign.database.connection import Store
from campaign.delivery.journal import recover
from campaign.errors import StoreUnavailableError
from campaign.local.servers import postgres
from campaign.signatures import confirming
from campaign.states import REQUESTS, Lane
from tests.kit.memory_transport import MemoryTransport, accepted
from tests.kit.worlds import make_world

MOMENT = 20
"""Seconds that are an answer and no hanging, on a machine that does much else; the libraries alone wait 30."""


def states(world):
    return Counter(state for (state,) in world.sql("select state from message"))


def test_a_database_that_goes_away_and_comes_back_costs_nobody_anything(own_server, tmp_path):
    settings, url = own_server
    world = make_world(url, tmp_path)
    slug = world.petition()
    signed = world.signature(slug)
    token = world.confirm_token(signed)
    for number in range(3):
        world.signature(slug, f"p{number}@example.org")

    def script(envelope):
        # The last of the batch is accepted; before that is recorded the database goes.
        if envelope.id == 4:
            postgres.stop(settings, hurry=True)
        return accepted(envelope)

    deliverer = world.deliverer(transport=MemoryTransport(script=script))
    with pytest.raises(StoreUnavailableError):
        deliverer.drain()

    refused = []
    for act in (
        lambda: world.sign(slug, "later@example.org"),
        lambda: confirming.confirm(world.runtime, token),
        deliverer.drain,
        deliverer.beat,
    ):
        begun = time.monotonic()
        with pytest.raises(StoreUnavailableError):
            act()
        refused.append(time.monotonic() - begun)
    assert not world.runtime.store.is_alive()
    assert max(refused) < MOMENT

    postgres.start(settings)

    assert world.runtime.store.is_alive()
    confirming.confirm(world.runtime, token)
    deliverer.drain()
    assert states(world) == {"accepted": 5}
    assert len(deliverer.transport.sent) == 5
    assert world.sign(slug, "later@example.org")
    deliverer.close()
    world.runtime.close()


def test_a_worker_that_must_end_while_the_database_is_away_leaves_its_evidence(own_server, tmp_path):
    settings, url = own_server
    world = make_world(url, tmp_path)
    world.signature(world.petition())

    def script(envelope):
        postgres.stop(settings, hurry=True)
        return accepted(envelope)

    deliverer = world.deliverer(Lane.URGENT, transport=MemoryTransport(script=script))
    with pytest.raises(StoreUnavailableError):
        deliverer.drain()
    deliverer.close()
    postgres.start(settings)
    world.deliverer().close()
    another = make_world(url, tmp_path)
    from_journal = another.sql("select state from message")

    recovered = recover(another.runtime)

    assert from_journal == [("submitting",)]
    assert recovered == 1
    assert states(another) == {"accepted": 1}
    for made in (world, another):
        made.runtime.close()


def test_connections_that_the_server_cut_are_replaced_unseen(world):
    slug = world.petition()
    with psycopg.connect(world.runtime.settings.database_url, autocommit=True) as other:
        other.execute("""
            select pg_terminate_backend(pid) from pg_stat_activity
            where application_name = 'countersign' and datname = current_database()""")

    world.sign(slug)

    assert world.sql("select count(*) from signature") == [(1,)]


CUT_AT_COMMIT = """
    create temp table cut (n int);
    create function pg_temp.cut() returns trigger language plpgsql as
        'begin perform pg_terminate_backend(pg_backend_pid()); return null; end';
    create constraint trigger cut after insert on cut deferrable initially deferred
        for each row execute function pg_temp.cut();
    insert into cut values (1)"""


def test_work_whose_commit_may_have_arrived_is_not_done_a_second_time(world):
    runs = []

    def work(tx):
        runs.append("run")
        tx.connection.exec_driver_sql(CUT_AT_COMMIT)

    with pytest.raises(StoreUnavailableError, match="while saving"):
        world.runtime.store.transact(work)

    assert runs == ["run"]


def test_two_units_of_work_that_deadlock_both_succeed(world):
    world.petition("one")
    world.petition("other")
    met = threading.Barrier(2)
    runs = Counter()

    def locking(name, first, second):
        def work(tx):
            runs[name] += 1
            sign = "update petition set author = author || %(name)s where slug = %(slug)s"
            tx.connection.exec_driver_sql(sign, {"name": name, "slug": first})
            if runs[name] == 1:
                met.wait(timeout=60)
            tx.connection.exec_driver_sql(sign, {"name": name, "slug": second})

        return threading.Thread(target=world.runtime.store.transact, args=(work,))

    threads = [locking("A", "one", "other"), locking("B", "other", "one")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)

    assert sum(runs.values()) == 3
    authors = world.sql("select author from petition")
    assert [sorted(author.removeprefix("An author")) for (author,) in authors] == [["A", "B"], ["A", "B"]]


def test_a_serialisation_failure_is_tried_again(world):
    world.petition()
    met = threading.Barrier(2)
    runs = Counter()

    def adding(name):
        def work(tx):
            runs[name] += 1
            tx.connection.exec_driver_sql("set transaction isolation level serializable")
            [(count,)] = tx.connection.exec_driver_sql("select count from petition").all()
            if runs[name] == 1:
                met.wait(timeout=60)
            tx.connection.exec_driver_sql("update petition set count = %(new)s", {"new": count + 1})

        return threading.Thread(target=world.runtime.store.transact, args=(work,))

    threads = [adding("A"), adding("B")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)

    assert sum(runs.values()) == 3
    assert world.sql("select count from petition") == [(2,)]


def test_when_every_connection_is_taken_the_answer_comes_in_seconds(world):
    store = Store(world.runtime.settings.database_url, pool_size=1)
    held = [store.engine.connect() for _ in range(2)]

    begun = time.monotonic()
    with pytest.raises(StoreUnavailableError):
        store.transact(lambda tx: tx)
    waited = time.monotonic() - begun

    for connection in held:
        connection.close()
    assert waited < MOMENT
    assert store.transact(lambda _: "fine") == "fine"
    store.close()


def test_workers_are_woken_after_the_commit_and_never_for_what_was_undone(world):
    world.petition()
    world.nudged.clear()

    def undone(tx):
        tx.nudge(Lane.URGENT)
        raise KeyError

    with pytest.raises(KeyError):
        world.runtime.store.transact(undone)
    assert world.nudged == []

    world.ask("a-petition")

    assert world.nudged == [frozenset({REQUESTS})]
