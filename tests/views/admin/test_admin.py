import html
import json
import re

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from campaign.blasts import blasts
from campaign.blasts import running as blast_running
from campaign.blasts.rules import BlastText
from campaign.operations import lanes, monitor, throughput
from campaign.petitions import organisers
from campaign.states import Lane
from campaign.views.admin import words as admin_words
from tests.kit import ledgers, nights
from tests.kit.nights import Night
from tests.kit.sites import borrow_web
from tests.kit.worlds import make_world
from tests.views.conftest import words

UNCERTAIN = {"state": "uncertain", "settled_at": -60, "phase": "dot", "reason": "no_outcome"}
REJECTED = {"state": "rejected", "settled_at": -60, "phase": "rcpt", "reply_code": 550, "enhanced": "5.1.1"}


night = nights.night


def sentence(page: TestResponse) -> str:
    found = re.search(r'class="verdict-sentence"[^>]*>(.*?)</p>', page.text)
    assert found is not None
    return html.unescape(found[1])


def test_the_page_says_first_what_a_person_must_know(night: Night):
    without = night.get("/admin")
    ledgers.serve(night.world)
    idle = night.get("/admin")

    assert "All mail: no worker is running." in sentence(without)
    assert "Action needed" in words(without)
    assert sentence(idle).startswith(("Redis can’t be used.", "Idle"))


def test_the_page_the_json_and_the_command_say_the_same(night: Night):
    ledgers.serve(night.world)
    ledgers.put(night.world, 3, due_at=-90)

    shown = night.get("/admin/status.json").json

    expected = monitor.document(monitor.take(night.world.runtime))
    assert shown == json.loads(json.dumps(expected))
    assert shown["sentence"]["text"] == sentence(night.get("/admin"))
    assert shown["lanes"][0]["waiting"] == 3


def test_a_lane_is_paused_with_a_reason_and_resumed_from_beside_the_sentence(night: Night):
    ledgers.serve(night.world)

    paused = night.press("/admin/lanes/bulk/pause", why="new provider")
    page = night.get("/admin")
    resumed = night.press("/admin/lanes/bulk/resume")

    assert (paused.status_code, paused.headers["Location"]) == (303, "/admin")
    assert f"paused by {night.ada.name}" in sentence(page)
    assert "new provider" in words(page)
    verdict = page.text.partition('class="verdict ')[2].partition("</section>")[0]
    assert 'action="/admin/lanes/bulk/resume"' in verdict
    assert resumed.headers["Location"] == "/admin"
    assert "Lane resumed." in words(night.get("/admin"))
    assert night.log() == [("lane.pause", night.ada.id), ("lane.resume", night.ada.id)]


def test_a_pause_without_a_reason_is_refused_with_a_sentence(night: Night):
    answer = night.press("/admin/lanes/urgent/pause", why=" ")

    assert answer.status_code == 422
    assert "Enter a reason." in words(answer)
    assert night.world.sql("select count(*) from lane where paused_at is not null") == [(0,)]


def test_presses_that_come_too_late_say_so(night: Night):
    lanes.pause(night.world.runtime, Lane.BULK, reason="first", by=None)

    again = night.press("/admin/lanes/bulk/pause", why="second")
    nothing = night.press("/admin/lanes/urgent/resume")

    assert (again.status_code, nothing.status_code) == (409, 409)
    assert "paused already" in words(again)
    assert "The lane is neither paused nor held back." in words(nothing)


@pytest.mark.parametrize("path", ["/admin/lanes/fast/pause", "/admin/lanes/%00/resume", "/admin/blasts/99999"])
def test_what_is_not_there_is_404(night: Night, path: str):
    assert night.press(path, press="pause", why="x").status_code == 404


def test_the_hour_is_drawn_with_a_title_a_sentence_and_numbers(night: Night):
    ledgers.serve(night.world)
    ledgers.put(night.world, 12, state="accepted", settled_at=-90)
    ledgers.put(night.world, 3, state="accepted", settled_at=-1900)
    throughput.note(night.world.runtime)

    page = night.get("/admin")

    assert 'role="img" aria-labelledby="spark-urgent-title spark-urgent-desc"' in page.text
    assert "15 accepted by the mail server, at most 12 in a minute." in page.text
    assert page.text.count("<rect x=") == 2
    assert 'style="' not in page.text


