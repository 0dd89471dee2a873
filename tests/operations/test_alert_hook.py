"""Alerts by a webhook: what a service hears, when, and how often; and which lane carries the mails about them."""

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from campaign.accounts import accounts
from campaign.accounts.accounts import Role
from campaign.errors import StoreUnavailableError
from campaign.operations import alert_hook
from campaign.operations.alert_hook import DatabaseAlarm, HookRefusedError
from campaign.outbox import lanes
from campaign.states import Lane
from tests.kit.worlds import make_world


class Service:
    """A web server that takes alerts, with the status it is told."""

    def __init__(self) -> None:
        self.heard: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.status = 204
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.paths.append(self.path)
                if outer.status // 100 == 2:
                    outer.heard.append(json.loads(body))
                self.send_response(outer.status)
                self.send_header("Location", f"http://127.0.0.1:{outer.server.server_port}/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/alerts?token=s3cret"

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    yield made
    made.close()


@pytest.fixture
def told(service, database_url, tmp_path):
    """A world that tells the service."""
    made = make_world(database_url, tmp_path, alert_url=service.url)
    accounts.create(made.runtime, email="ada@example.org", name="Ada", role=Role.ADMIN)
    yield made
    made.runtime.close()


def pause_itself(world, lane=Lane.URGENT):
    now = world.clock()
    world.read(lambda tx: lanes.pause(tx, lane, by="system", reason="535 authentication failed", now=now))


def carriers(world) -> list[str]:
    return [lane for (lane,) in world.sql("select lane from message where kind = 'admin_alert' order by id")]


def test_a_service_hears_once_that_a_lane_paused_itself_and_once_that_it_is_over(told, service):
    pause_itself(told)
    for _ in range(3):
        alert_hook.watch(told.runtime)
    told.clock.forward(minutes=5)
    told.read(lambda tx: lanes.resume(tx, Lane.URGENT))
    for _ in range(3):
        alert_hook.watch(told.runtime)

    assert [(each["state"], each["cause"], each["lane"]) for each in service.heard] == [
        ("began", "paused", "urgent"),
        ("over", "paused", "urgent"),
    ]
    assert len({each["id"] for each in service.heard}) == 1
    assert "535 authentication failed" in service.heard[0]["text"]
    assert service.paths == ["/alerts?token=s3cret"] * 2


def test_it_hears_the_same_trouble_again_when_it_lasts_for_more_than_an_hour(told, service):
    pause_itself(told)
    for _ in range(4):
        alert_hook.watch(told.runtime)
        told.clock.forward(minutes=31)

    assert [each["state"] for each in service.heard] == ["began", "began"]


@pytest.mark.parametrize("status", [302, 404, 500])
def test_what_the_service_does_not_take_is_offered_again(status, told, service, caplog):
    service.status = status
    pause_itself(told)
    alert_hook.watch(told.runtime)
    service.status = 200
    alert_hook.watch(told.runtime)

    assert [each["state"] for each in service.heard] == ["began"]
    assert f"the service answered {status}" in caplog.text
    assert "s3cret" not in caplog.text
    assert "/elsewhere" not in service.paths


def test_a_service_that_does_not_answer_keeps_no_admin_from_their_mail(database_url, tmp_path):
    made = make_world(database_url, tmp_path, alert_url="http://127.0.0.1:1/alerts")
    accounts.create(made.runtime, email="ada@example.org", name="Ada", role=Role.ADMIN)
    pause_itself(made)

    planned = alert_hook.watch(made.runtime)

    made.runtime.close()
    assert planned == 1


def test_old_alerts_are_not_told_when_a_service_is_named_later(told, service):
    service.status = 500
    pause_itself(told)
    alert_hook.watch(told.runtime)
    told.read(lambda tx: lanes.resume(tx, Lane.URGENT))
    alert_hook.watch(told.runtime)
    told.clock.forward(days=2)
    service.status = 200
    alert_hook.watch(told.runtime)

    assert service.heard == []


def test_without_a_service_only_mail_tells(world):
    accounts.create(world.runtime, email="ada@example.org", name="Ada", role=Role.ADMIN)
    pause_itself(world)

    assert alert_hook.watch(world.runtime) == 1
    assert alert_hook.tell(world.runtime) == 0


@pytest.mark.parametrize(("about", "by"), [(Lane.URGENT, "bulk"), (Lane.BULK, "urgent")])
def test_the_mail_about_a_lane_goes_by_the_other_one(about, by, told):
    pause_itself(told, about)

    alert_hook.watch(told.runtime)

    assert carriers(told) == [by]


def test_while_both_lanes_are_troubled_the_mails_wait_in_the_urgent_one(told):
    pause_itself(told, Lane.URGENT)
    pause_itself(told, Lane.BULK)

    alert_hook.watch(told.runtime)

    assert carriers(told) == ["urgent", "urgent"]


def test_a_lane_that_waits_for_the_mail_server_carries_no_alert(told):
    pause_itself(told, Lane.URGENT)
    now = told.clock()
    told.read(
        lambda tx: lanes.open_circuit(tx, Lane.BULK, not_before=now + timedelta(minutes=5), answer="421 later", now=now)
    )

    alert_hook.watch(told.runtime)

    assert carriers(told) == ["urgent"]


class Times:
    """A clock, and what was told at which of its seconds."""

    def __init__(self) -> None:
        self.now = 0.0
        self.told: list[tuple[float, str, str]] = []

    def __call__(self) -> float:
        return self.now

    def send(self, _url: str, content) -> None:
        self.told.append((self.now, content["state"], content["text"]))


def watched(times: Times, settings, seconds, error) -> DatabaseAlarm:
    alarm = DatabaseAlarm(settings, send=times.send, clock=times)
    for second in range(0, seconds, 3):
        times.now = float(second)
        alarm.note(error)
    return alarm


def test_a_database_that_can_not_be_used_is_told_after_a_minute_once_an_hour_and_when_it_is_back(told, caplog):
    times, error = Times(), StoreUnavailableError("The password in DATABASE_URL is wrong.")
    alarm = watched(times, told.runtime.settings, 7300, error)
    alarm.note(None)
    alarm.note(None)

    assert [(moment, state) for moment, state, _ in times.told] == [
        (60.0, "began"), (3660.0, "began"), (7260.0, "began"), (7299.0, "over"),
    ]  # fmt: skip
    assert "The password in DATABASE_URL is wrong." in times.told[0][2]
    assert caplog.text.count("DATABASE_URL is wrong") == 122


def test_a_restart_of_the_database_is_no_news(told):
    times = Times()
    watched(times, told.runtime.settings, 58, StoreUnavailableError("It is starting.")).note(None)

    assert times.told == []


def test_a_service_that_is_away_too_ends_no_worker(told, caplog):
    def refuse(_url: str, _content: object) -> None:
        raise HookRefusedError("the service does not answer: TimeoutError")

    times = Times()
    alarm = DatabaseAlarm(told.runtime.settings, send=refuse, clock=times)
    for second in (0.0, 61.0):
        times.now = second
        alarm.note(StoreUnavailableError("It is away."))

    assert "COUNTERSIGN_ALERT_URL: the service does not answer" in caplog.text
