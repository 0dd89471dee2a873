from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from campaign.blasts.progress import rate_of
from campaign.operations.health import BrokerStatus, Code, LaneHealth, Level, Snapshot, Stuck, WorkerStatus, judge
from campaign.operations.status_line import sentence
from campaign.states import Lane, MessageState

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
CIRCUIT = {"not_before": NOW + timedelta(minutes=1)}
LEFT_BEHIND = Stuck(7, Lane.BULK, MessageState.CLAIMED, ago(minutes=2), 3, "mail-1", 42)


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
    (
        Code.PAUSED,
        Level.WARNING,
        snapshot(bulk={"paused_at": ago(hours=1), "paused_by": "admin 1"}, workers=(), last_tick_at=None),
    ),
    (Code.NO_WORKER, Level.BAD, snapshot(workers=(), last_tick_at=None, urgent=WAITS)),
    (
        Code.NO_TICK,
        Level.BAD,
        snapshot(last_tick_at=ago(seconds=31), urgent=CIRCUIT),
    ),
    (Code.MAIL_SERVER, Level.BAD, snapshot(urgent=CIRCUIT | WAITS)),
    (Code.CONFIRMATIONS_WAIT, Level.BAD, snapshot(urgent=WAITS, stuck=LEFT_BEHIND)),
    (Code.STUCK, Level.BAD, snapshot(stuck=LEFT_BEHIND, broker=BrokerStatus(ok=False, depths={}))),
    (Code.WITHOUT_REDIS, Level.WARNING, snapshot(broker=BrokerStatus(ok=False, depths={}), bulk=MOVES)),
    (Code.PROXY_NOT_SET, Level.BAD, snapshot(proxy_not_set=True, held_by_networks=5)),
    (Code.NETWORKS_WAIT, Level.WARNING, snapshot(held_by_networks=5, bulk=MOVES)),
    (Code.WAITING, Level.WARNING, snapshot(urgent={"rate": 1.0}, bulk=WAITS)),
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
    assert "50 left, done 14:00" in sentence(ending)
    assert ending.finish_at() == NOW + timedelta(seconds=10)
