"""F30, F49, F50: a blast under way is paused, edited, cancelled, badly received, or can't be made for one reader."""

import email.policy
import threading
import time

import pytest

from campaign.accounts.accounts import Role
from campaign.blasts import blasts
from campaign.blasts import reports as blast_reports
from campaign.blasts import running as blast_running
from campaign.blasts.rules import BlastText
from campaign.delivery.jobs import run_job
from campaign.errors import ConflictError
from campaign.feedback import applying
from campaign.states import EventKind, Lane, MessageState
from tasks.app import schedule
from tests.feedback.kit import tell
from tests.kit import ledgers

RATE = 25
FIVE_SECONDS = 5.0


@pytest.fixture
def running(stage):
    """A blast that is being sent at a slow rate, by a worker in a thread of its own."""
    scene = stage(settings={"rate": str(RATE)})
    olga = scene.account(Role.ADMIN, "olga@example.org")
    scene.blast_id = scene.blast(250, by=olga)
    scene.olga = olga
    scene.petition_id = scene.world.opened("blasted").petition.id
    deliverer = scene.deliverer(Lane.BULK)
    ended = threading.Event()

    def work():
        while not ended.is_set():
            deliverer.drain(seconds=2)
            time.sleep(0.1)

    worker = threading.Thread(target=work)
    worker.start()
    while len(scene.rules.moments) < 10:
        time.sleep(0.02)
    yield scene
    ended.set()
    worker.join()


def after(scene, pressed):
    """Seconds from the press to the last acceptance, once two seconds brought none."""
    while time.monotonic() - max(pressed, scene.rules.moments[-1]) < 2:
        time.sleep(0.05)
    return scene.rules.moments[-1] - pressed


def test_f30_no_new_recipient_five_seconds_after_pause_and_all_the_rest_after_resume(running):
    scene = running
    blasts.pause(scene.world.runtime, scene.blast_id, scene.petition_id, by=scene.olga)

    late = after(scene, time.monotonic())
    paused = scene.states()
    blasts.resume(scene.world.runtime, scene.blast_id, scene.petition_id, by=scene.olga)

    assert late < FIVE_SECONDS
    assert paused["planned"] > 50
    assert paused["planned"] + paused["accepted"] == 250
    while scene.states() != {"accepted": 250}:
        time.sleep(0.1)
    assert scene.taken() == 250


def test_f30_no_new_recipient_five_seconds_after_cancel_and_the_rows_say_so(running):
    scene = running
    blasts.cancel(scene.world.runtime, scene.blast_id, scene.petition_id, by=scene.olga)

    late = after(scene, time.monotonic())

    assert late < FIVE_SECONDS
    report = blast_reports.report(scene.world.runtime, scene.blast_id, scene.petition_id)
    assert sum(report.states.values()) == report.planned == 250
    assert report.states[MessageState.CANCELLED] > 50
    assert report.states[MessageState.ACCEPTED] == scene.taken()
    assert report.reasons == (("cancelled", "blast_cancelled", report.states[MessageState.CANCELLED]),)


def test_f30_the_text_of_a_running_blast_can_not_be_changed(running):
    scene = running
    with pytest.raises(ConflictError):
        blasts.edit(
            scene.world.runtime, scene.blast_id, scene.petition_id, {"en": BlastText("Other", "Other words")},
            audience=blasts.get(scene.world.runtime, scene.blast_id, scene.petition_id)[0].audience,
        )  # fmt: skip
    blasts.pause(scene.world.runtime, scene.blast_id, scene.petition_id, by=scene.olga)
    after(scene, time.monotonic())

    subjects = {email.message_from_bytes(data)["Subject"] for _, _, data in scene.rules.received}

    assert subjects == {"News"}


def told_of(scene):
    """The alerts that the server took, by address."""
    parsed = [email.message_from_bytes(data, policy=email.policy.default) for _, _, data in scene.rules.received]
    return {mail["To"]: mail for mail in parsed if mail["X-Countersign-Kind"] == "admin_alert"}


def look(scene):
    """What the ticker does every ten seconds, by three workers."""
    runtime = scene.world.runtime
    jobs = schedule(runtime.settings)
    for name in ("feedback.apply", "lanes.watch_health") * 3:
        run_job(runtime, name, jobs[name])


