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


def test_a_gmail_address_that_was_suppressed_before_its_dots_were_ignored_stays_suppressed(world):
    slug = world.petition()
    earlier = world.runtime.secrets.address_key("z.ahra@gmail.com")
    world.sql("insert into suppression (address_key, reason) values (%(key)s, 'bounce') returning id", key=earlier)
    world.ask(slug, "z.ahra@gmail.com")
    world.admit()
    transport = MemoryTransport()

    world.deliverer(transport=transport).drain()

    assert world.sql("select state, reason from message") == [("suppressed", "suppressed: bounce")]
