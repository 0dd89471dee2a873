import json
import re
from datetime import timedelta

import pytest
from redis import Redis

from campaign.database import jobs as database_jobs
from campaign.operations import broker, monitor
from campaign.operations.broker import client_url
from campaign.operations.diagnosis import judge
from campaign.operations.health import Code
from campaign.operations.status_line import sentence
from campaign.outbox import lanes, workers
from campaign.states import Lane, MessageState
from tasks.app import UPKEEP, make_app
from tasks.nudging import enqueue_job, wake
from tests.kit.worlds import make_world, settings_for


@pytest.fixture
def signed(world):
    """A signature to which messages can be addressed."""
    signature_id = world.signature(world.petition(), "canary-zahra@example.org", name="Canary Zahra")
    world.sql("delete from message returning id")
    return signature_id


@pytest.fixture
def mails(world, signed):
    """Put messages into the ledger: a number, and values of columns; moments are seconds from now."""

    def put(number: int = 1, **columns: object) -> list[int]:
        now = world.clock.now
        values = {"kind": "already_signed", "lane": "bulk", "signature_id": signed, "planned_at": 0, "due_at": 0}
        values |= columns
        for name in ("planned_at", "due_at", "settled_at", "lease_until"):
            if name in values:
                values[name] = now + timedelta(seconds=values[name])
        names = ", ".join(values)
        marks = ", ".join(f"%({name})s" for name in values)
        rows = f"select {marks} from generate_series(1, {number})"
        statement = f"insert into message ({names}) {rows} returning id"
        return [row[0] for row in world.sql(statement, **values)]

    return put


@pytest.fixture
def served(world):
    """Both lanes have a worker that was just seen, and a ticker looked."""
    now = world.clock.now
    for lane in Lane:
        worker_id = world.read(lambda tx, lane=lane: workers.add(tx, host="mail-1", pid=42, lane=lane))
        world.read(lambda tx, worker_id=worker_id: workers.seen(tx, worker_id, now=now))
    world.read(lambda tx: database_jobs.claim_due(tx, {"signatures.count": timedelta(seconds=2)}, now=now))


def lane(snapshot, name):
    return next(flow for flow in snapshot.lanes if flow.lane == name)


def test_an_empty_installation_has_no_worker_and_says_how_to_start_one(world):
    snapshot = monitor.take(world.runtime)

    assert judge(snapshot).code is Code.NO_WORKER
    assert sentence(snapshot) == (
        "All mail: no worker is running. Nothing is waiting. "
        "Start it with: countersign worker --lane urgent; countersign worker --lane bulk"
    )
    assert snapshot.last_tick_at is None


def test_planned_messages_are_waiting_held_scheduled_or_deferred_each_once(world, mails, signed):
    [(paused,)] = world.sql(
        "insert into blast (petition_id, kind, request_key, started_at, paused_at)"
        " select id, 'update', 'k', now(), now() from petition returning id"
    )
    mails(3, due_at=-90)
    mails(2, lane="urgent", due_at=-5)
    mails(kind="update", blast_id=paused, due_at=-600)
    other = world.signature("a-petition", "other@example.org")
    mails(kind="update", blast_id=paused, signature_id=other, due_at=600, attempts=1)
    mails(4, due_at=3600)
    mails(5, due_at=300, attempts=2, phase="rcpt", reply_code=450, reason="greylisted")

    snapshot = monitor.take(world.runtime)

    bulk, urgent = lane(snapshot, "bulk"), lane(snapshot, "urgent")
    assert (bulk.waiting, bulk.held, bulk.scheduled, bulk.deferred) == (3, 1, 4, 6)
    assert bulk.waiting_time(snapshot.at) == timedelta(seconds=90)
    # The confirmation of the other signer is due too.
    assert (urgent.waiting, urgent.held, urgent.scheduled, urgent.deferred) == (3, 0, 0, 0)
    planned = world.sql("select count(*) from message where state = 'planned'")
    assert planned == [(sum(f.waiting + f.held + f.scheduled + f.deferred for f in snapshot.lanes),)]


def test_what_was_accepted_is_counted_by_age_and_gives_rate_and_finish(world, mails, served):
    mails(120, state="accepted", settled_at=-30)
    mails(10, state="accepted", settled_at=-200)
    mails(10, state="accepted", settled_at=-3000)
    mails(10, state="accepted", settled_at=-4000)
    mails(400, due_at=-10)

    snapshot = monitor.take(world.runtime)

    bulk = lane(snapshot, "bulk")
    assert (bulk.accepted_1m, bulk.accepted_5m, bulk.accepted_60m) == (120, 130, 140)
    assert bulk.rate == pytest.approx(4.0)
    assert snapshot.finish_of(bulk) == snapshot.at + timedelta(seconds=100)


