"""Several relays: shared by weight, failing over when one is down, each with a rate of its own."""

from collections import Counter

import pytest

from campaign.delivery.pacing import RelayPace
from campaign.delivery.token_bucket import LocalBuckets
from campaign.errors import SessionFailedError, SettingsError
from campaign.local.mailserver.faults import FaultServer
from campaign.local.mailserver.script import Fault
from campaign.smtp.relays import Relay, RelayTransport
from campaign.smtp.replies import AWAY, UNCERTAIN
from campaign.smtp.settings import SmtpSettings
from campaign.smtp.transport import Envelope, Outcome, Phase, Result
from campaign.states import Lane
from tasks.process import open_transport
from tests.kit.memory_transport import MemoryTransport
from tests.kit.worlds import settings_for


class Now:
    def __init__(self):
        self.seconds = 100.0

    def __call__(self):
        return self.seconds


def envelopes(number):
    return [Envelope(n, f"b{n}@example.org", f"r{n}@example.net", b"Subject: x\r\n\r\nx\r\n") for n in range(number)]


def failing(*, permanent=False):
    return SessionFailedError("down", phase="connect", permanent=permanent)


def deliver(transport, number=4):
    outcomes = []
    transport.deliver(envelopes(number), on_submit=lambda _: None, on_outcome=outcomes.append)
    return outcomes


def test_batches_are_shared_by_weight():
    heavy, light = MemoryTransport(), MemoryTransport()
    both = RelayTransport([Relay("heavy", heavy, weight=3), Relay("light", light, weight=1)])

    for _ in range(8):
        deliver(both, 1)

    assert (len(heavy.sent), len(light.sent)) == (6, 2)


def test_a_relay_without_weight_is_only_used_when_the_others_are_down():
    usual, spare = MemoryTransport(), MemoryTransport()
    both = RelayTransport([Relay("spare", spare, weight=0), Relay("usual", usual)])

    for _ in range(3):
        deliver(both, 1)
    usual.failures.append(failing())
    deliver(both, 1)

    assert (len(usual.sent), len(spare.sent)) == (3, 1)


def test_when_a_relay_is_down_the_next_one_takes_over_and_no_message_notices():
    down, up = MemoryTransport(failures=[failing()]), MemoryTransport()

    outcomes = deliver(RelayTransport([Relay("down", down, weight=9), Relay("up", up)]))

    assert [outcome.result for outcome in outcomes] == [Result.ACCEPTED] * 4
    assert len(up.sent) == 4


def test_what_a_real_relay_that_refuses_connections_had_taken_goes_to_the_next_once():
    with FaultServer() as server:
        relays = [
            Relay("closed", Relay.of(SmtpSettings("127.0.0.1", 1, "a.test")).transport, weight=9),
            Relay.of(SmtpSettings("127.0.0.1", server.port, "a.test")),
        ]
        transport = RelayTransport(relays)

        outcomes = deliver(transport, 10)
        transport.close()

        assert Counter(outcome.id for outcome in outcomes) == Counter(range(10))
        assert {outcome.result for outcome in outcomes} == {Result.ACCEPTED}
        assert len(server.rules.received) == 10


def test_a_relay_that_failed_rests_longer_each_time_and_then_gets_its_turn():
    clock, first, second = Now(), MemoryTransport(failures=[failing(), failing()]), MemoryTransport()
    both = RelayTransport([Relay("first", first, weight=9), Relay("second", second)], clock=clock)
    deliver(both, 1)
    deliver(both, 1)
    left_alone = len(first.failures)

    clock.seconds += 6
    deliver(both, 1)
    clock.seconds += 6
    deliver(both, 1)
    still_resting = len(first.sent)
    clock.seconds += 6
    deliver(both, 1)

    assert left_alone == 1
    assert still_resting == 0
    assert len(first.sent) == 1