def test_f49_too_many_rejections_pause_the_blast_and_organiser_and_admin_are_told_once(stage):
    scene = stage()
    scene.account(Role.ADMIN, "ada@example.org")
    scene.account(Role.ORGANISER, "other@example.org")
    scene.blast(120)
    scene.fault("rcpt", "550 5.2.2 Mailbox full", after=10)

    for _ in range(6):
        scene.drain(Lane.BULK, batch=20)
    look(scene)
    scene.rules.heal()
    scene.drain(Lane.URGENT)
    look(scene)
    scene.later(Lane.URGENT, hours=3)
    look(scene)
    scene.later(Lane.URGENT, hours=3)

    assert scene.world.sql("select paused_reason from blast") == [("rejections",)]
    assert scene.states()["planned"] > 0
    assert scene.lane(Lane.BULK).paused_at is None
    told = told_of(scene)
    assert set(told) == {"ada@example.org", "olga@example.org"}
    assert scene.alerts_sent() == 2
    text = told["olga@example.org"].get_body(("plain",)).get_content()
    assert "too many mail servers refuse it" in text
    assert "/organiser/p/blasted/updates/" in text
    assert "because you organise a petition" in text
    assert "because you are an admin" in told["ada@example.org"].get_body(("plain",)).get_content()
    assert scene.equation_holds()


def complain(scene, blast_id, number, provider="test"):
    """Complaints come in, as a webhook stores them."""
    scene.world.sql(
        "insert into delivery_event (provider, event_id, kind, message_id, happened_at, received_at)"
        " select %(provider)s, 'e' || id, 'complained', id, %(now)s, %(now)s from message"
        " where blast_id = %(blast)s and state = 'accepted' order by id limit %(number)s",
        now=scene.world.clock.now, blast=blast_id, number=number, provider=provider,
    )  # fmt: skip


@pytest.mark.parametrize(("number", "paused"), [(4, False), (5, True)])
def test_f49_too_many_complaints_in_mid_blast_pause_it_and_it_sends_no_more(stage, number, paused):
    scene = stage()
    scene.account(Role.ADMIN, "ada@example.org")
    blast_id = scene.blast(60)
    scene.put_off_every_second()
    scene.drain(Lane.BULK)
    first = scene.taken()

    complain(scene, blast_id, number)
    look(scene)
    scene.later(Lane.BULK, hours=2)

    assert first == 30
    assert scene.taken() == (30 if paused else 60)
    assert scene.world.sql("select paused_reason from blast") == [("complaints" if paused else None,)]
    scene.drain(Lane.URGENT)
    assert set(told_of(scene)) == ({"ada@example.org", "olga@example.org"} if paused else set())


def test_f49_a_blast_that_pauses_again_is_told_again_and_who_is_disabled_is_not(stage):
    scene = stage()
    scene.account(Role.ADMIN, "ada@example.org")
    blast_id = scene.blast(30)
    scene.put_off_every_second()
    scene.drain(Lane.BULK)
    complain(scene, blast_id, 5)
    look(scene)
    once = scene.world.sql("select count(*) from message where kind = 'admin_alert'")
    scene.drain(Lane.URGENT)

    scene.world.clock.forward(minutes=1)
    scene.world.sql("update blast set paused_at = null, paused_reason = null")
    scene.world.sql("update account set disabled_at = now() where id = (select created_by from blast)")
    complain(scene, blast_id, 5, provider="another")
    look(scene)
    again = scene.world.sql("select count(*) from message where kind = 'admin_alert'")

    assert (once, again) == ([(2,)], [(3,)])


def test_f50_a_row_that_can_not_be_rendered_fails_alone_and_the_rest_go_on(stage):
    scene = stage()
    scene.blast(12)
    moved, broken = scene.world.sql("select id from signature order by id limit 2")
    scene.world.sql(
        "update signature set name = (select name from signature where id = %(from)s) where id = %(to)s",
        **{"from": moved[0], "to": broken[0]},
    )  # fmt: skip

    scene.drain(Lane.BULK)
    scene.later(Lane.BULK, days=1)

    assert scene.states() == {"accepted": 11, "rejected": 1}
    assert scene.taken() == 11
    [(phase, reason, signature_id)] = scene.world.sql(
        "select phase, reason, signature_id from message where state = 'rejected'"
    )
    assert (phase, reason.partition(":")[0], signature_id) == ("render", "not_rendered", broken[0])
    assert (scene.nobody_is_blamed(), scene.lane(Lane.BULK).paused_at) == (True, None)
    assert scene.world.sql("select paused_at from blast") == [(None,)]


def locked(scene, slug: str) -> None:
    """As after a restart with settings that no longer list the key of a petition."""
    scene.world.sql("update petition set data_key_id = 'gone' where slug = %(slug)s", slug=slug)


