"""What /metrics counts: once, in the transaction that records it, over all processes and restarts."""

import http.client
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from campaign.database import counters
from campaign.database.connection import Store
from campaign.database.counters import CONFIRMATION_LATENCY, HTTP_REQUESTS, MESSAGES, Counted, Sums
from campaign.delivery import outcomes
from campaign.delivery.outcomes import Sent, SentBatch
from campaign.local.servers import ports
from campaign.operations import metrics, monitor
from campaign.operations.request_counts import CountsKeeper, RequestCounts
from campaign.outbox import leases, ledger
from campaign.outbox.counted import MessageOutcome
from campaign.settings import child_environment
from campaign.signatures import confirming, preferences, requests
from campaign.smtp.transport import Phase
from campaign.states import OPEN_STATES, Lane, MessageState
from campaign.variables import ROOT
from tests.kit import ledgers, servers
from tests.kit.memory_transport import MemoryTransport, accepted
from tests.kit.waiting import until
from tests.kit.worlds import World, make_world

ANSWERS = [
    accepted,
    servers.refusing(550, "5.1.1"),
    servers.refusing(552, "5.2.2"),
    servers.answering(Phase.RCPT, 450, "4.2.0"),
    servers.answering(Phase.DOT, None),
]
"""Accepted, no such mailbox, mailbox full, later, and no answer after the text."""


def counted(world: World) -> dict[str, dict[tuple[str, ...], float]]:
    return world.read(lambda tx: counters.read(tx.connection))


def messages(world: World) -> dict[tuple[str, ...], int]:
    return {labels: int(number) for labels, number in counted(world).get(MESSAGES.name, {}).items()}


def by_outcome(world: World) -> Counter[str]:
    found: Counter[str] = Counter()
    for (_kind, _lane, outcome), number in messages(world).items():
        found[outcome] += number
    return found


def sign_ups(world: World) -> dict[tuple[str, ...], float]:
    return counted(world).get("sign_ups_total", {})


def exposed(answer: str) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """Samples by name and labels, as Prometheus reads them."""
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(answer):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


def test_after_many_rounds_of_all_answers_the_counters_say_what_the_ledger_says(world):
    chance = random.Random(20261130)  # noqa: S311 - answers of a mail server
    slug = world.petition()

    def any_answer(envelope):
        return chance.choice(ANSWERS)(envelope)

    for number in range(60):
        world.signature(slug, f"p{number}@example{number}.org")

    for _round in range(4):
        deliverer = world.deliverer(transport=MemoryTransport(script=any_answer))
        deliverer.drain()
        deliverer.close()
        world.clock.forward(hours=8)

    rows = dict(world.sql("select state::text, count(*) from message group by state"))
    deferred = world.sql("select count(*) from attempt where result = 'deferred'")[0][0]
    found = by_outcome(world)
    assert min(rows["accepted"], rows["rejected"], rows["uncertain"], deferred) > 0
    assert found["accepted"] == rows["accepted"]
    assert sum(number for word, number in found.items() if word.startswith("rejected")) == rows["rejected"]
    assert found["uncertain"] == rows["uncertain"]
    assert found["deferred"] == deferred
    assert {labels[:2] for labels in messages(world)} == {("confirmation", "urgent")}
    assert found["rejected_gone"] > 0


def held(world: World, number: int) -> tuple[int, SentBatch]:
    """Messages of a worker that were accepted, not recorded yet."""
    slug = world.petition()
    for n in range(number):
        world.signature(slug, f"p{n}@example.org")
    deliverer = world.deliverer()
    now = world.clock()
    claimed = world.read(
        lambda tx: ledger.claim(tx, Lane.URGENT, owner_id=deliverer.owner_id, limit=9, lease_until=now, now=now)
    )
    world.read(lambda tx: ledger.begin_submitting(tx, [one.id for one in claimed], owner_id=deliverer.owner_id))
    batch = SentBatch({one.id: Sent(one, b"k%d" % one.id, "p@example.org") for one in claimed})
    for one in claimed:
        batch.submitted.add(one.id)
        batch.outcomes[one.id] = accepted(type("Envelope", (), {"id": one.id}))
    return deliverer.owner_id, batch


