"""F18, F19, F23, F53: workers die, are doubled, or are told to stop, with mail on the wire."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from campaign.cli.serve import worker_arguments, worker_environment
from campaign.delivery.journal import journal_folder, recover
from campaign.local.mailserver.script import Fault
from campaign.states import Lane
from tasks.nudging import wake
from tests.kit.engines import ROOT
from tests.kit.waiting import until

CONNECTIONS = 2
"""Of an urgent worker."""


def start(scene, where="never"):
    settings = scene.world.runtime.settings
    command = ["-m", "tests.faults.sender", settings.database_url, str(settings.data), settings.smtp_url, where]
    return subprocess.Popen([sys.executable, *command], cwd=ROOT)


def run(scene, where="never"):
    return start(scene, where).wait(timeout=120)


def test_f18_a_row_whose_worker_was_killed_while_rendering_is_reclaimed_and_sent_once(stage):
    scene = stage()
    scene.people(4)

    status = run(scene, "render")
    left = scene.states()
    recovered = recover(scene.world.runtime)
    assert run(scene) == 0

    assert (status, left, recovered) == (-signal.SIGKILL, {"claimed": 4}, 4)
    assert (scene.states(), scene.taken()) == ({"accepted": 4}, 4)


def test_f18_without_a_journal_the_lease_gives_the_row_back_and_not_before_its_time(stage):
    scene = stage()
    scene.people(4)
    run(scene, "render")
    for journal in journal_folder(scene.world.runtime).glob("*.journal"):
        journal.unlink()

    too_early = recover(scene.world.runtime)
    scene.lose_leases()
    scene.drain()

    assert too_early == 0
    assert (scene.states(), scene.taken()) == ({"accepted": 4}, 4)


@pytest.mark.parametrize("at", [1, 3, 7])
def test_f19_a_worker_killed_after_the_server_took_a_mail_makes_no_second_copy(stage, at):
    scene = stage()
    scene.people(8)
    workers = []

    def kill(number):
        # The server has the mail, its 250 is not out; those before are acknowledged and not yet in the database.
        if number == at:
            until(lambda: workers)
            workers[0].kill()
            workers[0].wait()

    scene.rules.before_answer = kill
    workers.append(start(scene))
    status = workers[0].wait(timeout=120)
    accepted_in_database = scene.states()["accepted"]
    recover(scene.world.runtime)
    doubted = scene.states()["uncertain"]
    for _ in range(2):
        assert run(scene) == 0

    assert (status, accepted_in_database) == (-signal.SIGKILL, 0)
    assert 1 <= doubted <= CONNECTIONS
    assert scene.states() == {"accepted": 8 - doubted, "uncertain": doubted}
    assert scene.equation_holds()


def test_f23_the_second_copy_of_a_wake_up_finds_nothing_to_claim_while_the_first_is_at_work(stage):
    scene = stage()
    scene.people(5)
    on_the_wire, may_answer = threading.Event(), threading.Event()

    def wait(number):
        on_the_wire.set()
        may_answer.wait(timeout=30)

    scene.rules.before_answer = wait
    first = scene.deliverer()
    # The client waits for its answer longer than the second copy takes.
    work = threading.Thread(target=first.drain)
    work.start()
    on_the_wire.wait(timeout=30)
    second = scene.drain()
    may_answer.set()
    work.join()

    assert (second.accepted, second.settled) == (0, 0)
    assert scene.equation_holds()
    assert scene.states()["accepted"] == 5


def test_f23_a_task_that_is_handed_out_twice_sends_each_mail_once(stage):
    scene = stage()
    scene.people(30)
    copies = [scene.deliverer() for _ in range(5)]

    threads = [threading.Thread(target=copy.drain) for copy in copies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    scene.drain()

    assert (scene.states(), scene.taken()) == ({"accepted": 30}, 30)


def test_f53_sigterm_during_a_blast_finishes_what_is_on_the_wire_and_releases_the_rest(stage, celery_app):
    # A batch takes longer than it may stay on the wire, so that there is something to give back.
    scene = stage(Fault("accepted", "slow 0.2 250 2.0.0 Ok, slowly"), settings={"bulk_processes": "1"})
    scene.blast(200)
    settings = scene.world.runtime.settings
    app = celery_app(settings)
    # A process of its own looks at the clock on the wall, which is ahead of the test's.
    worker = subprocess.Popen(
        worker_arguments(settings, "bulk"), cwd=ROOT, env=os.environ | worker_environment(settings, "bulk"),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 90
        while len(scene.rules.moments) < 10 and time.monotonic() < deadline:
            wake(app, Lane.BULK)
            time.sleep(0.3)
        worker.send_signal(signal.SIGTERM)
        worker.wait(timeout=60)
    finally:
        worker.kill()
        worker.wait()

    states = scene.states()
    assert states["accepted"] == scene.taken()
    assert states["planned"] == 200 - states["accepted"] > 0
    assert set(states) == {"accepted", "planned"}
    assert scene.world.sql("select max(attempts), max(losses) from message where state = 'planned'") == [(0, 0)]
