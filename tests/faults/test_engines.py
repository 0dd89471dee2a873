"""F20, F21, F25, F26: Redis or PostgreSQL is away, forgets, or refuses a transaction, while mail is to be sent."""

import re
import threading
import time

import pytest
from redis import Redis

from campaign.delivery.jobs import Ticker
from campaign.errors import StoreUnavailableError
from campaign.local.mailserver.faults import FaultServer
from campaign.local.servers import postgres
from campaign.local.servers import redis as servers_redis
from campaign.operations.broker import client_url
from campaign.states import Lane
from tasks.app import schedule
from tasks.nudging import enqueue_job, wake
from tasks.process import open_transport
from tests.kit.waiting import until
from tests.kit.worlds import make_world, settings_for
from web import create_app


def sign(client, slug, email):
    """The sign form, as a browser sends it."""
    page = client.get(f"/p/{slug}", buffered=True).text
    stamp = re.search(r'name="stamp" value="([^"]+)"', page)
    form = {"name": "Zahra", "email": email, "country": "DE", "website": "", "stamp": stamp[1] if stamp else ""}
    return client.post(f"/p/{slug}/sign", data=form, follow_redirects=True)


def ticker_of(scene, app, drain=lambda: None):
    return Ticker(
        scene.world.runtime,
        lane=Lane.URGENT,
        schedule=schedule(scene.world.runtime.settings),
        enqueue_job=lambda name: enqueue_job(app, name),
        nudge=lambda lane: wake(app, lane),
        drain=drain,
        beat=lambda: None,
        note_store=lambda _: None,
    )


@pytest.fixture
def own_redis(tmp_path):
    """A Redis of this test's own, which it may stop."""
    settings = settings_for("postgresql://unused/", tmp_path / "redis")
    url = servers_redis.start(settings, durable=False)
    yield settings, url
    servers_redis.stop(settings, hurry=True)


@pytest.mark.parametrize("back", [True, False])
def test_f20_while_redis_is_down_the_page_is_2xx_the_row_is_stored_and_the_mail_goes(
    stage, own_redis, celery_app, nudger_of, back
):
    settings, url = own_redis
    scene = stage()
    app = celery_app(settings_for("postgresql://unused/", settings.data, redis_url=url, redis_prefix="t:"))
    scene.world.runtime.store.nudge = nudger_of(app)
    slug = scene.world.petition()
    client = create_app(runtime=scene.world.runtime).test_client()
    servers_redis.stop(settings, hurry=True)

    begun = time.monotonic()
    answer = sign(client, slug, "zahra@example.org")
    took = time.monotonic() - begun
    stored = scene.world.sql("select state, count(*) from sign_up_request group by 1")
    if back:
        servers_redis.start(settings, durable=False)
    ticker_of(scene, app, drain=scene.drain).tick()

    assert (answer.status_code // 100, stored) == (2, [("asked", 1)])
    assert took < 5
    if back:
        with Redis.from_url(client_url(url)) as redis:
            assert redis.llen("t:urgent") >= 1
        scene.drain()
    assert (scene.states(), scene.taken()) == ({"accepted": 1}, 1)


def test_f21_what_a_flushed_redis_forgot_is_said_again_and_nothing_is_lost_or_doubled(
    stage, celery_app, redis_url, redis_prefix
):
    scene = stage()
    app = celery_app(scene.world.runtime.settings)
    # At once, and not by a thread that may still hold a wake-up when Redis is flushed.
    scene.world.runtime.store.nudge = lambda lanes: [wake(app, lane) for lane in lanes]
    scene.people(6)
    with Redis.from_url(client_url(redis_url)) as redis:
        assert redis.llen(f"{redis_prefix}urgent")
        first = scene.deliverer()
        scene.rules.before_answer = lambda number: forget(redis, redis_prefix) if number == 3 else None
        first.drain()
        scene.people(2)
        assert redis.llen(f"{redis_prefix}urgent")
        forget(redis, redis_prefix)
        nothing = redis.llen(f"{redis_prefix}urgent")

        ticker_of(scene, app).tick()

        assert (nothing, redis.llen(f"{redis_prefix}urgent")) == (0, 1)
    scene.drain()
    assert (scene.states(), scene.taken()) == ({"accepted": 8}, 8)


def forget(redis, prefix):
    for key in redis.scan_iter(match=f"{prefix}*"):
        redis.delete(key)


def test_f25_while_the_database_is_away_pages_say_so_workers_wait_and_afterwards_all_goes(own_server, tmp_path):
    settings, url = own_server
    with FaultServer() as server:
        world = make_world(url, tmp_path, smtp_url=f"smtp://127.0.0.1:{server.port}")
        client = create_app(runtime=world.runtime).test_client()
        slug = world.petition()
        for number in range(4):
            world.signature(slug, f"p{number}@example.org")
        deliverer = world.deliverer(transport=open_transport(world.runtime.settings, Lane.URGENT))
        attempts = []

        def drain():
            attempts.append(time.monotonic())
            world.admit()
            deliverer.drain()

        ticker = Ticker(
            world.runtime,
            lane=Lane.URGENT,
            schedule=schedule(world.runtime.settings),
            enqueue_job=lambda _: False,
            nudge=lambda _: False,
            drain=drain,
            beat=deliverer.beat,
            note_store=lambda _: None,
        )
        postgres.stop(settings, hurry=True)
        ticker.start()
        answers = [sign(client, slug, "later@example.org") for _ in range(2)]
        with pytest.raises(StoreUnavailableError):
            deliverer.drain()
        time.sleep(4)
        tried_while_away = len(attempts)
        alive = any(thread.name == "ticker" for thread in threading.enumerate())

        postgres.start(settings)
        until(lambda: len(server.rules.accepted) == 4, seconds=30)
        after = sign(client, slug, "later@example.org")
        until(lambda: len(server.rules.accepted) == 5, seconds=30)
        ticker.stop()
        deliverer.close()

        assert {answer.status_code for answer in answers} == {503}
        assert "We’re briefly unavailable" in answers[0].text
        assert answers[0].headers["Retry-After"]
        assert (alive, tried_while_away) == (True, 0)
        assert after.status_code == 200
        assert not server.rules.repeated()
        assert world.sql("select state, count(*) from message group by 1") == [("accepted", 5)]
        world.runtime.close()


@pytest.mark.parametrize("code", ["40001", "40P01"])
@pytest.mark.parametrize("state", ["submitting", "accepted"])
def test_f26_a_transaction_that_the_database_refuses_is_tried_again_and_nothing_is_doubled(stage, code, state):
    scene = stage()
    scene.people(6)
    # Three transactions that would move a row into the state fail, as in a deadlock or a serialisation failure.
    scene.world.sql("create sequence refusal")
    scene.world.sql(
        "create function refuse() returns trigger language plpgsql as $$begin"
        " if nextval('refusal') <= 3 then raise exception 'refused' using errcode = '" + code + "'; end if;"
        " return new; end$$"
    )
    scene.world.sql(
        "create trigger refuse after update on message for each row when (new.state = '" + state + "')"
        " execute function refuse()"
    )
    try:
        scene.drain()
        refusals = scene.world.sql("select last_value from refusal")
    finally:
        scene.world.sql("drop function refuse cascade")
        scene.world.sql("drop sequence refusal")

    assert refusals[0][0] > 3
    assert (scene.states(), scene.taken()) == ({"accepted": 6}, 6)
