from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from campaign.blasts.progress import rate_of
from campaign.database.jobs import JobStatus
from campaign.errors import Cause
from campaign.operations.diagnosis import judge, judge_all
from campaign.operations.health import BrokerStatus, Code, LaneHealth, Level, Snapshot, Stuck, WorkerStatus
from campaign.operations.standing import Standing
from campaign.operations.status_line import others, sentence
from campaign.outbox.relays import RelayLimit, RelayOffer
from campaign.states import Lane, LimitKind, MessageState

NOW = datetime(2026, 11, 22, 14, 0, tzinfo=UTC)


def flow(lane: Lane, **changes: object) -> LaneHealth:
    calm = LaneHealth(
        lane=lane, waiting=0, oldest_waiting_at=None, held=0, scheduled=0, deferred=0, claimed=0, submitting=0,
        accepted_1m=0, accepted_5m=0, accepted_60m=0, rate=0.0, uncertain=0, rejected_24h=0,
    )  # fmt: skip
    return replace(calm, **changes)


def worker(lane: Lane) -> WorkerStatus:
    return WorkerStatus(id=1, host="mail-1", pid=42, lane=lane, started_at=NOW, seen_at=NOW)


def ago(**amount: float) -> datetime:
    return NOW - timedelta(**amount)


WAITS = {"waiting": 12, "oldest_waiting_at": ago(minutes=3)}
MOVES = {"waiting": 18_200, "oldest_waiting_at": ago(minutes=3), "rate": 41.0, "accepted_1m": 2460}
CIRCUIT = {
    "not_before": NOW + timedelta(minutes=1), "troubled_at": ago(minutes=2), "last_relay": "smtp.example.net:587",
    "last_phase": "connect", "last_answer": "no connection: ECONNREFUSED",
}  # fmt: skip
PAUSED = {"paused_at": ago(hours=1), "paused_by": "system", "paused_reason": "535 no"}
FULL = Cause("53100", "The disk of PostgreSQL is full.", lasting=False)
FAILS = JobStatus("signatures.count", NOW, NOW, None, None, ago(minutes=5), "no space")
LEFT_BEHIND = Stuck(7, Lane.BULK, MessageState.CLAIMED, ago(minutes=2), 3, "mail-1", 42)


ON_FULL_DISK = replace(worker(Lane.BULK), folder="/srv/countersign", folder_problem="full", folder_since=ago(minutes=4))


def snapshot(*, urgent=None, bulk=None, **changes: object) -> Snapshot:
    calm = Snapshot(
        at=NOW, database_ok=True, broker=BrokerStatus(ok=True, depths={}),
        lanes=(flow(Lane.URGENT, **(urgent or {})), flow(Lane.BULK, **(bulk or {}))),
        workers=(worker(Lane.URGENT), worker(Lane.BULK)), last_tick_at=ago(seconds=2),
    )  # fmt: skip
    return replace(calm, **changes)


# Each has what its own rule looks for and, so that the order shows, what the rules after it look for.
IN_ORDER = [
    (Code.NO_DATABASE, Level.BAD, snapshot(database_ok=False, lanes=(), workers=(), last_tick_at=None)),
    (Code.NOT_WRITABLE, Level.BAD, snapshot(database_problem=FULL, workers=())),
    (Code.NO_WORKER, Level.BAD, snapshot(workers=(), urgent=PAUSED | WAITS)),
    (Code.FOLDER, Level.BAD, snapshot(workers=(worker(Lane.URGENT), ON_FULL_DISK), urgent=PAUSED)),
    (Code.PAUSED, Level.BAD, snapshot(bulk=PAUSED, last_tick_at=None, urgent=CIRCUIT)),
    (Code.NO_TICK, Level.BAD, snapshot(last_tick_at=ago(seconds=31), urgent=CIRCUIT)),
    (Code.MAIL_SERVER, Level.BAD, snapshot(urgent=CIRCUIT | WAITS, jobs=(FAILS,))),
    (Code.JOB_FAILS, Level.BAD, snapshot(jobs=(FAILS,), urgent=WAITS)),
    (Code.CONFIRMATIONS_WAIT, Level.BAD, snapshot(urgent=WAITS, stuck=LEFT_BEHIND)),
    (Code.STUCK, Level.BAD, snapshot(stuck=LEFT_BEHIND, broker=BrokerStatus(ok=False, depths={}))),
    (Code.PROXY_NOT_SET, Level.BAD, snapshot(proxy_not_set=True, held_by_networks=5)),
    (Code.PAUSED, Level.WARNING, snapshot(bulk=PAUSED | {"paused_by": "account 1"}, held_by_networks=5)),
    (
        Code.WITHOUT_REDIS,
        Level.WARNING,
        snapshot(broker=BrokerStatus(ok=False, depths={}), bulk=MOVES, held_by_networks=5),
    ),
    (Code.NETWORKS_WAIT, Level.WARNING, snapshot(held_by_networks=5, bulk=MOVES | {"uncertain": 1})),
    (Code.WAITING, Level.WARNING, snapshot(urgent={"rate": 1.0}, bulk=WAITS | {"uncertain": 1})),
    (Code.REFUSED, Level.WARNING, snapshot(bulk=MOVES | {"uncertain": 1, "rejected_24h": 30, "accepted_24h": 10})),
    (Code.UNCERTAIN, Level.WARNING, snapshot(bulk=MOVES | {"uncertain": 1})),
    (Code.FLOWING, Level.GOOD, snapshot(bulk=MOVES | {"held": 5})),
    (Code.HELD, Level.WARNING, snapshot(bulk={"held": 5})),
    (Code.IDLE, Level.GOOD, snapshot()),
]


