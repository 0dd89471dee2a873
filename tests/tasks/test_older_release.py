"""Wake-ups that a release with other task names sent are thrown away, once, and the worker goes on."""

import os
import subprocess

from redis import Redis

from campaign.cli.serve import worker_arguments, worker_environment
from campaign.operations.broker import UNACKNOWLEDGED, client_url
from tasks.app import QUEUES, make_app
from tests.kit.engines import ROOT
from tests.kit.waiting import until
from tests.kit.worlds import make_world

OLDER = (("mail.drain_lane", ["bulk"], "bulk"), ("upkeep.run_job", ["recount"], "upkeep"))
"""Task, arguments and queue, as they were before tasks had the names of the product."""


def test_a_worker_discards_wake_ups_of_an_older_release_and_does_its_work(
    database_url, redis_url, redis_prefix, tmp_path
):
    world = make_world(database_url, tmp_path, redis_url=redis_url, redis_prefix=redis_prefix, bulk_processes="1")
    settings, log = world.runtime.settings, tmp_path / "worker.log"
    app = make_app(settings)
    for task, arguments, queue in OLDER * 3:
        app.send_task(task, args=arguments, queue=queue)

    with log.open("wb") as output:
        worker = subprocess.Popen(
            worker_arguments(settings, "bulk"),
            cwd=ROOT,
            env=os.environ | worker_environment(settings, "bulk"),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        with Redis.from_url(client_url(redis_url)) as redis:
            until(lambda: log.read_text().count("Received unregistered task") == 6, seconds=60)
            until(lambda: "signatures.recount" in finished(world), seconds=60)
            until(lambda: not any(redis.llen(f"{redis_prefix}{queue}") for queue in QUEUES))
            until(lambda: not redis.hlen(f"{redis_prefix}{UNACKNOWLEDGED}"))
        alive = worker.poll() is None
    finally:
        worker.terminate()
        worker.wait(timeout=60)

    assert alive
    assert log.read_text().count("Received unregistered task") == 6
    assert worker.returncode == 0
    world.runtime.close()


def finished(world):
    """The jobs that ended, by name."""
    return {name for (name,) in world.sql("select name from periodic_job where finished_at is not null")}
