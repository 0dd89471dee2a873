"""`countersign healthy`: what a container's health check asks."""

import os
import platform
import signal
import subprocess
import sys
from contextlib import contextmanager

from campaign.local.servers import ports
from campaign.outbox import workers
from campaign.settings import Settings, child_environment
from campaign.states import Lane
from campaign.variables import ROOT
from tests.kit.commands import Shell
from tests.kit.waiting import until
from tests.kit.worlds import World


@contextmanager
def running(settings: Settings, *words: str):
    process = subprocess.Popen(
        [sys.executable, "-m", "campaign.cli", *words],
        cwd=ROOT, env=os.environ | child_environment(settings),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=90)


def check(world: World, *words: str, **environ: str) -> tuple[int, str]:
    done = Shell(world)("healthy", *words, **environ)
    assert done.err == ""
    assert len(done.out.splitlines()) == 1
    return done.status, done.out.strip()


def seen(world: World, *, host: str, ago: int, lane: Lane = Lane.URGENT, problem: str | None = None) -> None:
    worker_id = world.read(lambda tx: workers.add(tx, host=host, pid=1, lane=lane))
    world.sql(
        "update worker set seen_at = now() - make_interval(secs => %(ago)s), folder_problem = %(problem)s,"
        " folder = '/data' where id = %(id)s returning id",
        ago=ago, problem=problem, id=worker_id,
    )  # fmt: skip


def test_a_real_worker_is_healthy_while_it_runs_and_only_in_its_own_lane(world, redis_url, redis_prefix):
    settings = world.runtime.settings.replace(redis_url=redis_url, redis_prefix=redis_prefix)

    with running(settings, "worker", "--lane", "urgent"):
        until(lambda: check(world, "worker", "--lane", "urgent")[0] == 0, seconds=90)
        status, sentence = check(world, "worker", "--lane", "urgent")
        other = check(world, "worker", "--lane", "bulk")
    ended = check(world, "worker", "--lane", "urgent")

    assert (status, sentence.startswith(f"The worker of the urgent lane on {platform.node()} was seen ")) == (0, True)
    assert other == (1, f"No worker of the bulk lane on {platform.node()} was seen in the last 15 seconds.")
    assert ended == (1, f"No worker of the urgent lane on {platform.node()} was seen in the last 15 seconds.")


def test_a_worker_of_another_host_or_of_a_minute_ago_is_not_ours(world):
    seen(world, host="elsewhere", ago=1)
    seen(world, host=platform.node(), ago=60)

    assert check(world, "worker", "--lane", "urgent")[0] == 1


def test_a_worker_that_can_not_keep_its_journal_is_not_healthy(world):
    seen(world, host=platform.node(), ago=1, problem="full")

    status, sentence = check(world, "worker", "--lane", "urgent")

    assert (status, sentence.endswith("can't use its data folder /data.")) == (1, True)


def test_a_worker_is_not_healthy_while_the_database_is_away(world):
    done = Shell(world)("healthy", "worker", "--lane", "urgent", DATABASE_URL="postgresql://127.0.0.1:1/none")

    assert done.status == 1
    assert "PostgreSQL" in done.err


def test_the_web_server_is_healthy_while_it_answers_at_its_port(world, redis_url, redis_prefix):
    port = ports.find_free("127.0.0.1")
    settings = world.runtime.settings.replace(
        redis_url=redis_url, redis_prefix=redis_prefix, port=port, base_url=f"http://localhost:{port}"
    )
    named = {"COUNTERSIGN_PORT": str(port)}

    before = check(world, "web", **named)
    with running(settings, "web"):
        until(lambda: check(world, "web", **named)[0] == 0, seconds=90)
        served = check(world, "web", **named)

    assert before == (1, f"No web server answers at 127.0.0.1, port {port}.")
    assert served == (0, f"The web server at 127.0.0.1, port {port} serves, and the database takes writes.")


def test_a_web_server_whose_database_is_away_says_why(world, redis_url, redis_prefix):
    port = ports.find_free("127.0.0.1")
    settings = world.runtime.settings.replace(
        redis_url=redis_url, redis_prefix=redis_prefix, port=port, base_url=f"http://localhost:{port}",
        database_url="postgresql://127.0.0.1:1/none",
    )  # fmt: skip
    named = {"COUNTERSIGN_PORT": str(port)}

    with running(settings, "web"):
        until(lambda: "503" in check(world, "web", **named)[1], seconds=90)
        status, sentence = check(world, "web", **named)

    assert status == 1
    assert sentence.startswith(f"The web server at 127.0.0.1, port {port} answers with 503: ")
    assert "PostgreSQL" in sentence