def test_the_lane_fails_only_when_every_relay_has_and_each_message_is_told_once():
    def refuse(envelope):
        return Outcome(envelope.id, AWAY, Phase.CONNECT, text="down")

    class Down(MemoryTransport):
        def deliver(self, items, *, on_submit, on_outcome):
            super().deliver(items, on_submit=on_submit, on_outcome=on_outcome)
            raise failing()

    outcomes = []
    both = RelayTransport([Relay("a", Down(script=refuse)), Relay("b", Down(script=refuse))])

    with pytest.raises(SessionFailedError):
        both.deliver(envelopes(4), on_submit=lambda _: None, on_outcome=outcomes.append)

    assert sorted(outcome.id for outcome in outcomes) == [0, 1, 2, 3]


def test_one_relay_that_may_mend_keeps_the_lane_from_being_paused_for_good():
    both = RelayTransport(
        [
            Relay("a", MemoryTransport(failures=[failing(permanent=True)])),
            Relay("b", MemoryTransport(failures=[failing()])),
        ]
    )

    with pytest.raises(SessionFailedError) as caught:
        deliver(both)

    assert not caught.value.permanent


def test_an_uncertain_message_is_never_offered_to_another_relay():
    def silent(envelope):
        return Outcome(envelope.id, UNCERTAIN, Phase.DOT)

    second = MemoryTransport()

    outcomes = deliver(RelayTransport([Relay("a", MemoryTransport(script=silent), weight=9), Relay("b", second)]))

    assert {outcome.result for outcome in outcomes} == {Result.UNCERTAIN}
    assert second.sent == []


class Turnstile:
    """Lets so many through to each relay, one more at each ``step``-th refusal."""

    def __init__(self, *, step=1, **free):
        self.free = Counter(free)
        self.step = step
        self.refused = Counter()

    def enter(self, relay, _rate):
        if self.free[relay] > 0:
            self.free[relay] -= 1
            return True
        self.refused[relay] += 1
        self.free[relay] += self.refused[relay] % self.step == 0
        return False

    def leave(self, relay, _rate):
        self.free[relay] += 1


def test_the_rate_of_a_relay_is_kept_for_each_message():
    transport, gate = MemoryTransport(), Turnstile()

    outcomes = deliver(RelayTransport([Relay("slow", transport, rate=1000.0)], gate=gate), 3)

    assert len(outcomes) == len(transport.sent) == 3
    assert gate.refused["slow"] == 4
    # What was let through to find that nothing is left is given back.
    assert gate.free["slow"] == 1


def test_what_is_over_the_rate_of_one_relay_goes_to_the_others_at_once():
    slow, quick, spare = MemoryTransport(), MemoryTransport(), MemoryTransport()
    relays = [
        Relay("slow", slow, weight=9, rate=5.0),
        Relay("spare", spare, weight=0),
        Relay("quick", quick, rate=5.0),
    ]

    outcomes = deliver(RelayTransport(relays, gate=Turnstile(slow=2, quick=100)), 10)

    assert len(outcomes) == 10
    assert (len(slow.sent), len(quick.sent), len(spare.sent)) == (2, 8, 0)


def test_a_relay_whose_rate_is_used_up_for_long_leaves_the_rest_untouched():
    items = iter(envelopes(10))
    transport = RelayTransport(
        [Relay("slow", MemoryTransport(), rate=0.01)], gate=Turnstile(slow=3, step=10**9), patience=0.1
    )
    outcomes = []

    transport.deliver(items, on_submit=lambda _: None, on_outcome=outcomes.append)

    assert [outcome.id for outcome in outcomes] == [0, 1, 2]
    assert [envelope.id for envelope in items] == [3, 4, 5, 6, 7, 8, 9]


def test_one_relay_down_and_the_other_at_its_rate_is_no_trouble_of_the_lane():
    down, slow = MemoryTransport(failures=[failing()]), MemoryTransport()

    outcomes = deliver(
        RelayTransport(
            [Relay("down", down, weight=9), Relay("slow", slow, rate=1.0)],
            gate=Turnstile(slow=2, step=10**9), patience=0.1,
        )
    )  # fmt: skip

    assert len(outcomes) == len(slow.sent) == 2