@pytest.mark.parametrize(("code", "level", "found"), IN_ORDER, ids=[str(code) for code, _, _ in IN_ORDER])
def test_the_first_rule_that_matches_is_said(code, level, found):
    verdict = judge(found)

    assert (verdict.code, verdict.level) == (code, level)


def test_a_lane_paused_by_the_system_is_bad_news():
    verdict = judge(snapshot(urgent={"paused_at": NOW, "paused_by": "system"}))

    assert (verdict.level, verdict.lane.lane) == (Level.BAD, Lane.URGENT)


def test_one_lane_without_a_worker_is_named():
    verdict = judge(snapshot(workers=(worker(Lane.URGENT),)))

    assert (verdict.code, verdict.lane.lane) == (Code.NO_WORKER, Lane.BULK)


@pytest.mark.parametrize(
    "harmless",
    [
        snapshot(urgent={"waiting": 1, "oldest_waiting_at": ago(seconds=60), "rate": 1.0}),
        snapshot(bulk=MOVES),
        snapshot(urgent={"not_before": NOW}, bulk=MOVES),
        snapshot(urgent=CIRCUIT | {"not_before": ago(seconds=1)}, bulk=MOVES),
        snapshot(stuck=replace(LEFT_BEHIND, lease_until=ago(seconds=30)), bulk=MOVES),
        snapshot(last_tick_at=ago(seconds=30), bulk=MOVES),
    ],
)
def test_what_is_only_just_in_time_is_flowing(harmless):
    assert judge(harmless).code is Code.FLOWING


def test_mail_that_has_only_just_come_due_waits_without_alarm():
    verdict = judge(snapshot(bulk={"waiting": 5, "oldest_waiting_at": ago(seconds=2)}))

    assert (verdict.code, verdict.level) == (Code.WAITING, Level.GOOD)


def test_a_lane_finishes_when_what_waits_is_sent_at_the_present_rate():
    found = snapshot(bulk=MOVES)

    assert found.finish_at() == NOW + timedelta(seconds=18_200 / 41)


def test_nobody_can_say_when_a_lane_finishes_that_does_not_move():
    assert snapshot(urgent={"rate": 5.0}, bulk=WAITS).finish_at() is None
    assert snapshot(urgent={"rate": 5.0}).finish_at() is None
    assert snapshot(urgent={"waiting": 3, "rate": 1.0}, bulk=WAITS).finish_at() is None
    assert snapshot(bulk={"waiting": 10**9, "rate": 1e-9}).finish_at() is not None


@pytest.mark.parametrize(
    ("accepted", "first", "rate"),
    [(0, None, 0.0), (600, ago(seconds=59), 600 / 59), (600, ago(seconds=20), 30.0), (2, ago(seconds=1), 0.2)],
)
def test_a_rate_is_measured_from_the_beginning_of_the_flow_but_over_ten_seconds_at_least(accepted, first, rate):
    assert rate_of(accepted, first, NOW) == pytest.approx(rate)


def test_nothing_is_said_to_be_done_while_a_worker_holds_mail():
    begun = snapshot(bulk={"claimed": 100, "submitting": 50})
    ending = snapshot(bulk={"submitting": 50, "rate": 5.0})

    assert judge(begun).code is Code.FLOWING
    assert "150 left" in sentence(begun)
    assert "50 left, done at 14:00." in sentence(ending)
    assert ending.finish_at() == NOW + timedelta(seconds=10)


