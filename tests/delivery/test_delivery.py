import email.policy

from campaign.petitions import petitions
from campaign.signatures import confirming
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


def test_the_thank_you_of_a_petition_that_closed_meanwhile_asks_nobody_to_share_it(world):
    slug = world.petition()
    texts = []
    for number, closes in enumerate((False, True)):
        signed = world.signature(slug, f"p{number}@example.org")
        if closes:
            petitions.close(world.runtime, slug)
        confirming.confirm(world.runtime, world.confirm_token(signed))
        transport = MemoryTransport()
        # A mailer keeps what is the same for many for some seconds; another one looks anew.
        world.deliver(transport=transport)
        thanks = email.message_from_bytes(transport.sent[-1].data, policy=email.policy.default)
        texts.append("".join(part.get_content() for part in thanks.walk() if not part.is_multipart()))

    assert ["send this link to someone" in text for text in texts] == [True, False]
    assert ["Thank you! Your signature is confirmed" in text for text in texts] == [True, True]
