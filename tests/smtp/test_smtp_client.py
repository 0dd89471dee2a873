"""The client on a healthy server: kept connections, pipelining, limits, settings, and injection (F39)."""

import os
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaign.errors import MailValueError, SettingsError
from campaign.local.mailserver.faults import FaultServer
from campaign.mail.addresses import is_wire_address, wire_address
from campaign.mail.compiled import wire_data
from campaign.smtp.settings import Mechanism, Security, SmtpSettings
from campaign.smtp.transport import Blame, Envelope, Phase, Result
from tests.mail.kit import Deliveries, envelope, script, settle

Client = Callable[..., Deliveries]


def test_everything_arrives_once_with_its_own_envelope_and_bytes(client: Client) -> None:
    data = b"Message-ID: <d@example.org>\r\n\r\n.dot\r\n..two\r\nplain\r\n.\r\n"
    with FaultServer() as server:
        deliveries = client(server.port)
        deliveries.send(envelope(0, data=data), *map(envelope, range(1, 500)))

        assert {outcome.result for outcome in deliveries.outcomes} == {Result.ACCEPTED}
        assert sorted(deliveries.submitted) == list(range(500))
        assert sorted(to for _, to, _ in server.rules.received) == sorted(f"r{n}@example.net" for n in range(500))
        assert ("bounce-0@example.org", "r0@example.net", data) in server.rules.received


def test_connections_are_kept_between_deliveries(client: Client) -> None:
    with FaultServer() as server:
        deliveries = client(server.port)
        for number in range(20):
            deliveries.send(envelope(number))

        assert server.rules.chances["banner"] == 1
        assert len(server.rules.accepted) == 20


def test_a_few_messages_take_one_connection_and_many_take_the_ring(client: Client) -> None:
    with FaultServer() as few:
        client(few.port).send(*map(envelope, range(4)))
    with FaultServer() as many:
        client(many.port, connections=3).send(*map(envelope, range(400)))

    assert few.rules.chances["banner"] == 1
    assert many.rules.chances["banner"] == 3


def test_a_connection_ends_after_its_number_of_messages(client: Client) -> None:
    with FaultServer() as server:
        deliveries = client(server.port, connections=1, messages_per_connection=10)
        deliveries.send(*map(envelope, range(35)))

        assert {outcome.result for outcome in deliveries.outcomes} == {Result.ACCEPTED}
        assert server.rules.chances["banner"] == 4


def test_an_idle_connection_is_not_used_after_its_time(client: Client) -> None:
    with FaultServer() as server:
        deliveries = client(server.port, idle_seconds=0.05)
        deliveries.send(envelope(1))
        time.sleep(0.1)
        deliveries.send(envelope(2))

        assert server.rules.chances["banner"] == 2
        assert len(server.rules.accepted) == 2


def test_a_kept_connection_that_the_server_closed_costs_nothing(client: Client) -> None:
    with FaultServer() as first:
        deliveries = client(first.port)
        deliveries.send(envelope(1))
        for smtp_protocol in first.dialogues:
            first.call(smtp_protocol.abort)
        settle(first)
        deliveries.send(envelope(2))

        assert [outcome.result for outcome in deliveries.outcomes] == [Result.ACCEPTED] * 2


def test_an_empty_delivery_opens_no_connection(client: Client) -> None:
    with FaultServer() as server:
        client(server.port).send()

        assert server.rules.chances["banner"] == 0


@pytest.mark.parametrize("pipelining", [True, False])
def test_no_more_than_one_message_per_connection_is_ever_between_dot_and_answer(
    client: Client, *, pipelining: bool
) -> None:
    open_now: set[int] = set()
    most = 0

    def submitted(number: int) -> None:
        nonlocal most
        open_now.add(number)
        most = max(most, len(open_now))

    with FaultServer() as server:
        deliveries = client(server.port, connections=3, pipelining=pipelining)
        deliveries.transport.deliver(
            map(envelope, range(300)),
            on_submit=submitted,
            on_outcome=lambda outcome: open_now.discard(outcome.id),
        )

    assert 1 <= most <= 3


def test_if_the_iterable_raises_what_is_on_the_wire_is_finished_first(client: Client) -> None:
    def envelopes() -> Iterator[Envelope]:
        yield from map(envelope, range(30))
        raise KeyError

    with FaultServer() as server:
        deliveries = client(server.port)
        with pytest.raises(KeyError):
            deliveries.transport.deliver(
                envelopes(), on_submit=deliveries.submitted.append, on_outcome=deliveries.outcomes.append
            )

        assert len(server.rules.accepted) == len(deliveries.outcomes) == 30


def test_if_a_callback_raises_the_transport_can_be_used_again(client: Client) -> None:
    def refuse(_: int) -> None:
        raise OSError("the journal is full")

    with FaultServer() as server:
        deliveries = client(server.port)
        with pytest.raises(OSError, match="journal"):
            deliveries.transport.deliver([envelope(1)], on_submit=refuse, on_outcome=deliveries.outcomes.append)
        deliveries.send(envelope(2))

        assert [to for _, to, _ in server.rules.received] == ["r2@example.net"]


