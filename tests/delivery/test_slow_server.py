"""B15: a mail server that answers in drops is trouble of the server, which the monitor says; no mail is doubled."""

import pytest

from campaign.local.mailserver.faults import FaultServer
from campaign.local.mailserver.script import Fault, Script
from campaign.operations import snapshot
from campaign.smtp.relays import Relay, RelayTransport
from campaign.smtp.settings import SmtpSettings
from campaign.smtp.smtp import SmtpTransport
from campaign.states import Lane


def transport_to(port: int) -> RelayTransport:
    settings = SmtpSettings("127.0.0.1", port, "mail.example.org")
    settings.deadlines.update(dict.fromkeys(settings.deadlines, 1.0))
    return RelayTransport([Relay(f"127.0.0.1:{port}", SmtpTransport(settings))])


@pytest.mark.parametrize(
    ("phase", "reply", "state"),
    [("ehlo", "250", "planned"), ("rcpt", "250", "planned"), ("dot", "250", "uncertain")],
)
def test_a_server_that_drips_holds_the_lane_back_and_is_said_on_the_monitor(world, phase, reply, state):
    world.signature(world.petition())
    with FaultServer(Script((Fault(phase, f"drip 0.2 {reply} {80 * 'x'}"),))) as server:
        deliverer = world.deliverer(transport=transport_to(server.port))
        deliverer.drain()
        deliverer.drain()
        deliverer.close()

        assert server.rules.chances["banner"] == 1
    urgent = next(
        lane for lane in world.read(lambda tx: snapshot.flows(tx, now=world.clock.now)) if lane.lane is Lane.URGENT
    )
    assert "in time" in (urgent.last_answer or "")
    assert urgent.not_before > world.clock.now
    assert world.sql("select state::text from message") == [(state,)]