def test_the_words_of_a_mail_server_are_text_and_nothing_else(night: Night):
    ledgers.put(night.world, **REJECTED, reason="<script>alert(1)</script> {{7*7}}")

    page = night.get("/admin")

    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert" in page.text
    assert "49" not in words(page).partition("Delivery problems")[2].partition("Workers")[0]


def test_an_update_is_paused_resumed_and_cancelled_from_the_monitor(night: Night):
    world = night.world
    slug = world.petition()
    for number in range(3):
        world.signature(slug, f"s{number}@example.org", name=f"S {number}", confirmed=True, wants_updates=True)
    petition_id = organisers.may_organise(world.runtime, night.ada, slug)
    text = {"en": BlastText("News", "Hello")}
    blast_id = blasts.save_draft(world.runtime, petition_id, text, by=night.ada, request_key="one")
    blasts.send_now(world.runtime, blast_id, petition_id, by=night.ada)
    scheduled = words(night.get("/admin"))
    world.clock.forward(seconds=31)
    blast_running.look(world.runtime)
    without_worker = words(night.get("/admin"))
    ledgers.serve(world)

    stages = []
    for press in ("pause", "resume", "cancel"):
        assert night.press(f"/admin/blasts/{blast_id}", press=press).status_code == 303
        stages.append(words(night.get("/admin")).partition("Updates being sent")[2].partition("Delivery problems")[0])

    assert "Scheduled News a-petition" in scheduled
    assert "Waiting News a-petition" in without_worker
    assert "Paused News" in stages[0]
    assert "An organiser or admin paused it." in stages[0]
    assert "Being sent News" in stages[1]
    assert "No update is scheduled or being sent." in stages[2]
    assert night.log() == [(f"blast.{press}", night.ada.id) for press in ("pause", "resume", "cancel")]


def test_a_press_on_an_update_that_went_on_says_so(night: Night):
    slug = night.world.petition()
    petition_id = organisers.may_organise(night.world.runtime, night.ada, slug)
    text = {"en": BlastText("News", "Hello")}
    blast_id = blasts.save_draft(night.world.runtime, petition_id, text, by=night.ada, request_key="one")

    answer = night.press(f"/admin/blasts/{blast_id}", press="resume")

    assert answer.status_code == 409
    assert night.press(f"/admin/blasts/{blast_id}", press="explode").status_code == 404


def key_of(page: TestResponse) -> str:
    found = re.search(r"group=([0-9a-f]{12})", page.text)
    assert found is not None
    return found[1]


def test_a_cause_lists_its_messages_page_by_page(night: Night):
    ids = ledgers.put(night.world, 55, **UNCERTAIN)
    group = key_of(night.get("/admin"))

    first = night.get(f"/admin/messages?group={group}&since=24h")
    following = html.unescape(re.search(r'href="([^"]*after=[^"]*)"', first.text)[1])
    second = night.get(following)

    seen = [int(found) for page in (first, second) for found in re.findall(r'/admin/messages/(\d+)"', page.text)]
    assert sorted(seen) == ids


@pytest.mark.parametrize("show", ["waiting", "later", "uncertain", "rejected"])
def test_lists_are_there_empty_and_full(night: Night, show: str):
    empty = night.get(f"/admin/messages?show={show}")
    ledgers.put(night.world, 60, due_at=-5)
    ledgers.put(night.world, 60, due_at=500)
    ledgers.put(night.world, 60, **UNCERTAIN)
    ledgers.put(night.world, 60, **REJECTED)

    full = night.get(f"/admin/messages?show={show}")
    broken = night.get(f"/admin/messages?show={show}&after=nonsense&lane=nowhere")

    assert "No messages." in words(empty)
    assert len(re.findall(r'/admin/messages/\d+"', full.text)) == 50
    assert "after=" in full.text
    assert broken.status_code == 200


def test_a_message_is_found_by_its_number_and_settled_there(night: Night):
    [message_id] = ledgers.put(night.world, **UNCERTAIN)

    found = night.get(f"/admin/messages?id={message_id}")
    page = night.get(found.headers["Location"])
    answer = night.press(f"/admin/messages/{message_id}", press="cancel")
    again = night.press(f"/admin/messages/{message_id}", press="cancel")

    assert found.status_code == 303
    assert f"Message {message_id}" in words(page)
    assert "The connection broke off without an answer." in words(page)
    assert answer.status_code == 303
    assert again.status_code == 409
    assert night.log() == [("message.cancel", night.ada.id)]