def test_messages_in_flight_and_settled_ones_are_counted(world, mails):
    mails(2, state="claimed", lease_until=60, owner_id=1)
    mails(3, state="submitting", lease_until=60, owner_id=1)
    mails(4, state="uncertain", settled_at=-30 * 86400)
    mails(5, state="rejected", settled_at=-3600)
    mails(6, state="rejected", settled_at=-25 * 3600)

    bulk = lane(monitor.take(world.runtime), "bulk")

    assert (bulk.claimed, bulk.submitting, bulk.uncertain, bulk.rejected_24h) == (2, 3, 4, 5)


def test_troubles_meet_by_cause_whatever_the_number_in_the_servers_words(world, mails):
    for queue_id in ("4Xk2Lm9", "4Xk2Lm8", "4Xk2Lm7"):
        mails(state="rejected", settled_at=-60, phase="rcpt", reply_code=550, enhanced="5.1.1",
              reason=f"no such user ({queue_id})")  # fmt: skip
    mails(2, state="uncertain", settled_at=-7200, phase="dot", reason="worker_lost")
    mails(due_at=300, planned_at=-900, attempts=1, phase="rcpt", reply_code=450, reason="greylisted")

    found = monitor.take(world.runtime).troubles

    now = world.clock.now
    assert [(each.state, each.code, each.reason, each.messages, now - each.oldest_at) for each in found] == [
        ("rejected", 550, "no such user (…)", 3, timedelta(seconds=60)),
        ("uncertain", None, "worker_lost", 2, timedelta(hours=2)),
        ("deferred", 450, "greylisted", 1, timedelta(minutes=15)),
    ]


def test_a_worker_that_was_not_seen_for_15_seconds_is_gone(world, served):
    world.clock.forward(seconds=14)
    before = monitor.take(world.runtime)
    world.clock.forward(seconds=1)
    after = monitor.take(world.runtime)

    assert [(worker.host, worker.pid, worker.lane) for worker in before.workers] == [
        ("mail-1", 42, Lane.URGENT),
        ("mail-1", 42, Lane.BULK),
    ]
    assert after.workers == ()


def test_the_oldest_message_past_its_lease_is_named_with_who_held_it(world, mails, served):
    [(owner,)] = world.sql("select id from worker where lane = 'bulk'")
    mails(state="claimed", lease_until=5, owner_id=owner)
    [oldest] = mails(state="submitting", lease_until=-300, owner_id=owner)
    mails(state="submitting", lease_until=-200, owner_id=owner)

    snapshot = monitor.take(world.runtime)

    assert (snapshot.stuck.message_id, snapshot.stuck.state) == (oldest, MessageState.SUBMITTING)
    said = sentence(snapshot)
    assert said.startswith(
        f"Message {oldest} is stuck: worker {owner} (host mail-1, process 42) should have finished it 5 minutes ago."
    )


def test_a_paused_lane_says_by_whom_since_when_and_why(world, served):
    now = world.clock.now
    world.read(lambda tx: lanes.pause(tx, Lane.BULK, by="account 7", reason="The text has a typo.", now=now))
    world.clock.forward(seconds=10)

    assert sentence(monitor.take(world.runtime)) == (
        "Bulk mail: paused by account 7 since 10:00. The reason: The text has a typo. Nothing is waiting."
    )


def test_an_open_circuit_says_what_the_mail_server_said_and_when_it_is_tried_again(world, served):
    now, later = world.clock.now, world.clock.now + timedelta(minutes=2)
    trouble = {"answer": "554 go away 100%", "relay": "smtp.example.net:587", "phase": "banner"}
    world.read(lambda tx: lanes.open_circuit(tx, Lane.URGENT, not_before=later, now=now, **trouble))

    assert sentence(monitor.take(world.runtime)) == (
        "The mail server smtp.example.net:587 has not worked since 10:00. 554 go away 100%. Nothing is waiting. "
        "Next try in 2 minutes."
    )


def test_confirmations_that_wait_are_said_with_their_number_and_time(world, mails, served):
    mails(1_200, lane="urgent", due_at=-240)

    assert sentence(monitor.take(world.runtime)) == (
        "Confirmations are late. 1,200 emails are waiting, the oldest for 4 minutes."
    )


def test_a_flow_says_rate_rest_and_finish(tmp_path, database_url, redis_url, redis_prefix):
    world = make_world(database_url, tmp_path, redis_url=redis_url, redis_prefix=redis_prefix)
    signature_id = world.signature(world.petition())
    world.sql("delete from message returning id")
    now = world.clock.now
    rows = "insert into message (kind, lane, signature_id, due_at, state, settled_at) select 'already_signed', 'bulk'"
    world.sql(f"{rows}, %(id)s, %(now)s, 'planned', null from generate_series(1, 1640) returning id",
              id=signature_id, now=now)  # fmt: skip
    world.sql(f"{rows}, %(id)s, %(now)s, 'accepted', %(then)s from generate_series(1, 410) returning id",
              id=signature_id, now=now, then=now - timedelta(seconds=10))  # fmt: skip
    for each in Lane:
        worker_id = world.read(lambda tx, each=each: workers.add(tx, host="h", pid=1, lane=each))
        world.read(lambda tx, worker_id=worker_id: workers.seen(tx, worker_id, now=now))
    world.read(lambda tx: database_jobs.claim_due(tx, {"signatures.count": timedelta(seconds=2)}, now=now))

    snapshot = monitor.take(world.runtime)
    world.runtime.close()

    assert sentence(snapshot) == "Sending 41/s, 1,640 left, done at 10:00."
    assert sentence(snapshot, "fa").count("۱٬۶۴۰") == 1