def record(world: World, owner_id: int, batch: SentBatch) -> None:
    world.read(lambda tx: outcomes.record(world.runtime, tx, batch, lane=Lane.URGENT, owner_id=owner_id))


def test_a_batch_that_is_recorded_twice_is_counted_once(world):
    owner_id, batch = held(world, 3)

    record(world, owner_id, batch)
    record(world, owner_id, batch)

    assert by_outcome(world) == {"accepted": 3}


def test_a_batch_whose_transaction_is_rolled_back_is_not_counted(world):
    owner_id, batch = held(world, 3)

    def fails(tx):
        outcomes.record(world.runtime, tx, batch, lane=Lane.URGENT, owner_id=owner_id)
        raise RuntimeError("the process dies")

    with pytest.raises(RuntimeError):
        world.read(fails)

    assert by_outcome(world) == {}


def test_a_transaction_that_is_tried_again_counts_what_its_last_try_counted(world):
    tries = []

    def work(tx):
        tx.counts.count(MESSAGES, "update", "bulk", "accepted", number=7)
        tries.append(1)
        if len(tries) == 1:
            # As an administrator would end it: the store tries again on another connection.
            tx.execute(text("select pg_terminate_backend(pg_backend_pid())"))

    world.read(work)

    assert (len(tries), by_outcome(world)) == (2, {"accepted": 7})


def test_a_message_lost_with_its_worker_is_uncertain_and_counted_as_accepted_once_that_worker_is_back(world):
    owner_id, batch = held(world, 2)
    world.clock.forward(minutes=5)
    world.read(lambda tx: leases.lose_submitting(tx, now=world.clock()))
    lost = by_outcome(world)

    record(world, owner_id, batch)

    assert lost == {"uncertain": 2}
    assert by_outcome(world) == {"uncertain": 2, "accepted": 2}


def test_a_poisonous_message_counts_when_its_third_worker_died_and_not_before(world):
    ledgers.put(world, state="claimed", lease_until=-1, owner_id=1, losses=1)
    ledgers.put(world, state="claimed", lease_until=-1, owner_id=1, losses=2)

    world.read(lambda tx: leases.recover_claimed(tx, now=world.clock()))

    assert messages(world) == {("thank_you", "urgent", "rejected_poison"): 1}


def test_mail_that_ends_without_being_sent_is_counted(world):
    slug = world.petition()
    signed = world.signature(slug, confirmed=True)

    preferences.withdraw(world.runtime, world.manage_token(signed))

    assert (
        by_outcome(world)["cancelled"] == world.sql("select count(*) from message where state = 'cancelled'")[0][0] > 0
    )


