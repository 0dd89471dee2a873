"""F63: a Redis that answers PING and refuses writes: as without Redis, slower, still correct, and named."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import ResponseError

from campaign.cli.serve import worker_arguments, worker_environment
from campaign.delivery.jobs import Ticker
from campaign.delivery.token_bucket import SharedBuckets
from campaign.local.servers import redis as servers_redis
from campaign.networks.rules import Limits
from campaign.networks.shared import Networks, NetworksAwayError
from campaign.operations import broker
from campaign.operations.broker import client_url
from campaign.states import Lane
from campaign.variables import ROOT
from tasks.app import schedule
from tasks.nudging import enqueue_job, wake
from tests.kit.waiting import until
from tests.kit.worlds import settings_for

PASSWORD = "not-ours"


@pytest.fixture
def own_redis(tmp_path):
    """A Redis of this test's own, which it may spoil; its URL and a client that may do anything."""
    settings = settings_for("postgresql://unused/", tmp_path / "redis")
    url = servers_redis.start(settings, durable=False)
    with Redis.from_url(client_url(url)) as client:
        yield url, client
    servers_redis.stop(settings, hurry=True)


def replicate(client):
    """What a failover does to the former primary: the address now leads to a replica."""
    # Nobody listens there: the replica goes on answering with its old data.
    client.execute_command("REPLICAOF", "127.0.0.1", "1")


def fill(client):
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", "1")


def lose_the_disk(client):
    # A folder in the place of its file: saving fails for root too.
    Path(client.config_get("dir")["dir"], client.config_get("dbfilename")["dbfilename"]).mkdir()
    client.config_set("save", "1 1")
    client.config_set("stop-writes-on-bgsave-error", "yes")
    client.set("x", "y")
    with contextlib.suppress(ResponseError):
        client.bgsave()
    until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err", seconds=10)


def want_replicas(client):
    client.config_set("min-replicas-to-write", "1")


def shut_out(client):
    client.execute_command("ACL", "SETUSER", "default", "+@all", "-@write")


def ask_for_a_password(client):
    client.config_set("requirepass", PASSWORD)


SPOILED = {
    "READONLY": replicate,
    "OOM": fill,
    "MISCONF": lose_the_disk,
    "NOREPLICAS": want_replicas,
    "NOPERM": shut_out,
    "NOAUTH": ask_for_a_password,
}


@pytest.mark.parametrize(("code", "spoil"), SPOILED.items(), ids=SPOILED)
def test_f63_mail_goes_without_it_and_the_cause_is_told_in_words(stage, own_redis, celery_app, code, spoil):
    url, client = own_redis
    scene = stage()
    app = celery_app(settings_for("postgresql://unused/", scene.world.runtime.settings.data, redis_url=url))
    scene.people(3)
    spoil(client)

    ticker = Ticker(
        scene.world.runtime,
        lane=Lane.URGENT,
        schedule=schedule(scene.world.runtime.settings),
        enqueue_job=lambda name: enqueue_job(app, name),
        nudge=lambda lane: wake(app, lane),
        drain=scene.drain,
        beat=lambda: None,
        note_store=lambda _: None,
    )
    ticker.tick()
    seen = broker.look(url, prefix="countersign:")

    assert (scene.states(), scene.taken()) == ({"accepted": 3}, 3)
    assert (seen.ok, seen.refuses, seen.problem) == (False, True, code)
    assert seen.cause is not None
    assert "REDIS_URL" in seen.cause.sentence or "Redis" in seen.cause.sentence


def test_f63_networks_and_rates_are_kept_by_each_process_alone(own_redis):
    url, client = own_redis
    replicate(client)
    networks = Networks(url, prefix="t:", limits=Limits(start=20, cap=1000))
    buckets = SharedBuckets(url, prefix="t:", share=1.0)

    with pytest.raises(NetworksAwayError, match="ReadOnlyError"):
        networks.use_once(b"key", seconds=60)
    first = buckets.take("relay", 10, rate=1000)
    time.sleep(0.05)

    assert first == 0
    assert buckets.take("relay", 10, rate=1000) == 10
    networks.close()


def test_f63_a_worker_outlives_it_sends_meanwhile_and_uses_it_again_afterwards(stage, own_redis, tmp_path):
    url, client = own_redis
    scene = stage()
    settings = scene.world.runtime.settings.replace(
        redis_url=url, data=tmp_path / "worker", urgent_processes=1, lane="urgent", log_level="info"
    )
    # The worker has the clock of the machine.
    scene.world.clock.now = datetime.now(UTC)
    replicate(client)
    log = tmp_path / "worker.log"
    with log.open("wb") as output:
        worker = subprocess.Popen(
            worker_arguments(settings, "urgent"), env=worker_environment(settings, "urgent"), cwd=ROOT,
            stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        until(lambda: "refuses writes: READONLY" in log.read_text(), seconds=40)
        scene.people(2)
        until(lambda: scene.taken() == 2, seconds=40)
        client.execute_command("REPLICAOF", "NO", "ONE")
        until(lambda: "Connected to redis" in log.read_text(), seconds=60)
        client.execute_command("REPLICAOF", "127.0.0.1", "1")
        until(lambda: log.read_text().count("refuses writes: READONLY") >= 2, seconds=60)
        assert worker.poll() is None
        assert sys.executable in worker.args
    finally:
        os.killpg(worker.pid, signal.SIGTERM)
        worker.wait(timeout=40)

    assert "Unrecoverable error" not in log.read_text()
    assert "Traceback" not in log.read_text()
    assert log.read_text().count("did not take") < 10