def test_a_relay_that_refuses_our_password_is_not_asked_again_for_minutes():
    clock, strict, other = Now(), MemoryTransport(failures=[failing(permanent=True)] * 2), MemoryTransport()
    both = RelayTransport([Relay("strict", strict, weight=9), Relay("other", other)], clock=clock)
    deliver(both, 1)

    clock.seconds += 299
    deliver(both, 1)
    asked = len(strict.failures)
    clock.seconds += 2
    deliver(both, 1)

    assert (asked, len(strict.failures)) == (1, 0)
    assert len(other.sent) == 3


def test_mail_that_a_person_waits_for_is_charged_to_a_relay_and_never_held():
    buckets = LocalBuckets()
    urgent, bulk = RelayPace(Lane.URGENT, buckets), RelayPace(Lane.BULK, buckets)

    allowed = [urgent.enter("one", 1.0) for _ in range(5)]

    assert allowed == [True] * 5
    assert not bulk.enter("one", 1.0)


def test_real_relays_share_by_weight_keep_their_connections_and_replace_one_that_ends_midway():
    with FaultServer() as first, FaultServer() as second:
        relays = [
            Relay.of(SmtpSettings("127.0.0.1", first.port, "a.test", weight=2, connections=1)),
            Relay.of(SmtpSettings("127.0.0.1", second.port, "a.test", weight=1, connections=3)),
        ]
        transport = RelayTransport(relays)
        for _ in range(6):
            deliver(transport, 20)
        shares = len(first.rules.received), len(second.rules.received)
        openings = first.rules.chances["banner"], second.rules.chances["banner"]
        first.rules.add(Fault("banner", "421 4.3.2 Shutting down"))
        first.rules.add(Fault("mail", "421 4.3.2 Shutting down"))
        outcomes = [outcome for _ in range(3) for outcome in deliver(transport, 20)]
        transport.close()

        assert shares == (80, 40)
        assert openings[0] == 1
        assert openings[1] <= 3
        assert {outcome.result for outcome in outcomes} == {Result.ACCEPTED}
        assert len(second.rules.received) == 100


def test_each_lane_may_have_relays_of_its_own(tmp_path):
    with FaultServer() as quick, FaultServer() as cheap:
        urls = f"smtp://127.0.0.1:{quick.port}?lane=urgent smtp://127.0.0.1:{cheap.port}?lane=bulk"
        settings = settings_for("postgresql://nobody@/nothing", tmp_path, smtp_url=urls)
        for lane, number in ((Lane.URGENT, 2), (Lane.BULK, 5)):
            transport = open_transport(settings, lane)
            deliver(transport, number)
            transport.close()

        assert (len(quick.rules.received), len(cheap.rules.received)) == (2, 5)


def test_several_urls_name_several_relays_and_a_lane_keeps_its_own():
    urls = "smtp://localhost:25?lane=urgent smtp://127.0.0.1:26?weight=3&rate=50&connections=8"

    urgent = SmtpSettings.all_from(urls, ehlo_name="a.test", lane="urgent")
    bulk = SmtpSettings.all_from(urls, ehlo_name="a.test", lane="bulk")

    assert [relay.port for relay in urgent] == [25, 26]
    assert [(relay.port, relay.weight, relay.rate, relay.connections) for relay in bulk] == [(26, 3, 50.0, 8)]


@pytest.mark.parametrize("option", ["weight=x", "rate=-1", "lane=fast", "connections=1000", "speed=9"])
def test_options_that_make_no_sense_are_refused(option):
    with pytest.raises(SettingsError):
        SmtpSettings.from_url(f"smtp://localhost?{option}", ehlo_name="a.test")


def test_a_lane_without_a_relay_is_refused():
    with pytest.raises(SettingsError, match="bulk"):
        SmtpSettings.all_from("smtp://localhost?lane=urgent", ehlo_name="a.test", lane="bulk")
