import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from campaign.local.servers import postgres, redis, supervisor
from campaign.local.servers.children import Child
from campaign.settings import load_settings
from tests.kit.waiting import frozen, until

ROOT = Path(__file__).parent.parent.parent


class Run:
    """One supervisor in a process of its own, with what it said."""

    def __init__(self, data, programs, **variables):
        self.data = data
        data.mkdir(exist_ok=True)
        self.output = data.parent / f"said-{time.monotonic_ns()}"
        environment = {**os.environ, "COUNTERSIGN_DATA": str(data), "PYTHONUNBUFFERED": "1", **variables}
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.kit.tiny_up", *programs],
                cwd=ROOT,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def said(self):
        return self.output.read_text()

    @property
    def told(self):
        """What the programs told: (word, name, process id)."""
        file = self.data / "told"
        return [tuple(line.split()) for line in file.read_text().splitlines()] if file.exists() else []

    def await_welcome(self):
        until(lambda: "Welcome." in self.said or self.process.poll() is not None)
        assert "Welcome." in self.said, self.said

    def descendants(self):
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(timeout=180)


@pytest.fixture
def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@pytest.fixture
def run(tmp_path, free_port):
    """Start supervisors on one data folder and port; servers are given unless told otherwise."""
    runs = []
    given = {
        "COUNTERSIGN_PORT": free_port,
        "DATABASE_URL": "postgresql://nobody@nowhere.test/none",
        "REDIS_URL": "redis://nowhere.test",
    }

    def start(*programs, **variables):
        runs.append(Run(tmp_path / "data", programs, **(given | variables)))
        return runs[-1]

    yield start
    for one in runs:
        one.end()


