"""A relay with several addresses, and relays that greet in an old way (D7, D10, F67, F68)."""

import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from campaign.errors import SessionFailedError
from campaign.local.mailserver.faults import FaultServer
from campaign.local.mailserver.script import Fault
from campaign.smtp.settings import Mechanism
from campaign.smtp.transport import Result
from tests.mail.kit import Deliveries, envelope, script

Client = Callable[..., Deliveries]
CREDENTIALS = ("ada", "secret")


def test_f67_the_next_address_is_tried_within_two_seconds_and_remembered(client: Client) -> None:
    try:
        server = FaultServer(script(silent=("::1",))).__enter__()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    try:
        deliveries = client(server.port, host="localhost", connections=1)
        begun = time.monotonic()
        deliveries.send(envelope(1))
        first = time.monotonic() - begun
        again = client(server.port, host="localhost", connections=1)
        again.send(envelope(2))
        second = time.monotonic() - begun - first
    finally:
        server.__exit__(None, None, None)

    assert [each.result for each in (*deliveries.outcomes, *again.outcomes)] == [Result.ACCEPTED] * 2
    assert first < 2
    assert second < 0.8


@pytest.mark.parametrize(
    "lines",
    [("AUTH=PLAIN",), ("AUTH=LOGIN PLAIN",), ("AUTH CRAM-MD5", "AUTH PLAIN"), ("AUTH", "AUTH=LOGIN"), ("auth plain",)],
)
def test_d10_auth_is_read_however_it_is_offered(client: Client, lines: tuple[str, ...]) -> None:
    with FaultServer(script(credentials=CREDENTIALS, auth_lines=lines)) as server:
        deliveries = client(server.port, username="ada", password="secret", mechanism=Mechanism.AUTO)
        deliveries.send(envelope(1))

        assert [each.result for each in deliveries.outcomes] == [Result.ACCEPTED]


@pytest.mark.parametrize("does", ["502 5.5.1 Unknown command", "500 what", "550 not here"])
def test_d10_a_server_that_refuses_ehlo_gets_helo(client: Client, does: str) -> None:
    with FaultServer(script(Fault("ehlo", does))) as server:
        deliveries = client(server.port)
        deliveries.send(*map(envelope, range(10)))

        assert [each.result for each in deliveries.outcomes] == [Result.ACCEPTED] * 10


@pytest.mark.parametrize("phase", ["banner", "ehlo", "mail", "rcpt", "data"])
def test_f68_a_server_that_drips_is_given_up_at_the_deadline_of_the_phase(client: Client, phase: str) -> None:
    with FaultServer(
        script(Fault(phase, "drip 0.2 250-a\r\n250-b\r\n250 2.0.0 so slowly that it takes half a minute"))
    ) as server:
        deliveries = client(server.port, patience=1.0, connections=1)
        begun = time.monotonic()
        with suppress(SessionFailedError):
            deliveries.send(envelope(1))
        assert time.monotonic() - begun < 6
        assert not server.rules.accepted