def test_two_threads_that_count_the_same_at_the_same_time_lose_nothing_and_do_not_lock_each_other_out(world):
    keys = [("update", "bulk", word) for word in ("accepted", "deferred", "uncertain")]

    def work(order: int) -> None:
        mine = keys if order % 2 else keys[::-1]
        for _ in range(25):
            world.runtime.store.transact(lambda tx: [tx.counts.count(MESSAGES, *key) for key in mine])

    threads = [threading.Thread(target=work, args=(order,)) for order in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert messages(world) == dict.fromkeys(keys, 150)


def test_a_sum_is_spread_over_rows_so_that_one_open_transaction_holds_up_no_other(world):
    """One thread keeps its row locked; another with another number of its own is not kept waiting."""
    begun, ended, numbers = threading.Event(), threading.Event(), {}

    def slow() -> None:
        def work(tx):
            numbers["slow"] = threading.get_native_id() % counters.SLOTS
            counters.write(tx.connection, {("messages_total", "a\tb\tc"): 1})
            begun.set()
            assert ended.wait(60)

        world.runtime.store.transact(work)

    def quick(name: str) -> None:
        numbers[name] = threading.get_native_id() % counters.SLOTS
        if numbers[name] != numbers["slow"]:
            world.runtime.store.transact(lambda tx: tx.counts.count(MESSAGES, "a", "b", "c"))
            numbers["done"] = True

    first = threading.Thread(target=slow)
    first.start()
    assert begun.wait(60)
    others = [threading.Thread(target=quick, args=(f"quick{n}",)) for n in range(2)]
    for one in others:
        one.start()
    for one in others:
        one.join(timeout=60)
    stuck = [one for one in others if one.is_alive()]
    ended.set()
    first.join()

    assert stuck == []
    assert numbers.get("done")


def test_sign_ups_are_counted_from_the_form_to_the_confirmation(world):
    slug = world.petition()
    signed = world.signature(slug)
    world.sign(slug)
    confirming.confirm(world.runtime, world.confirm_token(signed))
    world.sign(slug)
    world.resend()

    assert sign_ups(world) == {
        ("requested", ""): 3,
        ("admitted", "new"): 1,
        ("admitted", "repeated"): 1,
        ("admitted", "already_signed"): 1,
        ("confirmed", "button"): 1,
    }


def test_what_the_allowance_refuses_is_counted_by_that_reason_and_its_message_as_suppressed(world):
    slug = world.petition()
    world.signature(slug, "p@example.org", name="A first name")
    names = ("Berta Zwei", "Cäsar Drei", "Dora Vier", "Emil Fünf", "Fritz Sechs", "Gustav Sieben", "Heinz Acht")

    for _round in range(3):
        for name in names:
            world.sign(slug, "p@example.org", name=name)

    refused = world.sql("select count(*) from sign_up_request where reason = 'mailbox_allowance'")[0][0]
    assert refused > 0
    assert sign_ups(world)["refused", "mailbox_allowance"] == refused
    assert sign_ups(world)["requested", ""] == 1 + 3 * len(names)


def latency(world: World) -> dict[str, float]:
    [found] = counters.histograms(CONFIRMATION_LATENCY, counted(world)[CONFIRMATION_LATENCY.name])
    return dict(found.buckets) | {"sum": found.seconds}


def test_the_latency_of_a_confirmation_is_from_the_form_until_the_mail_server_took_it(world):
    slug = world.petition()
    world.ask(slug)
    world.clock.forward(seconds=4)
    world.admit()
    world.clock.forward(seconds=3)

    world.deliver()

    found = latency(world)
    assert (found["5.0"], found["10.0"], found["+Inf"], found["sum"]) == (0, 1, 1, 7.0)


def test_a_confirmation_that_is_sent_again_says_nothing_of_the_latency(world):
    slug = world.petition()
    ref = world.sign(slug)
    world.deliver()
    world.clock.forward(days=2)
    requests.request_again(world.runtime, slug, ref, network=None)
    world.admit()

    world.deliver()

    assert by_outcome(world)["accepted"] == 2
    assert latency(world)["+Inf"] == latency(world)["0.25"] == 1


def test_the_time_until_a_signature_is_confirmed_is_counted_too(world):
    slug = world.petition()
    signed = world.signature(slug)
    world.clock.forward(seconds=90)

    confirming.confirm(world.runtime, world.confirm_token(signed))

    sums = counted(world)["confirmed_latency_seconds"]
    assert sums == {("120.0",): 1, ("sum",): 90}


def test_a_histogram_has_cumulative_buckets_and_keeps_bounds_of_another_release():
    what = Counted("t", "", ("route",), (1.0, 5.0))
    sums = Sums()
    for seconds in (0.5, 1.0, 3.0, 9.0, -2.0):
        sums.observe(what, seconds, "/p")
    stored = {tuple(labels.split("\t")): number for (_name, labels), number in sums.items()}

    [found] = counters.histograms(what, stored | {("/p", "2.0"): 4})

    assert found.labels == ("/p",)
    assert found.buckets == (("1.0", 3), ("2.0", 7), ("5.0", 8), ("+Inf", 9))
    assert found.seconds == 13.5


def test_every_state_that_a_message_can_end_in_has_a_word():
    words = {str(word) for word in MessageOutcome}
    ends = {str(state) for state in MessageState} - {str(state) for state in OPEN_STATES}

    missing = [end for end in sorted(ends) if not any(word == end or word.startswith(f"{end}_") for word in words)]

    assert missing == []


def test_metrics_show_the_counters_with_their_types_and_none_while_the_database_is_away(world):
    slug = world.petition()
    world.signature(slug)
    world.deliver()

    shown = metrics.exposition(monitor.take(world.runtime), metrics.read_counts(world.runtime)).decode()
    away = metrics.exposition(monitor.take(world.runtime), {}).decode()

    for what in counters.ALL:
        assert f"# TYPE countersign_{what.name} {'histogram' if what.bounds else 'counter'}" in shown
    labels = 'kind="confirmation",lane="urgent",outcome="accepted"'
    assert f"countersign_messages_total{{{labels}}} 1.0" in shown
    assert 'countersign_confirmation_latency_seconds_bucket{le="+Inf"} 1.0' in shown
    assert "countersign_confirmation_latency_seconds_count 1.0" in shown
    assert "countersign_messages_total{" not in away


def test_requests_are_kept_while_the_database_is_away_and_stored_afterwards(world, tmp_path):
    counts = RequestCounts()
    away = make_away(world, tmp_path)
    counts.note({"REQUEST_METHOD": "GET", "countersign.route": "/p/<slug>"}, 200, 0.01)

    CountsKeeper(counts, away).store()
    before = counted(world).get(HTTP_REQUESTS.name)
    counts.note({"REQUEST_METHOD": "BREW"}, 404, 0.01)
    CountsKeeper(counts, lambda: world.runtime).store()
    CountsKeeper(counts, lambda: world.runtime).store()

    assert before is None
    assert counted(world)[HTTP_REQUESTS.name] == {("/p/<slug>", "GET", "2xx"): 1, ("none", "other", "4xx"): 1}


def make_away(world: World, tmp_path):
    """A runtime whose database does not answer."""
    store = Store("postgresql://127.0.0.1:1/none")
    return lambda: replace(world.runtime, store=store)


@contextmanager
def served(world: World, tmp_path):
    """`countersign web` with two processes; yields a function that asks it."""
    port = ports.find_free("127.0.0.1")
    made = world.runtime.settings.replace(port=port, web_workers=2, base_url=f"http://localhost:{port}")
    log = tmp_path / "web.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "campaign.cli", "web"],
            cwd=ROOT, env=os.environ | child_environment(made), stdout=output, stderr=output,
        )  # fmt: skip

    def ask(path: str, method: str = "GET", body: bytes | None = None) -> tuple[int, str]:
        connection = http.client.HTTPConnection("localhost", port, timeout=60)
        connection.request(method, path, body)
        answer = connection.getresponse()
        try:
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    try:
        until(lambda: ports.serves_http("127.0.0.1", port, path="/healthz", name=f"localhost:{port}"), seconds=90)
        yield ask
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=90)