@pytest.mark.parametrize("asked", ["4711", "x", "-1", "9" * 30, "۱۲"])
def test_a_number_that_is_no_message_says_so(night: Night, asked: str):
    answer = night.get(f"/admin/messages?id={asked}")

    assert answer.status_code == 404
    assert "No message has this number." in words(answer)


def test_the_page_of_a_message_shows_no_address_and_no_name(night: Night):
    signed = night.world.signature(night.world.petition(), "canary@example.org", name="Canary")
    [(message_id,)] = night.world.sql(f"select id from message where signature_id = {signed}")

    page = night.get(f"/admin/messages/{message_id}").text.lower()

    assert "canary" not in page
    assert f"signature {signed}" in page


def test_looking_changes_nothing(night: Night):
    ledgers.put(night.world, 2, **UNCERTAIN)
    ledgers.put(night.world, 2, due_at=600, attempts=1)
    before = night.world.sql("select * from message order by id"), night.log()

    for path in ("/admin", "/admin/messages", "/admin/messages?show=later", "/admin/messages/1", "/admin/status.json"):
        assert night.get(path).status_code == 200
        assert night.client.head(path).status_code == 200

    assert (night.world.sql("select * from message order by id"), night.log()) == before


def test_the_monitor_stays_up_while_the_database_is_away(night: Night):
    snapshot = monitor.take_without_database(night.world.runtime.settings, now=night.world.clock.now)

    assert snapshot.database_ok is False
    with night.app.test_request_context("/admin"):
        assert monitor.document(snapshot)["sentence"]["code"] == "no_database"


def metrics(client: FlaskClient, **headers: str) -> TestResponse:
    return client.get("/metrics", headers=headers)


def test_metrics_are_the_snapshot_in_the_format_of_prometheus(night: Night):
    ledgers.serve(night.world)
    ledgers.put(night.world, 3, due_at=-90)
    ledgers.put(night.world, 2, **REJECTED, reason="canary <canary@example.org>")
    night.world.petition("canary-petition")

    answer = metrics(night.app.test_client())

    assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"
    lines = answer.text.splitlines()
    assert 'countersign_messages{lane="urgent",state="waiting"} 3.0' in lines
    assert 'countersign_rejected_last_day{lane="urgent"} 2.0' in lines
    assert 'countersign_oldest_waiting_seconds{lane="urgent"} 90.0' in lines
    assert 'countersign_workers{lane="bulk"} 1.0' in lines
    assert "countersign_redis_up 0.0" in lines
    assert 'countersign_signatures{petition="1"} 0.0' in lines
    assert "canary" not in answer.text
    assert sum(line.startswith("countersign_sentence{") and line.endswith(" 1.0") for line in lines) == 1
    sample = re.compile(r'countersign_[a-z_0-9]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? -?[0-9.]+')
    assert all(line.startswith(("# HELP ", "# TYPE ")) or sample.fullmatch(line) for line in lines)
    named = [line.split()[2] for line in lines if line.startswith("# TYPE ")]
    assert len(named) == len(set(named))


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"])
def test_metrics_are_not_there_through_a_proxy(night: Night, header: str):
    assert metrics(night.app.test_client(), **{header: "127.0.0.1"}).status_code == 404


def test_metrics_are_not_there_for_another_machine(night: Night):
    answer = night.app.test_client().get("/metrics", environ_base={"REMOTE_ADDR": "192.0.2.7"})

    assert answer.status_code == 404


def test_metrics_open_to_another_machine_with_the_token(database_url, tmp_path):
    world = make_world(database_url, tmp_path, metrics_token="a-long-secret-token")
    client = borrow_web(world.runtime).test_client()
    elsewhere = {"REMOTE_ADDR": "192.0.2.7"}

    statuses = [
        client.get("/metrics", headers=headers, environ_base=elsewhere).status_code
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer a-long-secret-token"})
    ]

    assert statuses == [401, 401, 200]
    assert client.get("/metrics").status_code == 200
    world.runtime.close()


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("4.2.0 Greylisted", "Greylisted"),
        ("5.7.1-Message refused", "Message refused"),
        ("5.1.1", "5.1.1"),
        ("queue 4.2.0 full", "queue 4.2.0 full"),
        ("<script>", "&lt;script&gt;"),
    ],
)
def test_the_code_that_stands_beside_a_server_s_words_is_not_said_twice(told: str, shown: str):
    assert admin_words.reason(told) == f'<bdi class="ltr server-words" lang="en">{shown}</bdi>'
