"""What comes back is applied: which address is not mailed again, and what is known of a message."""

import itertools

import pytest

from campaign.accounts import accounts
from campaign.accounts.accounts import Role
from campaign.feedback import applying
from campaign.feedback.events import Event, store
from campaign.signatures import moving, preferences, requests
from campaign.smtp.replies import UNCERTAIN
from campaign.smtp.transport import Envelope, Outcome, Phase
from campaign.states import EventKind, SignatureState
from tests.kit.memory_transport import MemoryTransport
from tests.kit.racing import at_once
from tests.kit.returned_mail import CANARY, Sent, send, soft_bounces, stored, suppressions
from tests.kit.worlds import World

NUMBERS = itertools.count()


def tell(sent: Sent, kind: EventKind, **of: object) -> None:
    """A provider tells something of a message, and it is applied."""
    event = Event(id=f"e{next(NUMBERS)}", kind=kind, happened_at=sent.world.clock(), message_id=sent.id, **of)
    store(sent.world.runtime, "ses", [event])
    applying.apply(sent.world.runtime)


def bounce(sent: Sent, **of: str) -> None:
    """Another delivery report, of the same moment."""
    sent.bounces(own_id=f"r{next(NUMBERS)}", **of)


@pytest.mark.parametrize("status", ["5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"])
def test_an_address_that_is_not_there_is_suppressed_at_once(sent, status):
    bounce(sent, status=status)

    assert suppressions(sent.world) == ["bounce"]
    assert sent.world.sql("select message_id, petition_id from suppression") == [(sent.id, None)]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("5.7.1", "554 5.7.1 blocked"), ("5.7.26", ""), ("5.7.515", ""), ("5.6.0", ""), ("5.3.4", ""), ("5.5.0", ""),
        ("5.5.1", ""), ("5.4.5", "550 5.4.5 Daily sending quota exceeded"), ("5.2.252", "554 5.2.252 SendAsDenied"),
        ("5.0.0", "550 Message rejected as spam"), ("5.0.0", "554 IP on a blocklist"),
        ("5.0.0", "550 relaying denied"),
    ],
)  # fmt: skip
def test_what_is_about_us_counts_against_nobody_however_often(sent, status, words):
    for _ in range(6):
        bounce(sent, status=status, words=words)
        sent.world.clock.forward(days=1)

    assert suppressions(sent.world) == soft_bounces(sent.world) == []
    assert {row[3] for row in stored(sent.world)} == {"ours"}


@pytest.mark.parametrize(
    ("status", "words"),
    [("5.2.2", "552 5.2.2 mailbox full"), ("4.2.2", ""), ("4.4.1", ""), ("4.4.7", "550 4.4.7 expired"), ("4.4.2", "")],
)
def test_a_full_mailbox_or_an_expired_message_suppresses_on_the_fourth_day(sent, status, words):
    for day in range(4):
        for _ in range(3):
            bounce(sent, status=status, words=words)
            assert len(soft_bounces(sent.world)) == day + 1
        assert suppressions(sent.world) == (["bounce"] if day == 3 else [])
        sent.world.clock.forward(days=7)


def test_days_with_a_full_mailbox_that_are_older_than_thirty_do_not_count(sent):
    for _ in range(6):
        bounce(sent, status="5.2.2")
        sent.world.clock.forward(days=11)

    assert suppressions(sent.world) == []


@pytest.mark.parametrize(("status", "words"), [("5.0.0", "550 sorry"), ("5.4.4", ""), ("5.3.0", ""), ("5.2.0", "")])
def test_a_bounce_that_says_little_needs_two_days(sent, status, words):
    bounce(sent, status=status, words=words)
    bounce(sent, status=status, words=words)
    assert suppressions(sent.world) == []

    sent.world.clock.forward(days=1)
    bounce(sent, status=status, words=words)

    assert suppressions(sent.world) == ["bounce"]


def test_a_delivery_takes_the_days_back(sent):
    for _ in range(3):
        bounce(sent, status="5.2.2")
        sent.world.clock.forward(days=1)

    bounce(sent, action="delivered", status="2.0.0")
    assert soft_bounces(sent.world) == []
    bounce(sent, status="5.2.2")

    assert soft_bounces(sent.world) == ["full"]
    assert suppressions(sent.world) == []


def test_an_acceptance_by_a_relay_does_not_take_back_what_came_back_later(world):
    sent = send(world)
    bounce(sent, status="5.2.2")

    world.clock.forward(days=1)
    send(world, world.petition("another"))

    assert soft_bounces(world) == ["full"]