def http_totals(answer: str) -> Counter[tuple[str, str, str]]:
    found: Counter[tuple[str, str, str]] = Counter()
    for labels, value in exposed(answer).get("countersign_http_requests_total", {}).items():
        named = dict(labels)
        found[named["route"], named["method"], named["status"]] += int(value)
    return found


def test_two_web_processes_count_every_request_and_go_on_counting_after_a_restart(
    database_url, tmp_path, redis_url, redis_prefix
):
    world = make_world(database_url, tmp_path, redis_url=redis_url, redis_prefix=redis_prefix)
    slug = world.petition("canary-petition")
    with served(world, tmp_path) as ask:
        statuses = Counter(ask(f"/p/{slug}")[0] for _ in range(40))
        missing = [ask("/p/canary-nothing")[0], ask("/canary")[0]]
        refused = ask("/canary", "CANARY")[0]
    stored = counted(world)[HTTP_REQUESTS.name]
    with served(world, tmp_path) as ask:
        ask(f"/p/{slug}")
        until(lambda: http_totals(ask("/metrics")[1])["/p/<slug>", "GET", "2xx"] == 41, seconds=60)
        shown = ask("/metrics")[1]

    assert (statuses, missing) == ({200: 40}, [404, 404])
    assert refused in {404, 405}
    # Most of the forty were answered from the page cache, in front of Flask; what was left at the end was stored then.
    assert stored["/p/<slug>", "GET", "2xx"] == 40
    totals = http_totals(shown)
    assert totals["/p/<slug>", "GET", "4xx"] == 1
    assert totals["none", "GET", "4xx"] == 1
    assert totals["none", "other", "4xx"] == 1
    assert "canary" not in shown.lower()
    seconds = exposed(shown)["countersign_http_request_duration_seconds_count"]
    assert seconds[(("route", "/p/<slug>"),)] == 42
    world.runtime.close()
