"""B15: a mail server that drips a byte now and then holds nothing up in any phase; after the dot nothing is resent."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from campaign.delivery.delivery import FRESH, LEASE
from campaign.errors import SessionFailedError
from campaign.local.mailserver.certificates import Certificate
from campaign.local.mailserver.faults import FaultServer
from campaign.local.mailserver.protocol import Answer, DrippedReply, Rules, Transaction
from campaign.local.mailserver.running import ServerThread
from campaign.local.mailserver.script import Fault
from campaign.smtp.relays import NEXT_RELAY, Relay, RelayTransport
from campaign.smtp.settings import DEADLINES, UNTIL_DOT, Security
from campaign.smtp.transport import SESSION_PHASES, Outcome, Phase, Result
from tasks.app import SOFT_LIMIT
from tests.mail.kit import Deliveries, deliveries, envelope, script

Client = Callable[..., Deliveries]

EACH_BYTE = 0.2
"""Seconds before each byte: well below the deadlines here, so that each byte would renew them."""

SOON, LATE = 1.0, 60.0
"""Seconds of a deadline that passes in a test, and of one that must not."""

MUCH = 15.0
"""Seconds in which a dripping server would not have said one of its replies, whatever else the machine does."""

LONG = "and so it speaks on and on and on, of nothing, for as long as anybody will listen to its drops of words"


def dripping(phase: str, reply: str, **options: object) -> FaultServer:
    folder = options.pop("folder", None)
    assert folder is None or isinstance(folder, Path)
    return FaultServer(script(Fault(phase, f"drip {EACH_BYTE} {reply} {LONG}"), **options), folder=folder)


def failure(client: Deliveries, *numbers: int) -> tuple[SessionFailedError, float]:
    begun = time.monotonic()
    with pytest.raises(SessionFailedError) as caught:
        client.send(*map(envelope, numbers or (1,)))
    return caught.value, time.monotonic() - begun


@pytest.mark.parametrize(
    ("phase", "reply"),
    [("banner", "220"), ("ehlo", "250"), ("starttls", "220"), ("auth", "235"), ("banner", "220-"), ("ehlo", "250-")],
)
def test_a_session_that_comes_in_drops_is_given_up_at_the_deadline_of_its_phase(
    client: Client, tmp_path: Path, phase: str, reply: str
) -> None:
    encrypted = phase == "starttls"
    options = {"certificate": Certificate.GOOD, "folder": tmp_path} if encrypted else {}
    with dripping(phase, reply, credentials=("ada", "secret"), **options) as server:
        error, seconds = failure(
            client(
                server.port,
                patience=SOON,
                until_dot=LATE,
                username=None if encrypted else "ada",
                password=None if encrypted else "secret",
                security=Security.STARTTLS if encrypted else Security.NONE,
            )
        )

    assert (error.phase, error.permanent) == (phase, False)
    assert seconds < MUCH


class TlsInDrops(Rules):
    """Begins a TLS record that never ends."""

    def answer(self, phase: str, transaction: Transaction, argument: str) -> Answer | None:
        del phase, transaction, argument
        return DrippedReply(EACH_BYTE, b"\x16\x03\x03\x3f\xff" + bytes(200))


def test_a_tls_handshake_that_comes_in_drops_is_given_up_at_its_deadline(client: Client) -> None:
    with ServerThread(TlsInDrops()) as server:
        error, seconds = failure(client(server.port, patience=SOON, until_dot=LATE, security=Security.IMPLICIT))

    assert (error.phase, error.permanent) == ("starttls", False)
    assert seconds < MUCH


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize(("phase", "reply"), [("mail", "250"), ("rcpt", "250"), ("data", "354")])
def test_a_reply_in_drops_before_the_dot_is_temporary_and_trouble_of_the_server(
    client: Client, *, pipelining: bool, phase: str, reply: str
) -> None:
    with dripping(phase, reply, extensions=("PIPELINING",) if pipelining else ()) as server:
        deliveries = client(server.port, patience=SOON, until_dot=LATE, connections=1)
        error, seconds = failure(deliveries)

    assert [(one.result, one.phase) for one in deliveries.outcomes] == [(Result.TEMPORARY, Phase(phase))]
    assert (error.phase, error.permanent) == (phase, False)
    assert deliveries.submitted == []
    assert seconds < MUCH


@pytest.mark.parametrize("where", ["dot", "accepted"])
def test_an_answer_in_drops_after_the_dot_is_uncertain_and_trouble_of_the_server(client: Client, where: str) -> None:
    with dripping(where, "250") as server:
        deliveries = client(server.port, patience=SOON, until_dot=LATE, connections=1)
        error, seconds = failure(deliveries)

        assert not server.rules.repeated()
    assert [(one.result, one.phase) for one in deliveries.outcomes] == [(Result.UNCERTAIN, Phase.DOT)]
    assert (error.phase, deliveries.submitted) == ("dot", [1])
    assert seconds < MUCH


def test_replies_that_are_each_in_time_do_not_add_up_beyond_the_whole_before_a_dot(client: Client) -> None:
    slow = [
        Fault(phase, f"slow 0.4 {code} 2.0.0 Ok") for phase, code in (("banner", 220), ("ehlo", 250), ("data", 354))
    ]
    with FaultServer(script(*slow)) as server:
        deliveries = client(server.port, patience=LATE, until_dot=SOON)
        error, _ = failure(deliveries)

    assert {one.result for one in deliveries.outcomes} == {Result.TEMPORARY}
    assert (deliveries.submitted, error.permanent) == ([], False)


def test_a_server_that_drips_and_drops_in_turn_gets_one_time_for_all_sessions(client: Client) -> None:
    fault = Fault("mail", f"drip {EACH_BYTE} 421 no")
    with FaultServer(script(fault)) as server:
        deliveries = client(server.port, patience=LATE, until_dot=2 * SOON, connections=1)
        _, seconds = failure(deliveries)

        assert server.rules.chances["banner"] <= 2
    assert {one.result for one in deliveries.outcomes} == {Result.TEMPORARY}
    assert seconds < MUCH


def test_the_wait_behind_a_dot_is_not_cut_short_by_the_deadline_before_it(client: Client) -> None:
    with FaultServer(script(Fault("accepted", "slow 1.5 250 2.0.0 Ok", times=1))) as server:
        deliveries = client(server.port, patience=LATE, until_dot=0.7, connections=1)
        deliveries.send(envelope(1), envelope(2))

        assert len(server.rules.accepted) == 1
    assert sorted((one.id, one.result, one.phase) for one in deliveries.outcomes) == [
        (1, Result.ACCEPTED, Phase.DOT),
        # The first took its time too: it was never named to the server, and is given back.
        (2, Result.TEMPORARY, Phase.CONNECT),
    ]
    assert deliveries.outcomes[1].phase in SESSION_PHASES


def test_a_healthy_server_is_not_held_to_one_deadline_for_a_long_delivery(client: Client) -> None:
    with FaultServer(script(Fault("accepted", "slow 0.3 250 2.0.0 Ok"))) as server:
        deliveries = client(server.port, patience=LATE, until_dot=SOON, connections=1)
        deliveries.send(*map(envelope, range(8)))

    assert {one.result for one in deliveries.outcomes} == {Result.ACCEPTED}


def test_after_a_slow_relay_the_next_one_is_left_for_the_next_delivery() -> None:
    now = [0.0]
    taken: list[str] = []

    class Slow:
        def deliver(self, envelopes, *, on_submit, on_outcome) -> None:  # type: ignore[no-untyped-def]
            del on_submit, on_outcome
            taken.append("slow")
            next(iter(envelopes))
            now[0] += NEXT_RELAY + 1
            raise SessionFailedError("the mail server took too long", phase="banner", permanent=False)

        def close(self) -> None:
            pass

    with FaultServer() as server:
        good = deliveries(server.port)
        relays = [Relay("slow", Slow(), weight=100), Relay("good", good.transport)]
        transport = RelayTransport(relays, clock=lambda: now[0])
        outcomes: list[Outcome] = []
        for _ in range(2):
            transport.deliver([envelope(1)], on_submit=lambda _: None, on_outcome=outcomes.append)
            now[0] += 1
        transport.close()

    assert taken == ["slow"]
    assert [one.result for one in outcomes][-1] is Result.ACCEPTED


def test_no_drain_lasts_as_long_as_a_task_or_a_lease() -> None:
    drain = 5.0
    longest = drain + max(FRESH, NEXT_RELAY) + UNTIL_DOT + DEADLINES[Phase.DOT]

    assert longest < SOFT_LIMIT
    assert longest < LEASE.total_seconds()
    assert max(seconds for phase, seconds in DEADLINES.items() if phase is not Phase.DOT) < UNTIL_DOT