def test_f50_a_petition_whose_key_does_not_open_waits_alone_and_goes_out_when_it_does(stage):
    scene = stage()
    scene.people(3, slug="locked")
    scene.people(3, slug="open")
    [(key_id,)] = scene.world.sql("select data_key_id from petition where slug = 'locked'")
    locked(scene, "locked")

    scene.drain(Lane.URGENT)

    assert (scene.states(), scene.taken()) == ({"accepted": 3, "planned": 3}, 3)
    [(phase, reason, attempts)] = scene.world.sql(
        "select distinct phase, reason, attempts from message where state = 'planned' and due_at > %(now)s",
        now=scene.world.clock.now,
    )
    assert (phase, reason.partition(":")[0], attempts) == ("render", "not_opened", 1)
    assert (scene.nobody_is_blamed(), scene.lane(Lane.URGENT).paused_at) == (True, None)

    scene.world.sql("update petition set data_key_id = %(id)s where slug = 'locked'", id=key_id)
    scene.later(Lane.URGENT, hours=1)

    assert (scene.states(), scene.taken()) == ({"accepted": 6}, 6)


def test_f50_what_comes_back_is_applied_though_the_key_of_one_petition_does_not_open(stage):
    scene = stage()
    scene.people(1, slug="locked")
    scene.people(1, slug="open")
    scene.drain(Lane.URGENT)
    locked(scene, "locked")
    ids = [message_id for (message_id,) in scene.world.sql("select id from message order by id")]

    tell(scene.world, EventKind.BOUNCED, ids, status="5.1.1", code=550)

    assert scene.world.sql("select came_back from message order by id") == [("bounced",), ("bounced",)]
    assert scene.world.sql("select message_id from suppression") == [(ids[1],)]


def test_f50_a_bounce_waits_for_the_key_of_its_petition_and_is_applied_when_it_opens(stage):
    scene = stage()
    scene.people(1, slug="locked")
    scene.drain(Lane.URGENT)
    [(message_id, key_id)] = scene.world.sql("select m.id, p.data_key_id from message m, petition p")
    locked(scene, "locked")
    tell(scene.world, EventKind.BOUNCED, [message_id], status="5.1.1", code=550)
    assert scene.world.sql("select count(*) from suppression") == [(0,)]

    scene.world.sql("update petition set data_key_id = %(id)s", id=key_id)
    scene.world.clock.forward(minutes=11)
    applying.apply(scene.world.runtime)

    assert scene.world.sql("select message_id from suppression") == [(message_id,)]
    assert scene.world.sql("select count(*) from delivery_event where applied_at is null") == [(0,)]


def test_f50_a_bounce_whose_key_stays_away_for_a_month_is_given_up(stage):
    scene = stage()
    scene.people(1, slug="locked")
    scene.drain(Lane.URGENT)
    [(message_id,)] = scene.world.sql("select id from message")
    locked(scene, "locked")
    tell(scene.world, EventKind.BOUNCED, [message_id], status="5.1.1", code=550)

    scene.world.clock.forward(days=30)
    applying.apply(scene.world.runtime)

    assert scene.world.sql("select applied_at is not null from delivery_event") == [(True,)]
    assert scene.world.sql("select came_back from message") == [("bounced",)]


def test_f50_an_account_that_does_not_open_holds_up_no_other_mail(stage):
    scene = stage()
    ada = scene.account(Role.ADMIN, "ada@example.org")
    scene.world.sql("update account set address = name")
    scene.people(2)
    ledgers.put(scene.world, 1, kind="admin_alert", signature_id=None, account_id=ada.id)

    scene.drain(Lane.URGENT)

    assert (scene.states(), scene.taken()) == ({"accepted": 2}, 2)
    [(state, reason)] = scene.world.sql("select state, reason from message where kind = 'admin_alert'")
    assert (state, reason.partition(":")[0]) == ("planned", "not_opened")


def test_f24_two_schedulers_start_a_blast_once(stage):
    scene = stage()
    blast_id = scene.blast(0)
    scene.world.sql("update blast set started_at = null, frozen_at = null, freeze_limit = null, frozen_until = 0")
    for number in range(20):
        scene.world.signature("blasted", f"late{number}@example.org", confirmed=True, wants_updates=True)
    scene.world.sql("update message set state = 'cancelled', settled_at = %(now)s", now=scene.world.clock.now)
    started = []

    def look_at_blasts():
        started.append(blast_running.start_due(scene.world.runtime))
        blast_running.freeze(scene.world.runtime)

    schedulers = [threading.Thread(target=look_at_blasts) for _ in range(6)]
    for scheduler in schedulers:
        scheduler.start()
    for scheduler in schedulers:
        scheduler.join()
    blast_running.look(scene.world.runtime)
    scene.drain(Lane.BULK)

    assert sum(started) == 1
    assert scene.world.sql("select count(*) from message where blast_id = %(id)s", id=blast_id) == [(20,)]
    assert (scene.states(), scene.taken()) == ({"accepted": 20}, 20)
