import email.policy

from campaign.states import Lane
from tests.kit.memory_transport import MemoryTransport


def test_a_confirmation_is_delivered_once_and_recorded(world):
    slug = world.petition()
    world.signature(slug)
    transport = MemoryTransport()
    deliverer = world.deliverer(transport=transport)

    deliverer.drain()
    deliverer.drain()

    assert world.sql("select state, phase, reply_code, attempts, owner_id from message") == [
        ("accepted", "dot", 250, 1, None)
    ]
    [envelope] = transport.sent
    parsed = email.message_from_bytes(envelope.data, policy=email.policy.default)
    assert parsed["To"] == "zahra@example.org"
    assert "Please confirm" in parsed["Subject"]


def test_a_stopped_deliverer_leaves_no_journal_and_no_worker(world):
    deliverer = world.deliverer(Lane.BULK)

    deliverer.close()

    assert world.sql("select count(*) from worker where stopped_at is null") == [(0,)]
    assert not list((world.runtime.settings.data / "journal").iterdir())