def gone(processes):
    return not [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def test_all_starts_and_a_stop_leaves_nothing_behind(run):
    up = run("steady", "parent")
    up.await_welcome()
    family = up.descendants()

    status = up.end(signal.SIGTERM)

    assert status == 0
    assert gone(family)
    assert "  Step             database given (" in up.said
    assert "  steady-0         ready (" in up.said
    assert up.said.endswith("Stopped.\n")


def test_programs_end_in_the_order_of_their_stages(run):
    up = run("steady", "steady", "steady")
    up.await_welcome()

    up.end(signal.SIGINT)

    assert [name for word, name, _ in up.told if word == "end"] == ["steady-0", "steady-1", "steady-2"]


def test_one_wish_that_arrives_twice_hurries_nothing(run):
    up = run("stubborn")
    up.await_welcome()
    # Asleep, so that it can't see them far apart, however busy the machine is.
    with frozen(psutil.Process(up.process.pid)):
        up.process.send_signal(signal.SIGINT)
        up.process.send_signal(signal.SIGTERM)

    until(lambda: "Stopping" in up.said)
    time.sleep(1)

    assert up.process.poll() is None
    up.end(signal.SIGINT)


def test_a_second_interrupt_does_not_wait_for_a_stubborn_program(run):
    up = run("stubborn", "steady")
    up.await_welcome()
    family = up.descendants()
    up.process.send_signal(signal.SIGINT)
    until(lambda: "Stopping" in up.said)
    time.sleep(supervisor.SAME_WISH + 0.1)
    begin = time.monotonic()

    status = up.end(signal.SIGINT)

    assert status == 0
    assert time.monotonic() - begin < Child.patience - 5
    assert gone(family)


def test_a_program_that_dies_is_started_again_and_that_is_said(run):
    up = run("steady", "parent")
    up.await_welcome()
    first = psutil.Process(int(next(pid for _, name, pid in up.told if name == "parent-1")))
    grandchildren = first.children()

    first.kill()

    until(lambda: [name for word, name, _ in up.told].count("parent-1") == 2)
    assert "parent-1 was killed (SIGKILL); starting it again in 0.5 s" in up.said
    assert gone(grandchildren)
    assert up.end() == 0


def test_a_program_that_keeps_dying_ends_all_with_the_reason(run):
    up = run("steady", "dying")

    until(lambda: up.process.poll() is not None)

    assert up.process.returncode == 1
    assert "dying-1 ended (status 3), for the 5th time in a row." in up.said
    assert "the reason" in up.said
    assert ("end", "steady-0") in [(word, name) for word, name, _ in up.told]


def test_a_killed_supervisor_takes_its_programs_along_and_the_next_one_starts(run):
    first = run("steady", "parent")
    first.await_welcome()
    family = first.descendants()

    first.end(signal.SIGKILL)

    second = run("steady")
    second.await_welcome()
    assert gone(family)
    assert second.end() == 0


def test_what_a_killed_supervisor_and_guardian_left_is_ended_at_the_next_start(run):
    first = run("steady", "parent")
    first.await_welcome()
    family = first.descendants()
    guardian = next(process for process in family if "campaign.local.servers.watchdog" in process.cmdline())
    guardian.kill()
    first.end(signal.SIGKILL)

    second = run("steady")
    second.await_welcome()

    assert gone(family)
    assert "Ended what a killed run had left: steady-0, parent-1" in second.said
    assert second.end() == 0


def test_a_second_supervisor_is_refused_while_the_first_goes_on(run):
    first = run("steady")
    first.await_welcome()

    second = run("steady")

    assert second.process.wait(timeout=120) == 1
    assert f"is already running on {first.data} (process {first.process.pid})" in second.said
    assert "COUNTERSIGN_DATA=" in second.said
    assert "Traceback" not in second.said
    assert "Hello." not in second.said
    assert first.process.poll() is None


def test_a_taken_port_is_said_before_anything_starts(run, free_port):
    with socket.socket() as other:
        other.bind(("127.0.0.1", int(free_port)))
        other.listen()

        up = run("steady")

        assert up.process.wait(timeout=120) == 1
    assert up.said.startswith(f"Port {free_port} is taken by another program.")
    assert "COUNTERSIGN_PORT=" in up.said
    assert up.told == []


def test_a_note_that_names_another_process_harms_nobody(run, tmp_path):
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    (tmp_path / "data" / "run").mkdir(parents=True)
    note = [{"name": "web", "pid": bystander.pid, "started": time.time() - 86400}]
    (tmp_path / "data" / "run" / "processes.json").write_text(json.dumps(note))

    up = run("steady")
    up.await_welcome()

    assert bystander.poll() is None
    assert up.end() == 0
    bystander.kill()
    bystander.wait()


def test_the_embedded_servers_start_again_when_killed_and_end_with_the_supervisor(run, tmp_path):
    settings = load_settings({"COUNTERSIGN_DATA": str(tmp_path / "data")})
    up = run("steady", DATABASE_URL="", REDIS_URL="")
    up.await_welcome()
    psutil.Process(int((postgres.cluster(settings) / "postmaster.pid").read_text().split()[0])).kill()
    psutil.Process(int((settings.data / "redis" / "redis.pid").read_text())).kill()

    until(lambda: "PostgreSQL has ended; starting it again" in up.said and postgres.live_url(settings))
    until(lambda: "Redis has ended; starting it again" in up.said and redis.live_url(settings))
    status = up.end()

    assert status == 0
    assert postgres.live_url(settings) is None
    assert redis.live_url(settings) is None
    postgres.discard(settings)


def test_the_embedded_servers_end_when_the_supervisor_is_killed(run, tmp_path):
    settings = load_settings({"COUNTERSIGN_DATA": str(tmp_path / "data")})
    up = run("steady", DATABASE_URL="", REDIS_URL="")
    up.await_welcome()

    up.end(signal.SIGKILL)

    until(lambda: postgres.live_url(settings) is None)
    until(lambda: redis.live_url(settings) is None)
    again = run("steady", DATABASE_URL="", REDIS_URL="")
    again.await_welcome()
    assert again.end() == 0
    postgres.discard(settings)