def test_a_message_over_the_offered_size_is_not_sent(client: Client) -> None:
    with FaultServer(script(extensions=("PIPELINING", "SIZE 100"))) as server:
        [outcome] = client(server.port).send(envelope(1, data=b"x" * 200 + b"\r\n"))

        assert (outcome.result, outcome.enhanced, outcome.blame) == (Result.PERMANENT, "5.3.4", Blame.US)
        assert server.rules.chances["mail"] == 0


@pytest.mark.parametrize(
    "address",
    [
        "a@x>\r\nRCPT TO:<evil@x",
        '"b\r\nRCPT TO:<evil@x>"@x',
        "a b@example.org",
        "a@example.org\n",
        "a@exa\x00mple.org",
        "<a@example.org>",
        "a@b@c",
        "a@",
        "@b",
        "",
        "ä@example.org",
        "a@exämple.org",
        f"{'a' * 65}@example.org",
    ],
)
def test_f39_no_address_smuggles_a_command(client: Client, address: str) -> None:
    good = envelope(2)
    with FaultServer() as server:
        outcomes = client(server.port).send(
            Envelope(1, "b@example.org", address, good.data),
            Envelope(3, address or " ", "c@example.net", good.data),
            good,
        )

        by_id = {outcome.id: outcome for outcome in outcomes}
        assert (by_id[1].result, by_id[1].phase, by_id[1].code) == (Result.PERMANENT, Phase.MAIL, None)
        assert by_id[1].blame is Blame.RECIPIENT
        assert by_id[3].result is Result.PERMANENT
        assert [to for _, to, _ in server.rules.received] == ["r2@example.net"]


@given(st.text(max_size=40))
def test_f39_what_passes_for_an_address_holds_nothing_that_ends_it(text: str) -> None:
    for address in (text, f"{text}@example.org", f"a@{text}"):
        for utf8 in (False, True):
            if is_wire_address(address, utf8=utf8):
                assert not set(address) & set('<>\r\n\0 \t"\\')
                assert address.count("@") == 1
                assert utf8 or address.isascii()


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=300)
@given(st.lists(st.sampled_from([b".", b"\r\n", b"\n", b"\r", b"a", b"QUIT", b"\r\n.\r\n", b"\r\n.\r"]), max_size=12))
def test_f39_data_ends_where_the_message_ends_or_is_refused(pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    if data.replace(b"\r\n", b"").count(b"\r") or data.replace(b"\r\n", b"").count(b"\n"):
        with pytest.raises(MailValueError):
            wire_data(data)
        return

    wire = wire_data(data)

    assert (b"\r\n" + wire).index(b"\r\n.\r\n") == len(wire) - 3
    lines = wire.split(b"\r\n")[:-2]
    unstuffed = b"".join((line[1:] if line.startswith(b".") else line) + b"\r\n" for line in lines)
    assert unstuffed == (data if data.endswith(b"\r\n") else data + b"\r\n")


def test_an_international_domain_is_mailed_in_its_ascii_form() -> None:
    assert wire_address("zahra@bücher.example").address == "zahra@xn--bcher-kva.example"
    assert not wire_address("zahra@bücher.example").utf8
    assert wire_address("زهرا@bücher.test").address == "زهرا@xn--bcher-kva.test"
    assert wire_address("زهرا@example.org").utf8
    with pytest.raises(MailValueError):
        wire_address("زهرا\r\nRCPT@example.org")


@pytest.mark.parametrize(
    ("url", "security", "port"),
    [
        ("smtp://localhost", Security.NONE, 25),
        ("smtp://127.0.0.1:2525", Security.NONE, 2525),
        ("smtp+starttls://user:p%40ss@mail.example.org", Security.STARTTLS, 587),
        ("smtps://user:p%40ss@mail.example.org", Security.IMPLICIT, 465),
        ("smtp://10.0.0.2:25?cleartext=yes", Security.NONE, 25),
    ],
)
def test_the_url_says_where_and_how(url: str, security: Security, port: int) -> None:
    found = SmtpSettings.from_url(url, ehlo_name="mail.example.org")

    assert (found.security, found.port) == (security, port)
    assert found.password in {None, "p@ss"}
    assert "p@ss" not in repr(found)


def test_the_url_may_name_the_mechanism() -> None:
    found = SmtpSettings.from_url("smtps://u:token@mail.example.org?auth=xoauth2", ehlo_name="m")

    assert found.mechanism is Mechanism.XOAUTH2


@pytest.mark.parametrize(
    "url",
    [
        "smtp://mail.example.org",
        "smtp://user:secret@mail.example.org?cleartext=yes",
        "smtps://",
        "http://mail.example.org",
        "smtps://mail.example.org:99999",
        "smtps://mail.example.org?auth=magic",
        "smtps://mail.example.org?verify=no",
    ],
)
def test_an_unsafe_or_broken_url_is_refused_without_repeating_the_password(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        SmtpSettings.from_url(url, ehlo_name="m")

    assert "secret" not in str(caught.value)


def test_a_ca_file_without_a_certificate_is_refused(client: Client) -> None:
    with pytest.raises(SettingsError):
        client(1, security=Security.STARTTLS, ca_file=os.devnull)