def test_delayed_five_times_and_then_delivered_suppresses_nobody(sent):
    """F47."""
    for _ in range(5):
        bounce(sent, action="delayed", status="4.4.1")
        assert sent.came_back == "deferred"
        sent.world.clock.forward(hours=5)
    bounce(sent, action="delivered", status="2.0.0")

    assert sent.came_back == "delivered"
    assert suppressions(sent.world) == soft_bounces(sent.world) == []


@pytest.mark.parametrize("strong", [EventKind.BOUNCED, EventKind.COMPLAINED])
@pytest.mark.parametrize("weak", [EventKind.DELIVERED, EventKind.DEFERRED, EventKind.SENT, EventKind.AUTORESPONDED])
def test_what_is_known_never_gets_weaker(sent, strong, weak):
    tell(sent, strong, status="5.1.1" if strong is EventKind.BOUNCED else None)

    tell(sent, weak)

    assert sent.came_back == strong


def test_a_complaint_after_a_bounce_is_the_stronger_one(sent):
    tell(sent, EventKind.BOUNCED, status="5.7.1")
    tell(sent, EventKind.COMPLAINED)

    assert sent.came_back == "complained"
    assert suppressions(sent.world) == ["complaint"]


@pytest.mark.parametrize("came", ["bounced", "delivered"])
@pytest.mark.parametrize("first", ["event", "outcome"])
def test_an_uncertain_message_is_settled_by_what_comes_back_in_both_orders(world, came, first):
    """F14. The report may be read before the worker that sent the message has recorded that it heard nothing."""

    def silent(envelope: Envelope) -> Outcome:
        if first == "event":
            store(world.runtime, "ses", [_event(envelope.id, came, world)])
        return Outcome(envelope.id, UNCERTAIN, Phase.DOT, None, None, "no answer")

    world.sign(world.petition(), CANARY)
    world.deliver(transport=MemoryTransport(script=silent))
    [(message_id,)] = world.sql("select id from message")
    sent = Sent(world, message_id)
    assert sent.state == "uncertain"

    if first == "outcome":
        store(world.runtime, "ses", [_event(message_id, came, world)])
    applying.apply(world.runtime)

    assert (sent.state, sent.came_back) == ("accepted", came)
    assert world.sql("select reason from message") == [("evidence",)]


def _event(message_id: int, came: str, world: World) -> Event:
    return Event(
        id=f"late{message_id}", kind=EventKind(came), happened_at=world.clock(), message_id=message_id, status="5.7.1"
    )


def test_evidence_that_was_applied_before_the_message_became_uncertain_settles_it_later(world):
    def silent(envelope: Envelope) -> Outcome:
        store(world.runtime, "ses", [_event(envelope.id, "delivered", world)])
        applying.apply(world.runtime)
        return Outcome(envelope.id, UNCERTAIN, Phase.DOT, None, None, "no answer")

    world.sign(world.petition(), CANARY)
    world.deliver(transport=MemoryTransport(script=silent))
    assert world.sql("select state from message") == [("uncertain",)]

    applying.apply(world.runtime)

    assert world.sql("select state from message") == [("accepted",)]


def test_what_cannot_be_read_is_no_evidence(world):
    def silent(envelope: Envelope) -> Outcome:
        return Outcome(envelope.id, UNCERTAIN, Phase.DOT, None, None, "no answer")

    world.sign(world.petition(), CANARY)
    world.deliver(transport=MemoryTransport(script=silent))
    [(message_id,)] = world.sql("select id from message")

    tell(Sent(world, message_id), EventKind.UNKNOWN)

    assert world.sql("select state, came_back from message") == [("uncertain", None)]


def test_a_bounce_of_the_old_address_does_not_touch_the_new_one(world):
    sent = send(world)
    [signature_id] = [row for (row,) in world.sql("select signature_id from message")]
    world.clock.forward(hours=1)
    world.sql(
        "insert into address_change (signature_id, nonce, address, asked_at, confirmed_at)"
        " values (%(id)s, '1', '1', %(now)s, %(now)s)",
        id=signature_id, now=world.clock(),
    )  # fmt: skip

    bounce(sent)

    assert sent.came_back == "bounced"
    assert suppressions(world) == []