def test_a_lane_stands_as_the_first_of_no_worker_folder_pause_server_limit_sending_and_idle():
    limited = (RelayOffer("smtp.example.net:587", limits=(RelayLimit(LimitKind.RATE, 14.0, "slow down", NOW, NOW),)),)
    everything = {**MOVES, **CIRCUIT, **PAUSED}

    def stands(bulk: dict, **changes: object) -> Standing:
        found = snapshot(bulk=bulk, **changes)
        return found.stand(found.lanes[1]).code

    full = (replace(ON_FULL_DISK),)
    assert stands(everything, relays=limited, workers=(worker(Lane.URGENT),)) is Standing.NO_WORKER
    assert stands(everything, relays=limited, workers=full) is Standing.FOLDER
    assert stands(everything, relays=limited) is Standing.PAUSED
    assert stands({**MOVES, **CIRCUIT}, relays=limited) is Standing.MAIL_SERVER
    assert stands(MOVES, relays=limited) is Standing.THROTTLED
    assert stands(MOVES) is Standing.SENDING
    assert stands(WAITS) is Standing.WAITING
    assert stands({}) is Standing.IDLE


@pytest.mark.parametrize("held", [PAUSED, CIRCUIT])
def test_no_finish_time_is_told_while_a_lane_is_stopped_however_fast_it_was(held):
    found = snapshot(bulk=MOVES | held)

    assert found.finish_of(found.lanes[1]) is None
    assert found.finish_at() is None


def test_both_lanes_that_wait_for_one_server_are_told_together_with_their_numbers():
    found = snapshot(
        urgent=CIRCUIT | {"waiting": 1, "oldest_waiting_at": ago(minutes=1)},
        bulk=CIRCUIT | {"waiting": 221, "oldest_waiting_at": ago(seconds=90)},
    )

    assert sentence(found) == (
        "The mail server smtp.example.net:587 has refused connections since 13:58. 222 emails are waiting (1 urgent, "
        "221 bulk), the oldest for 2 minutes. Next try in 1 minute."
    )
    assert others(found) == ()


def test_a_pause_by_an_admin_does_not_hide_that_the_mail_server_is_away():
    found = snapshot(urgent=CIRCUIT, bulk=PAUSED | {"paused_by": "account 1"})

    assert [one.code for one in judge_all(found)] == [Code.MAIL_SERVER, Code.PAUSED]
    assert others(found) == ("Bulk mail: paused by account 1 since 13:00. 535 no. Nothing is waiting.",)


def test_a_relay_that_takes_nothing_until_a_moment_stops_the_lane_but_not_while_another_takes_mail():
    waits = RelayLimit(LimitKind.RATE, None, "451 quota used", ago(minutes=9), NOW, NOW + timedelta(minutes=20))
    first, second = RelayOffer("a.example.net:587", limits=(waits,)), RelayOffer("b.example.net:587")

    alone = snapshot(bulk=WAITS, relays=(first,))
    helped = snapshot(bulk=WAITS, relays=(first, second))

    assert "The mail server a.example.net:587 takes no more emails until 14:20: 451 quota used" in sentence(alone)
    assert alone.stand(alone.lanes[1]).is_stopped
    assert helped.stand(helped.lanes[1]).code is Standing.WAITING


def test_refused_uncertain_and_deferred_emails_are_told_with_the_first_retry():
    ended = {
        "accepted_24h": 914, "rejected_24h": 27, "uncertain": 5, "deferred": 32,
        "first_retry_at": NOW + timedelta(minutes=31),
    }  # fmt: skip

    assert sentence(snapshot(bulk=ended)).endswith(
        "Last 24 hours: 914 accepted, 27 refused, 5 uncertain, 32 will be retried, first at 14:31."
    )


def test_one_failure_of_a_job_is_a_warning_and_an_old_one_bad_news_with_its_cause():
    fresh = snapshot(jobs=(replace(FAILS, failing_since=ago(seconds=5)),))

    assert (judge(fresh).code, judge(fresh).level) == (Code.JOB_FAILS, Level.WARNING)
    assert sentence(snapshot(jobs=(FAILS,))) == "The job “Count signatures” has failed since 13:55: no space"
    assert FAILS.is_late(NOW)


def test_a_full_disk_of_one_host_of_two_is_named_while_the_other_sends():
    found = snapshot(bulk=MOVES, workers=(worker(Lane.URGENT), worker(Lane.BULK), ON_FULL_DISK))

    assert sentence(found) == (
        "The disk of the data folder /srv/countersign on mail-1 is full. Free space there: until then that host sends "
        "nothing."
    )
    assert found.stand(found.lanes[1]).code is Standing.SENDING
