"""F1 to F15 as the client sees them: what is said about each message, and that nothing is accepted twice."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from campaign.errors import SessionFailedError
from campaign.local.mailserver.certificates import Certificate
from campaign.local.mailserver.faults import FaultServer
from campaign.local.mailserver.script import Fault
from campaign.smtp.settings import Mechanism, Security
from campaign.smtp.transport import Blame, Phase, Result
from tests.mail.kit import Deliveries, envelope, script

Client = Callable[..., Deliveries]

SOON = 2.0
"""Seconds after which a silent server is given up: long for one that only shares a busy machine with other tests."""


@contextmanager
def refusing_port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def failure(deliveries: Deliveries, *numbers: int) -> SessionFailedError:
    with pytest.raises(SessionFailedError) as caught:
        deliveries.send(*map(envelope, numbers or (1,)))
    return caught.value


def summary(deliveries: Deliveries) -> list[tuple[int, Result, Phase, int | None]]:
    return sorted((outcome.id, outcome.result, outcome.phase, outcome.code) for outcome in deliveries.outcomes)


def test_f1_a_refused_connection_is_temporary_and_blames_nobody(client: Client) -> None:
    with refusing_port() as port:
        deliveries = client(port)
        error = failure(deliveries, 1, 2, 3)

    assert (error.phase, error.permanent, error.code) == ("connect", False, None)
    assert [(outcome.result, outcome.phase) for outcome in deliveries.outcomes] == [
        (Result.TEMPORARY, Phase.CONNECT)
    ] * len(deliveries.outcomes)
    assert deliveries.submitted == []


def test_f1_what_was_not_taken_from_the_iterable_stays_untouched(client: Client) -> None:
    taken = []

    def envelopes() -> Iterator[Any]:
        for number in range(1000):
            taken.append(number)
            yield envelope(number)

    with refusing_port() as port:
        deliveries = client(port)
        with pytest.raises(SessionFailedError):
            deliveries.transport.deliver(
                envelopes(), on_submit=deliveries.submitted.append, on_outcome=deliveries.outcomes.append
            )

    assert [outcome.id for outcome in deliveries.outcomes] == taken == [0]


@pytest.mark.parametrize(
    ("reply", "permanent"), [("421 4.3.2 Too busy", False), ("554 5.7.1 You are not welcome", True)]
)
def test_f2_a_refusing_banner_fails_the_session(client: Client, reply: str, *, permanent: bool) -> None:
    with FaultServer(script(Fault("banner", reply))) as server:
        error = failure(client(server.port))

    assert (error.phase, error.permanent, error.code) == ("banner", permanent, int(reply[:3]))
    assert error.enhanced == reply[4:9]


def test_f3_a_hanging_banner_frees_the_worker_at_its_deadline(client: Client) -> None:
    with FaultServer(script(Fault("banner", "hang"))) as server:
        error = failure(client(server.port, patience=SOON))

    assert (error.phase, error.permanent) == ("banner", False)


def test_f4_a_garbage_banner_is_temporary(client: Client) -> None:
    with FaultServer(script(Fault("banner", "garbage"))) as server:
        error = failure(client(server.port))

    assert (error.phase, error.permanent) == ("banner", False)


def test_f5_stripped_starttls_is_never_answered_with_clear_text(client: Client) -> None:
    with FaultServer() as server:
        error = failure(client(server.port, security=Security.STARTTLS))

        assert (error.phase, error.permanent, error.code) == ("starttls", True, None)
        assert server.rules.chances["starttls"] == server.rules.chances["mail"] == 0


def test_f5_starttls_454_is_never_answered_with_clear_text(client: Client, tmp_path: Path) -> None:
    broken = script(Fault("starttls", "454 4.7.0 Not now"), certificate=Certificate.GOOD)
    with FaultServer(broken, folder=tmp_path) as server:
        error = failure(client(server.port, security=Security.STARTTLS, ca_file=tmp_path / "ca.pem"))

        assert (error.phase, error.permanent, error.code) == ("starttls", True, 454)
        assert server.rules.chances["mail"] == 0


def test_f5_clear_text_said_behind_starttls_is_taken_for_the_attack_it_is(client: Client, tmp_path: Path) -> None:
    injected = script(Fault("starttls", "220 2.0.0 Go\r\n250 injected"), certificate=Certificate.GOOD)
    with FaultServer(injected, folder=tmp_path) as server:
        error = failure(client(server.port, security=Security.STARTTLS, ca_file=tmp_path / "ca.pem"))

    assert (error.phase, error.permanent) == ("starttls", True)
    assert "before TLS" in str(error)


@pytest.mark.parametrize("certificate", [Certificate.EXPIRED, Certificate.WRONG_HOST])
@pytest.mark.parametrize("security", [Security.STARTTLS, Security.IMPLICIT])
def test_f6_a_bad_certificate_is_refused(
    client: Client, tmp_path: Path, certificate: Certificate, security: Security
) -> None:
    bad = script(certificate=certificate, implicit_tls=security is Security.IMPLICIT)
    with FaultServer(bad, folder=tmp_path) as server:
        error = failure(client(server.port, security=security, ca_file=tmp_path / "ca.pem"))

        assert (error.phase, error.permanent) == ("starttls", True)
        assert "certificate" in str(error)
        assert server.rules.chances["mail"] == 0


def test_f6_an_unknown_authority_is_refused(client: Client, tmp_path: Path) -> None:
    with FaultServer(script(certificate=Certificate.GOOD), folder=tmp_path) as server:
        error = failure(client(server.port, security=Security.STARTTLS))

    assert (error.phase, error.permanent) == ("starttls", True)


@pytest.mark.parametrize("security", [Security.STARTTLS, Security.IMPLICIT])
@pytest.mark.parametrize("mechanism", list(Mechanism))
def test_mail_goes_over_verified_tls_with_each_mechanism(
    client: Client, tmp_path: Path, security: Security, mechanism: Mechanism
) -> None:
    good = script(
        certificate=Certificate.GOOD, implicit_tls=security is Security.IMPLICIT, credentials=("ada", "se cret")
    )
    with FaultServer(good, folder=tmp_path) as server:
        deliveries = client(
            server.port,
            security=security,
            ca_file=tmp_path / "ca.pem",
            username="ada",
            password="se cret",
            mechanism=mechanism,
        )
        big = envelope(1, data=b"Message-ID: <big@example.org>\r\n\r\n" + (b"x" * 70 + b"\r\n") * 20_000)
        deliveries.send(big, *map(envelope, range(2, 40)))

        assert {outcome.result for outcome in deliveries.outcomes} == {Result.ACCEPTED}
        assert len(server.rules.received) == 39
        assert max(len(data) for _, _, data in server.rules.received) == len(big.data)


@pytest.mark.parametrize(("reply", "permanent"), [("535 5.7.8 Wrong", True), ("454 4.7.0 Temporary trouble", False)])
def test_f7_auth_refused_tells_whether_a_person_must_act(client: Client, reply: str, *, permanent: bool) -> None:
    locked = script(Fault("auth", reply), credentials=("ada", "secret"))
    with FaultServer(locked) as server:
        error = failure(client(server.port, username="ada", password="secret"), 1, 2, 3, 4, 5)

        assert (error.phase, error.permanent, error.code) == ("auth", permanent, int(reply[:3]))
        assert server.rules.chances["auth"] == 1


@pytest.mark.parametrize("mechanism", [Mechanism.PLAIN, Mechanism.LOGIN, Mechanism.XOAUTH2])
def test_f7_a_wrong_password_is_tried_once(client: Client, mechanism: Mechanism) -> None:
    with FaultServer(script(credentials=("ada", "secret"))) as server:
        deliveries = client(server.port, username="ada", password="wrong", mechanism=mechanism)
        error = failure(deliveries, 1, 2, 3)

        assert (error.phase, error.permanent, error.code) == ("auth", True, 535)
        assert server.rules.chances["auth"] == 1


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize(
    ("phase", "reply", "result", "blame"),
    [
        ("mail", "452 4.3.1 No space", Result.TEMPORARY, Blame.SERVER),
        ("mail", "530 5.7.0 Log in first", Result.PERMANENT, Blame.US),
        ("rcpt", "450 4.2.0 Greylisted", Result.TEMPORARY, Blame.SERVER),
        ("rcpt", "550 5.1.1 No such user <r2@example.net>", Result.PERMANENT, Blame.RECIPIENT),
        ("rcpt", "550 5.7.1 Blocked", Result.PERMANENT, Blame.US),
        ("rcpt", "550 5.7.26 Unauthenticated", Result.PERMANENT, Blame.US),
        ("rcpt", "550-5.7.515 Access denied,\r\n550 5.7.515 see the rules", Result.PERMANENT, Blame.US),
        ("rcpt", "550 No such user", Result.PERMANENT, Blame.RECIPIENT),
        ("data", "451 4.3.0 Later", Result.TEMPORARY, Blame.SERVER),
        ("data", "554 5.5.1 No", Result.PERMANENT, Blame.US),
        ("dot", "451 4.7.1 Slow down", Result.TEMPORARY, Blame.SERVER),
        ("dot", "554 5.6.0 Looks bad", Result.PERMANENT, Blame.US),
        ("dot", "552 5.2.2 Mailbox full", Result.PERMANENT, Blame.RECIPIENT),
    ],
)
def test_f8_to_f11_f15_a_refusal_settles_that_message_and_the_others_go_on(
    client: Client, *, pipelining: bool, phase: str, reply: str, result: Result, blame: Blame
) -> None:
    extensions = ("8BITMIME", "PIPELINING") if pipelining else ("8BITMIME",)
    fault = Fault(phase, reply, after=1, times=1)
    with FaultServer(script(fault, extensions=extensions)) as server:
        deliveries = client(server.port, connections=1)
        deliveries.send(*map(envelope, range(1, 6)))

        refused = next(outcome for outcome in deliveries.outcomes if outcome.result is not Result.ACCEPTED)
        assert (refused.id, refused.result, refused.phase, refused.blame) == (2, result, Phase(phase), blame)
        assert refused.code == int(reply[:3])
        assert "@" not in refused.text
        assert sorted(outcome.id for outcome in deliveries.outcomes) == [1, 2, 3, 4, 5]
        assert len(server.rules.accepted) == 4
        assert (2 in deliveries.submitted) is (phase == "dot")


def test_f9_only_the_greylisted_recipient_is_deferred(client: Client) -> None:
    with FaultServer(script(Fault("rcpt", "450 4.2.0 Greylisted", recipient="r2@example.net"))) as server:
        deliveries = client(server.port)
        deliveries.send(*map(envelope, range(1, 30)))

    assert [outcome.id for outcome in deliveries.outcomes if outcome.result is Result.TEMPORARY] == [2]


def test_f12_a_421_for_one_domain_defers_it_and_the_others_go_over_a_new_connection(client: Client) -> None:
    with FaultServer(script(Fault("rcpt", "421 4.7.0 Too fast", domain="slow.test"))) as server:
        deliveries = client(server.port, connections=2)
        deliveries.send(*(envelope(number, f"r@{'slow' if number % 5 == 0 else 'quick'}.test") for number in range(40)))

        deferred = {outcome.id for outcome in deliveries.outcomes if outcome.result is Result.TEMPORARY}
        assert deferred == set(range(0, 40, 5))
        assert len(server.rules.accepted) == 32
        assert {outcome.phase for outcome in deliveries.outcomes if outcome.id in deferred} == {Phase.RCPT}


@pytest.mark.parametrize("phase", ["mail", "rcpt", "data"])
@pytest.mark.parametrize("pipelining", [True, False])
def test_f13_a_connection_lost_before_data_is_tried_once_more_at_once(
    client: Client, phase: str, *, pipelining: bool
) -> None:
    extensions = ("PIPELINING",) if pipelining else ("8BITMIME",)
    with FaultServer(script(Fault(phase, "drop", after=3, times=1), extensions=extensions)) as server:
        deliveries = client(server.port, connections=1)
        deliveries.send(*map(envelope, range(10)))

        assert {outcome.result for outcome in deliveries.outcomes} == {Result.ACCEPTED}
        assert len(deliveries.outcomes) == 10
        assert not server.rules.repeated()


@pytest.mark.parametrize("phase", ["mail", "rcpt", "data"])
def test_f13_a_server_that_always_drops_is_given_up_soon(client: Client, phase: str) -> None:
    with FaultServer(script(Fault(phase, "drop"))) as server:
        deliveries = client(server.port)
        error = failure(deliveries, *range(100))

        assert not error.permanent
        assert server.rules.chances["banner"] < 10
        assert {outcome.result for outcome in deliveries.outcomes} == {Result.TEMPORARY}
        assert len(deliveries.outcomes) < 10


def test_f13_silence_before_data_is_temporary(client: Client) -> None:
    with FaultServer(script(Fault("rcpt", "hang", times=1))) as server:
        deliveries = client(server.port, patience=SOON, connections=1)
        deliveries.send(envelope(1), envelope(2))

        assert summary(deliveries) == [
            (1, Result.TEMPORARY, Phase.RCPT, None),
            (2, Result.ACCEPTED, Phase.DOT, 250),
        ]


@pytest.mark.parametrize("how", ["drop", "hang"])
@pytest.mark.parametrize("where", ["dot", "accepted"])
def test_f14_no_answer_after_the_final_dot_is_uncertain_and_never_sent_again(
    client: Client, how: str, where: str
) -> None:
    with FaultServer(script(Fault(where, how, after=2, times=1))) as server:
        deliveries = client(server.port, patience=SOON, connections=1)
        deliveries.send(*map(envelope, range(1, 7)))

        assert [entry for entry in summary(deliveries) if entry[1] is not Result.ACCEPTED] == [
            (3, Result.UNCERTAIN, Phase.DOT, None)
        ]
        assert len(deliveries.outcomes) == 6
        assert deliveries.submitted.count(3) == 1
        assert not server.rules.repeated()
        assert len(server.rules.accepted) == (6 if where == "accepted" else 5)


def test_f14_garbage_after_the_final_dot_is_uncertain(client: Client) -> None:
    with FaultServer(script(Fault("accepted", "garbage", times=1))) as server:
        deliveries = client(server.port, connections=1)
        deliveries.send(envelope(1), envelope(2))

        assert summary(deliveries)[0] == (1, Result.UNCERTAIN, Phase.DOT, None)
        assert not server.rules.repeated()


def test_f14_a_final_dot_that_never_left_this_machine_is_safe_to_repeat(client: Client) -> None:
    big = envelope(1, data=b"Subject: big\r\n\r\n" + (b"x" * 70 + b"\r\n") * 200_000)
    with FaultServer(script(Fault("data", "stall"))) as server:
        deliveries = client(server.port, patience=SOON, connections=1)
        with pytest.raises(SessionFailedError):
            deliveries.send(big)

    assert summary(deliveries) == [(1, Result.TEMPORARY, Phase.DATA, None)]
    assert deliveries.submitted == [1]


def test_f14_under_tls_a_message_that_began_to_leave_is_uncertain(client: Client, tmp_path: Path) -> None:
    big = envelope(1, data=b"Subject: big\r\n\r\n" + (b"x" * 70 + b"\r\n") * 200_000)
    with FaultServer(script(Fault("data", "stall"), certificate=Certificate.GOOD), folder=tmp_path) as server:
        deliveries = client(
            server.port, patience=SOON, connections=1, security=Security.STARTTLS, ca_file=tmp_path / "ca.pem"
        )
        with pytest.raises(SessionFailedError):
            deliveries.send(big)

    assert summary(deliveries) == [(1, Result.UNCERTAIN, Phase.DOT, None)]


def test_a_421_after_the_dot_defers_that_message_and_the_next_goes_over_a_new_connection(client: Client) -> None:
    with FaultServer(script(Fault("dot", "421 4.3.2 Going down", times=1))) as server:
        deliveries = client(server.port, connections=1)
        deliveries.send(envelope(1), envelope(2))

        assert summary(deliveries) == [(1, Result.TEMPORARY, Phase.DOT, 421), (2, Result.ACCEPTED, Phase.DOT, 250)]
        assert not server.rules.repeated()


def test_a_421_at_mail_on_a_used_connection_only_costs_a_new_connection(client: Client) -> None:
    with FaultServer(script(Fault("mail", "421 4.7.0 Enough for one connection", after=3, times=1))) as server:
        deliveries = client(server.port, connections=1)
        deliveries.send(*map(envelope, range(8)))

        assert {outcome.result for outcome in deliveries.outcomes} == {Result.ACCEPTED}
        assert server.rules.chances["banner"] == 2


def test_a_server_that_says_421_to_every_mail_is_given_up_soon(client: Client) -> None:
    with FaultServer(script(Fault("mail", "421 4.7.0 Not now"))) as server:
        deliveries = client(server.port)
        error = failure(deliveries, *range(100))

        assert (error.phase, error.permanent, error.code) == ("mail", False, 421)
        assert len(deliveries.outcomes) < 10


def test_one_hanging_connection_does_not_hold_up_the_others(client: Client) -> None:
    with FaultServer(script(Fault("rcpt", "hang", recipient="r7@example.net"))) as server:
        deliveries = client(server.port, patience=SOON, connections=4)
        deliveries.send(*map(envelope, range(200)))

        assert len(server.rules.accepted) == 199
        assert deliveries.outcomes[-1].id == 7
        assert deliveries.outcomes[-1].result is Result.TEMPORARY


def test_a_random_mix_of_faults_repeats_nothing_and_tells_every_outcome_once(client: Client) -> None:
    mix = [
        Fault("rcpt", "450 4.2.0 Later", odds=0.1),
        Fault("rcpt", "550 5.1.1 Gone", odds=0.1),
        Fault("mail", "drop", odds=0.03),
        Fault("rcpt", "drop", odds=0.03),
        Fault("data", "drop", odds=0.03),
        Fault("dot", "drop", odds=0.05),
        Fault("accepted", "drop", odds=0.05),
        Fault("dot", "451 4.3.0 Later", odds=0.05),
        Fault("rcpt", "421 4.7.0 Slow", odds=0.02),
    ]
    with FaultServer(script(*mix, seed=5)) as server:
        deliveries = client(server.port)
        deliveries.send(*map(envelope, range(1500)))

        accepted = {
            f"<{outcome.id}@example.org>" for outcome in deliveries.outcomes if outcome.result is Result.ACCEPTED
        }
        uncertain = {
            f"<{outcome.id}@example.org>" for outcome in deliveries.outcomes if outcome.result is Result.UNCERTAIN
        }
        taken = {message_id for message_id, _ in server.rules.accepted}
        assert sorted(outcome.id for outcome in deliveries.outcomes) == list(range(1500))
        assert not server.rules.repeated()
        assert accepted <= taken
        assert taken - accepted <= uncertain
        assert uncertain
