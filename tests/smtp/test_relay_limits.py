"""What a relay limits is learned from its replies: nothing is deferred, and what is learned is kept to."""

from collections import Counter
from collections.abc import Callable

import pytest

from campaign.local.mailserver.faults import FaultServer
from campaign.local.mailserver.script import Fault
from campaign.smtp.limits import FORGOTTEN, Learned
from campaign.smtp.transport import Phase, Result
from campaign.states import LimitKind
from tests.mail.kit import Deliveries, envelope, script

Client = Callable[..., Deliveries]


def results(deliveries: Deliveries) -> Counter[Result]:
    return Counter(outcome.result for outcome in deliveries.outcomes)


def many(number: int) -> list:
    return [envelope(each, f"r{each}@d{each}.test") for each in range(number)]


SESSION_WORDS = [
    "452 4.4.5 maximum messages per session",
    "451 4.4.5 Too many messages in this session",
    "421 4.7.0 Too many messages in this connection, closing",
    "450 Transaction limit reached",
    "452 Too many messages",
    "550 5.7.0 Message limit per connection exceeded",
    "451 4.5.3 try another connection",
    "452 please come back",
]


@pytest.mark.parametrize("does", SESSION_WORDS)
@pytest.mark.parametrize("phase", ["mail", "rcpt", "data"])
@pytest.mark.parametrize("pipelining", [True, False])
def test_f59_a_session_that_is_full_ends_and_the_same_message_goes_over_a_new_one(
    client: Client, phase: str, does: str, *, pipelining: bool
) -> None:
    with FaultServer(script(Fault(phase, does, session=10))) as server:
        deliveries = client(server.port, connections=2, pipelining=pipelining)
        deliveries.send(*many(200))
        refused = server.rules.happened()[0][1]
        deliveries.send(*[envelope(each, f"r{each}@d{each}.test") for each in range(200, 400)])

        assert results(deliveries) == {Result.ACCEPTED: 400}
        assert not server.rules.repeated()
        assert refused <= 6
        assert server.rules.happened()[0][1] <= refused + 1


def test_f59_a_limit_said_at_the_final_dot_loses_no_message_behind_it(client: Client) -> None:
    with FaultServer(script(Fault("dot", "452 4.4.5 too many messages per session", session=10))) as server:
        deliveries = client(server.port, connections=1)
        deliveries.send(*many(100))

        assert results(deliveries) == {Result.ACCEPTED: 100}
        assert not server.rules.repeated()
        assert server.rules.happened()[0][1] <= 2


@pytest.mark.parametrize(
    "does", ["452 4.2.2 Mailbox full", "452 4.3.1 Insufficient system storage", "452 Too many recipients", "452 full"]
)
def test_f59_what_a_new_session_says_again_is_not_about_the_session(client: Client, does: str) -> None:
    with FaultServer(script(Fault("rcpt", does, domain="full.test"))) as server:
        deliveries = client(server.port, connections=1)
        deliveries.send(*[envelope(n, f"r{n}@{'full' if n % 10 == 9 else 'd'}.test") for n in range(100)])

        assert results(deliveries) == {Result.ACCEPTED: 90, Result.TEMPORARY: 10}
        assert server.rules.chances["banner"] <= 3
        assert {outcome.phase for outcome in deliveries.outcomes if outcome.result is Result.TEMPORARY} == {Phase.RCPT}


def test_f59_a_setting_wins(client: Client) -> None:
    with FaultServer(script(Fault("mail", "452 4.4.5 too many messages per session", session=10))) as server:
        deliveries = client(server.port, connections=1, messages_per_connection=5)
        deliveries.send(*many(50))

        assert results(deliveries) == {Result.ACCEPTED: 50}
        assert server.rules.happened()[0][1] == 0


CONNECTION_WORDS = [
    ("banner", "421 4.7.0 Too many connections from your host"),
    ("banner", "554 5.7.1 Maximum number of concurrent sessions exceeded"),
    ("banner", "421 busy"),
    ("banner", "drop"),
    ("ehlo", "421 4.7.0 connection limit reached"),
    ("mail", "421 4.3.2 Too many concurrent connections"),
]


@pytest.mark.parametrize(("phase", "does"), CONNECTION_WORDS)
def test_f60_a_relay_with_few_connections_gets_all_mail_over_these(client: Client, phase: str, does: str) -> None:
    with FaultServer(script(Fault(phase, does, connections=2))) as server:
        deliveries = client(server.port, connections=6)
        deliveries.send(*many(400))
        refused = server.rules.happened()[0][1]
        deliveries.send(*[envelope(each, f"r{each}@d{each}.test") for each in range(400, 800)])

        assert results(deliveries) == {Result.ACCEPTED: 800}
        assert not server.rules.repeated()
        assert server.rules.happened()[0][1] - refused <= 1


RATE_WORDS = [
    ("rcpt", "454 4.7.0 Throttling failure: Maximum sending rate exceeded."),
    ("rcpt", "421 4.7.0 Too fast, slow down"),
    ("mail", "450 4.7.1 Error: too many messages per second"),
    ("dot", "451 4.7.0 rate limit exceeded"),
]


@pytest.mark.parametrize(("phase", "does"), RATE_WORDS)
def test_f61_a_rate_over_all_domains_is_kept_to_and_nothing_is_deferred(client: Client, phase: str, does: str) -> None:
    with FaultServer(script(Fault(phase, does, overall=40))) as server:
        deliveries = client(server.port, connections=4)
        deliveries.send(*many(160))
        accepted, held = (
            results(deliveries)[Result.ACCEPTED],
            [outcome for outcome in deliveries.outcomes if outcome.result is not Result.ACCEPTED],
        )

        assert all(outcome.is_about_session for outcome in held)
        assert accepted >= 150
        assert not server.rules.repeated()


def test_f61_a_sign_of_one_domain_is_that_domains(client: Client) -> None:
    with FaultServer(script(Fault("rcpt", "421 4.7.0 Too fast", domain="slow.test"))) as server:
        deliveries = client(server.port)
        deliveries.send(*[envelope(n, f"r{n}@{'slow' if n % 5 == 0 else f'd{n}'}.test") for n in range(50)])

        assert results(deliveries) == {Result.ACCEPTED: 40, Result.TEMPORARY: 10}
        assert not any(outcome.is_about_session for outcome in deliveries.outcomes)


@pytest.mark.parametrize("kind", LimitKind)
def test_a_limit_recovers_by_itself_and_is_forgotten_in_the_end(kind: LimitKind) -> None:
    fresh, old = Learned(10, "x"), Learned(10, "x", age=FORGOTTEN[kind] * 0.9)

    assert fresh.now(kind) == 10
    assert old.now(kind) > 20
    assert Learned(10, "x", age=FORGOTTEN[kind] + 1).now(kind) is None
