"""Wake-ups are only a word: lost, doubled, or never taken by a dead Redis, no mail depends on them (F20–F24)."""

import json
import os
import signal
import time
from datetime import timedelta

import pytest
from redis import Redis

from campaign.cli import serve
from campaign.database import jobs as database_jobs
from campaign.delivery.jobs import Ticker, run_job
from campaign.local.servers import redis
from campaign.operations.broker import TIMEOUT, client_url
from campaign.outbox import workers
from campaign.states import Lane
from tasks.app import QUEUES, schedule
from tasks.nudging import INTERVAL, enqueue_job, wake
from tests.kit.memory_transport import MemoryTransport
from tests.kit.racing import at_once
from tests.kit.waiting import until
from tests.kit.worlds import make_world, settings_for


@pytest.fixture
def app_on(celery_app, tmp_path):
    """Makes apps on a Redis."""

    def make(redis_url, prefix="test:"):
        return celery_app(settings_for("postgresql://unused/", tmp_path, redis_url=redis_url, redis_prefix=prefix))

    return make


@pytest.fixture
def app(app_on, redis_url, redis_prefix):
    return app_on(redis_url, redis_prefix)


@pytest.fixture
def client(redis_url):
    with Redis.from_url(client_url(redis_url)) as opened:
        yield opened


def depth(client, prefix, queue="urgent"):
    return client.llen(f"{prefix}{queue}")


def ticker_of(world, *, nudge=lambda _: True, enqueue_job=lambda _: True, drain=lambda: None):
    return Ticker(
        world.runtime,
        lane=Lane.URGENT,
        schedule=jobs_of(world),
        enqueue_job=enqueue_job,
        nudge=nudge,
        drain=drain,
        beat=lambda: None,
        note_store=lambda _: None,
    )


def jobs_of(world):
    return schedule(world.runtime.settings)


def test_a_sign_up_wakes_its_lane_by_its_name_alone(database_url, app, client, redis_prefix, *, nudger_of, tmp_path):
    world = make_world(database_url, tmp_path)
    nudger = nudger_of(app)
    world.runtime.store.nudge = nudger
    world.sign(world.petition())

    until(lambda: depth(client, redis_prefix) == 1)

    raw = client.lindex(f"{redis_prefix}urgent", 0)
    body = json.loads(raw)
    assert body["headers"]["task"] == "signatures.admit"
    assert (body["headers"]["argsrepr"], body["headers"]["kwargsrepr"]) == ("()", "{}")
    assert b"zahra" not in raw.lower()
    world.runtime.close()


def test_a_burst_of_a_thousand_nudges_is_a_handful_of_wake_ups(nudger_of, app, client, redis_prefix):
    nudger = nudger_of(app)

    begun, worked = time.monotonic(), time.thread_time()
    for _ in range(1000):
        nudger(frozenset({Lane.URGENT}))
    spent = time.thread_time() - worked
    until(lambda: depth(client, redis_prefix) >= 1)
    time.sleep(0.2)
    most = 2 + (time.monotonic() - begun) / INTERVAL

    assert spent < 0.5
    assert 1 <= depth(client, redis_prefix) <= most


def seconds_of_sign_ups(world, slug, who, number):
    """How long so many sign-ups take, one after the other."""
    begun = time.monotonic()
    for one in range(number):
        world.sign(slug, f"{who}{one}@example.org")
    return time.monotonic() - begun


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "redis+socket:///nowhere/redis.sock"])
def test_a_dead_redis_costs_a_sign_up_no_time_and_no_mail(nudger_of, app_on, database_url, tmp_path, url):
    world = make_world(database_url, tmp_path)
    slug = world.petition()
    world.sign(slug, "warm-up@example.org")
    usual = seconds_of_sign_ups(world, slug, "usual", 5)
    world.runtime.store.nudge = nudger_of(app_on(url))

    spent = seconds_of_sign_ups(world, slug, "dead", 5)

    transport = MemoryTransport()
    app = app_on(url)
    ticker_of(
        world, nudge=lambda lane: wake(app, lane), enqueue_job=lambda name: enqueue_job(app, name),
        drain=world.deliverer(transport=transport).drain,
    ).tick()  # fmt: skip
    assert spent < 3 * usual + 5 * TIMEOUT
    assert len(transport.sent) == 11
    assert world.sql("select count(*) from periodic_job where finished_at is not null") != [(0,)]
    world.runtime.close()


def test_a_frozen_redis_costs_a_sign_up_no_time(nudger_of, app_on, database_url, tmp_path):
    settings = settings_for(database_url, tmp_path)
    url = redis.start(settings, durable=False)
    with Redis.from_url(client_url(url)) as client:
        pid = client.info("server")["process_id"]
    world = make_world(database_url, tmp_path)
    slug = world.petition()
    world.sign(slug, "warm-up@example.org")
    usual = seconds_of_sign_ups(world, slug, "usual", 10)
    world.runtime.store.nudge = nudger_of(app_on(url))
    os.kill(pid, signal.SIGSTOP)
    try:
        spent = seconds_of_sign_ups(world, slug, "frozen", 10)
        begun = time.monotonic()
        taken = wake(app_on(url), Lane.URGENT)
        waited = time.monotonic() - begun
    finally:
        os.kill(pid, signal.SIGCONT)
        redis.stop(settings, hurry=True)

    # Each one that waited for Redis would take a TIMEOUT longer.
    assert spent < 3 * usual + 5 * TIMEOUT
    assert taken is False
    assert waited < 20 * TIMEOUT
    assert world.sql("select count(*) from message where state = 'planned'") == [(21,)]
    world.runtime.close()