def test_a_bounce_of_the_mail_that_asks_a_new_address_is_about_the_new_address(world):
    sent = send(world)
    [signature_id] = [row for (row,) in world.sql("select signature_id from message")]
    world.sql("update signature set state = 'confirmed', confirmed_at = now() where id = %(id)s", id=signature_id)
    moving.ask(world.runtime, world.manage_token(signature_id), "new@example.net")
    world.deliver()
    [(message_id,)] = world.sql("select id from message where kind = 'address_check'")

    bounce(Sent(world, message_id))
    keys = {bytes(key) for (key,) in world.sql("select address_key from suppression")}
    bounce(sent)
    both = {bytes(key) for (key,) in world.sql("select address_key from suppression")}

    assert len(keys) == 1
    assert len(both) == 2


def test_a_bounce_of_an_erased_signer_does_nothing_and_breaks_nothing(world):
    sent = send(world)
    [signature_id] = [row for (row,) in world.sql("select signature_id from message")]
    preferences.erase(world.runtime, world.manage_token(signature_id))

    bounce(sent)
    tell(sent, EventKind.COMPLAINED)

    assert suppressions(world) == soft_bounces(world) == []
    assert sent.came_back == "complained"
    assert world.sql("select count(*) from delivery_event where applied_at is null") == [(0,)]


def test_a_suppression_by_a_bounce_survives_the_erasure_of_its_signer(world):
    sent = send(world)
    [signature_id] = [row for (row,) in world.sql("select signature_id from message")]
    bounce(sent)

    preferences.erase(world.runtime, world.manage_token(signature_id))

    assert suppressions(world) == ["bounce"]


def test_a_bounce_of_a_sign_in_link_is_about_the_address_of_the_account(world):
    accounts.create(world.runtime, email="olga@example.org", name="Olga", role=Role.ORGANISER)
    requests.request_sign_in_link(world.runtime, "olga@example.org", network=None)
    world.admit()
    world.deliver()
    [(message_id,)] = world.sql("select id from message where kind = 'sign_in'")

    bounce(Sent(world, message_id))
    tell(Sent(world, message_id), EventKind.UNSUBSCRIBED)

    assert suppressions(world) == ["bounce"]


def test_who_unsubscribes_through_the_provider_gets_no_updates(world):
    signature_id = world.signature(world.petition(), wants_updates=True, confirmed=True)
    world.deliver()
    [(message_id,)] = world.sql("select max(id) from message where state = 'accepted'")
    assert world.row(signature_id).wants_updates

    tell(Sent(world, message_id), EventKind.UNSUBSCRIBED)

    assert not world.row(signature_id).wants_updates
    assert world.state(signature_id) is SignatureState.CONFIRMED


def test_events_of_messages_that_do_not_exist_are_not_stored(world):
    event = Event(id="e1", kind=EventKind.BOUNCED, happened_at=world.clock(), message_id=4711, status="5.1.1")

    assert store(world.runtime, "ses", [event]) == 0
    assert applying.apply(world.runtime) == 0


def test_a_moment_in_the_future_is_the_present(sent):
    event = Event(
        id="e1", kind=EventKind.DELIVERED, happened_at=sent.world.clock().replace(year=2030), message_id=sent.id
    )

    store(sent.world.runtime, "ses", [event])

    assert sent.world.sql("select happened_at from delivery_event") == [(sent.world.clock(),)]


def test_a_provider_that_did_not_try_counts_like_a_bounce_that_says_little(sent):
    tell(sent, EventKind.REJECTED)

    assert soft_bounces(sent.world) == ["unknown"]
    assert stored(sent.world)[0][3] == "other"


def test_a_provider_that_failed_counts_against_nobody(sent):
    tell(sent, EventKind.FAILED, status="5.1.1")

    assert soft_bounces(sent.world) == suppressions(sent.world) == []
    assert stored(sent.world)[0][3] == "ours"


def test_workers_that_apply_at_the_same_time_apply_each_event_once(world):
    slug = world.petition()
    for number in range(30):
        world.sign(slug, f"signer{number}@example.org")
    world.deliver()
    ids = [message_id for (message_id,) in world.sql("select id from message where state = 'accepted' order by id")]
    kinds = [EventKind.DEFERRED, EventKind.BOUNCED, EventKind.DELIVERED, EventKind.COMPLAINED]
    events = [
        Event(id=f"{message_id}.{kind}", kind=kind, happened_at=world.clock(), message_id=message_id, status="5.2.2")
        for kind in kinds
        for message_id in (ids if kind is EventKind.DEFERRED else reversed(ids))
    ]
    store(world.runtime, "ses", events)

    results = at_once(4, lambda _: applying.apply(world.runtime))

    assert sum(results) == len(events) == 4 * len(ids)
    assert world.sql("select distinct came_back from message where state = 'accepted'") == [("complained",)]
    assert suppressions(world) == ["complaint"] * len(ids)
    assert applying.apply(world.runtime) == 0