def test_without_redis_mail_flows_and_the_snapshot_says_so(world, served):
    snapshot = monitor.take(world.runtime)

    assert (snapshot.broker.ok, judge(snapshot).code) == (False, Code.WITHOUT_REDIS)


def test_depths_are_those_that_celery_fills(database_url, tmp_path, redis_url, redis_prefix):
    settings = settings_for(database_url, tmp_path, redis_url=redis_url, redis_prefix=redis_prefix)
    app = make_app(settings)
    assert wake(app, Lane.BULK)
    assert wake(app, Lane.BULK)
    assert enqueue_job(app, "signatures.recount")
    with app.connection_for_read() as connection:
        taken = connection.default_channel.basic_get(UPKEEP)

        look = broker.look(redis_url, prefix=redis_prefix)

        taken.reject(requeue=False)
    app.close()
    assert look.ok
    assert dict(look.depths) == {"urgent": 0, "bulk": 2, "upkeep": 0}
    assert look.unacknowledged == 1


def test_a_job_of_another_release_is_not_shown_and_never_late(world, served):
    names = ("signatures.count", "count_signatures")
    world.read(lambda tx: database_jobs.claim_due(tx, dict.fromkeys(names, timedelta(seconds=2)), now=world.clock.now))
    world.clock.forward(hours=1)

    snapshot = monitor.take(world.runtime)

    assert [(job.name, job.is_late(snapshot.at)) for job in snapshot.jobs] == [("signatures.count", True)]


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "redis+socket:///nowhere/redis.sock", ""])
def test_a_redis_that_is_not_there_is_no_error(url):
    look = broker.look(url, prefix="x:")

    assert not look.ok
    assert look.problem


def test_looking_changes_nothing_in_redis(redis_url, redis_prefix):
    broker.look(redis_url, prefix=redis_prefix)

    with Redis.from_url(client_url(redis_url)) as client:
        assert list(client.scan_iter(match=f"{redis_prefix}*")) == []


def test_a_database_that_does_not_answer_is_part_of_the_picture(world, tmp_path):
    settings = settings_for("postgresql://nobody@127.0.0.1:1/nothing", tmp_path)

    document = monitor.document(monitor.take_without_database(settings, now=world.clock.now))

    assert document["sentence"]["code"] == "no_database"
    assert document["database_ok"] is False


def test_the_json_has_stable_keys_and_no_address_or_name(world, mails, served):
    mails(3, due_at=-90)
    mails(2, state="rejected", settled_at=-60, phase="rcpt", reply_code=550, reason="no such user <address>")

    document = monitor.document(monitor.take(world.runtime))

    assert set(document) == {
        "at", "sentence", "others", "database_ok", "database_problem",
        "broker", "switches", "lanes", "workers", "last_tick_at", "stuck", "petitions", "troubles",
        "blasts", "jobs", "relays", "confirmations", "unconfirmed", "held_by_networks", "held_until", "proxy_not_set",
    }  # fmt: skip
    assert set(document["lanes"][1]) == {
        "lane", "waiting", "oldest_waiting_at", "oldest_waiting_seconds", "held", "scheduled", "deferred", "claimed",
        "submitting", "accepted_1m", "accepted_5m", "accepted_60m", "rate", "finish_at", "uncertain", "rejected_24h",
        "paused_at", "paused_by", "paused_reason", "not_before", "last_answer", "last_answer_at",
        "standing", "troubled_at", "last_relay", "last_phase", "accepted_24h", "first_retry_at", "last_worker_at",
        "last_worker_host",
    }  # fmt: skip
    assert document["lanes"][1]["oldest_waiting_seconds"] == 90.0
    assert document["petitions"] == [{"id": 1, "slug": "a-petition", "state": "live", "count": 0, "goal": 1000}]
    text = json.dumps(document)
    assert not re.search(r"canary|@", text, re.IGNORECASE)


def test_taking_a_snapshot_reads_only_and_holds_nothing(world, mails):
    before = world.sql("select id, state, due_at from message order by id")

    monitor.take(world.runtime)

    assert world.sql("select id, state, due_at from message order by id") == before
    assert world.runtime.store.engine.pool.checkedout() == 0