def test_after_a_flush_the_next_look_says_again_what_redis_forgot(
    database_url, app, client, redis_prefix, *, nudger_of, tmp_path
):
    world = make_world(database_url, tmp_path)
    world.runtime.store.nudge = nudger_of(app)
    world.sign(world.petition())
    until(lambda: depth(client, redis_prefix) == 1)
    for key in client.scan_iter(match=f"{redis_prefix}*"):
        client.delete(key)

    ticker_of(world, nudge=lambda lane: wake(app, lane)).tick()

    assert depth(client, redis_prefix) == 1
    world.runtime.close()


def test_a_look_wakes_nobody_when_nothing_is_due(world):
    nudged = []

    ticker_of(world, nudge=nudged.append).tick()

    assert nudged == []


def test_the_second_copy_of_a_wake_up_finds_nothing(world):
    world.signature(world.petition())
    transport = MemoryTransport()
    deliverers = [world.deliverer(transport=transport) for _ in range(2)]

    tallies = [deliverer.drain() for deliverer in deliverers]

    assert [tally.accepted for tally in tallies] == [1, 0]
    assert len(transport.sent) == 1


def test_ten_workers_that_drain_at_once_send_each_mail_once(world):
    slug = world.petition()
    for number in range(30):
        world.signature(slug, f"p{number}@example.org")
    transports = [MemoryTransport() for _ in range(10)]
    deliverers = [world.deliverer(transport=transport) for transport in transports]

    ended = at_once(10, lambda number: deliverers[number].drain())
    # A machine that let them wait for seconds after claiming made them give the mail back.
    while world.sql("select 1 from message where state = 'planned' limit 1"):
        ended += at_once(10, lambda number: deliverers[number].drain())

    assert [end for end in ended if isinstance(end, Exception)] == []
    sent = [envelope.id for transport in transports for envelope in transport.sent]
    assert sorted(sent) == list(range(1, 31))


def test_of_twenty_tickers_one_starts_each_job(world):
    intervals = {name: job.every for name, job in jobs_of(world).items()}
    now = world.clock.now

    def look(_):
        return world.runtime.store.transact(lambda tx: database_jobs.claim_due(tx, intervals, now=now))

    first, second = at_once(20, look), at_once(20, look)

    assert sorted(name for names in first for name in names) == sorted(intervals)
    assert not any(second)


def test_a_job_is_due_again_after_its_interval_and_not_before(world):
    started = []
    tick = ticker_of(world, enqueue_job=lambda name: bool(started.append(name)) or True).tick
    keeper(world)
    tick()
    everything = len(started)
    started.clear()

    world.clock.forward(seconds=2)
    tick()

    assert everything == len(jobs_of(world))
    assert set(started) == {name for name, job in jobs_of(world).items() if job.every <= timedelta(seconds=2)}


def keeper(world):
    """A worker for bulk mail and upkeep that was heard of just now."""
    worker_id = world.read(lambda tx: workers.add(tx, host="h", pid=1, lane=Lane.BULK))
    world.read(lambda tx: workers.seen(tx, worker_id, now=world.clock.now))


def test_while_no_worker_for_upkeep_is_alive_an_urgent_one_counts_and_settles_what_the_dead_held(world):
    world.signature(world.petition(), confirmed=True)
    enqueued = []
    tick = ticker_of(world, enqueue_job=lambda name: bool(enqueued.append(name)) or True).tick
    keeper(world)
    tick()
    with_keeper, in_time = list(enqueued), world.sql("select count from petition")
    enqueued.clear()

    world.clock.forward(seconds=60)
    tick()

    done = {name for (name,) in world.sql("select name from periodic_job where finished_at is not null")}
    assert done == {
        "signatures.count",
        "mail.recover_leases",
        "lanes.watch_health",
        "throughput.record",
        "queues.count",
    }
    assert done < set(with_keeper)
    assert not done & set(enqueued)
    assert (in_time, world.sql("select count from petition")) == ([(0,)], [(1,)])


def test_every_job_runs_twice_without_harm(world):
    slug = world.petition()
    world.signature(slug, confirmed=True)
    world.signature(slug, "waits@example.org")
    world.clock.forward(days=2)

    for _ in range(2):
        for name, job in jobs_of(world).items():
            run_job(world.runtime, name, job)

    assert world.sql("select count from petition") == [(1,)]
    assert world.sql("select count(*) from message where kind = 'reminder'") == [(1,)]
    assert world.sql("select count(*) from periodic_job where finished_at is null") == [(0,)]


def test_upkeep_goes_before_bulk_mail_however_much_of_it_waits(app):
    for _ in range(5):
        assert wake(app, Lane.BULK)
    assert enqueue_job(app, "signatures.count")
    taken = []
    with app.connection_for_read() as connection, connection.channel() as channel:
        # As a worker does it: the queues in the order of its command line, one message at a time.
        app.amqp.queues.select(serve.QUEUES["bulk"].split(","))
        consumer = app.amqp.TaskConsumer(channel, queues=list(app.amqp.queues.consume_from.values()))
        consumer.register_callback(lambda _, message: taken.append(message.headers["task"]))
        consumer.qos(prefetch_count=1)
        with consumer:
            connection.drain_events(timeout=5)

    assert taken == ["signatures.count"]


def test_an_unknown_queue_is_an_error(app):
    with pytest.raises(Exception, match="nowhere"):
        app.send_task("mail.send_urgent", queue="nowhere")
    assert QUEUES == ("urgent", "bulk", "upkeep")
