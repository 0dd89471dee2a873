"""B15: periodic jobs never wait behind mail, even if a mail server holds every process."""

import threading
from datetime import timedelta

from campaign.delivery.jobs import PATIENCE, Job, Ticker
from campaign.local.mailserver.faults import FaultServer
from campaign.local.mailserver.script import Fault, Script
from campaign.states import Lane
from tasks.process import Process
from tests.kit.waiting import until
from tests.kit.worlds import make_world, settings_for


def ticker_of(world, jobs, *, lane=Lane.BULK, enqueued=None):
    sent = [] if enqueued is None else enqueued
    return Ticker(
        world.runtime,
        lane=lane,
        schedule=jobs,
        enqueue_job=lambda name: bool(sent.append(name)) or True,
        nudge=lambda _: True,
        drain=lambda: None,
        beat=lambda: None,
        note_store=lambda _: None,
    )


def test_a_job_that_no_worker_has_begun_is_run_by_one_ticker_once(world):
    ran = []
    jobs = {"often": Job(timedelta(seconds=1), lambda _: ran.append("often")),
            "rare": Job(timedelta(hours=24), lambda _: ran.append("rare"))}  # fmt: skip
    tickers = [ticker_of(world, jobs) for _ in range(2)]
    for _ in range(int(PATIENCE.total_seconds())):
        tickers[0].tick()
        world.clock.forward(seconds=1)
    in_time = list(ran)

    world.clock.forward(seconds=1)
    for ticker in tickers:
        ticker.tick()

    assert in_time == []
    assert sorted(ran) == ["often", "rare"]


def test_a_job_that_a_worker_has_begun_is_left_to_it_however_long_it_takes(world):
    ran, enqueued = [], []
    jobs = {"long": Job(timedelta(hours=1), lambda _: ran.append("long"))}
    ticker = ticker_of(world, jobs, enqueued=enqueued)
    ticker.tick()
    world.sql("update periodic_job set waiting_since = null")

    world.clock.forward(minutes=10)
    ticker.tick()

    assert (ran, enqueued) == ([], ["long"])


def test_an_urgent_worker_leaves_waiting_jobs_to_those_for_bulk_mail(world):
    ran = []
    jobs = {"job": Job(timedelta(hours=1), lambda _: ran.append("job"))}
    ticker = ticker_of(world, jobs, lane=Lane.URGENT)
    ticker.tick()

    world.clock.forward(minutes=10)
    ticker.tick()

    assert ran == []


def test_while_a_dripping_server_holds_a_process_its_ticker_does_the_upkeep_and_beats(
    database_url, redis_url, redis_prefix, celery_app, tmp_path
):
    world = make_world(database_url, tmp_path)
    world.signature(world.petition(), confirmed=True)
    world.sql("update message set lane = 'bulk'")
    with FaultServer(Script((Fault("banner", "drip 1 220 " + 60 * "x"),))) as server:
        used = settings_for(
            database_url, tmp_path, redis_url=redis_url, redis_prefix=redis_prefix,
            smtp_url=f"smtp://127.0.0.1:{server.port}",
        )  # fmt: skip
        process = Process(celery_app(used), used, Lane.BULK)
        held = threading.Thread(target=process.drain)
        held.start()
        until(lambda: server.rules.chances["banner"] > 0)
        process.ticker.tick()
        world.sql("update periodic_job set waiting_since = waiting_since - interval '11 s'")

        process.ticker.tick()

        done = {name for (name,) in world.sql("select name from periodic_job where finished_at is not null")}
        still_held = held.is_alive()
        for dialogue in server.dialogues:
            server.call(dialogue.abort)
        held.join(timeout=30)
        process.ticker.start()
        process.close()
    assert done == set(process.schedule)
    assert still_held
    world.runtime.close()
