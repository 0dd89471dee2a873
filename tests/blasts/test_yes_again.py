"""Who says yes to updates after an unsubscription gets them, and the check-list counts who is mailed."""

import pytest

from campaign.accounts import accounts
from campaign.accounts.accounts import Role
from campaign.blasts import blasts
from campaign.blasts import running as blast_running
from campaign.blasts.rules import Audience, BlastText
from campaign.outbox import suppressions
from campaign.petitions import petitions
from campaign.signatures import preferences
from campaign.states import Lane
from tests.kit.memory_transport import MemoryTransport


@pytest.fixture
def organiser(world):
    accounts.create(world.runtime, email="olga@example.org", name="Olga", role=Role.ORGANISER)
    return accounts.find(world.runtime, "olga@example.org")


def counted_and_mailed(world, organiser, slug):
    """How many the check-list counts for an update of a petition, and the addresses that it is mailed to."""
    petition_id = petitions.by_slug(world.runtime, slug).petition.id
    blast_id = blasts.save_draft(
        world.runtime, petition_id, {"en": BlastText("News", "Hello")}, by=organiser, request_key=slug
    )
    counted = blasts.audience_counts(world.runtime, petition_id, Audience())["eligible"]
    blasts.send_now(world.runtime, blast_id, petition_id, by=organiser)
    world.clock.forward(seconds=31)
    for _ in range(3):
        blast_running.look(world.runtime)
    transport = MemoryTransport()
    deliverer = world.deliverer(Lane.BULK, transport=transport)
    deliverer.drain()
    deliverer.close()
    return counted, [envelope.rcpt_to for envelope in transport.sent]


def unsubscribe(world, signed, *, everything=True):
    preferences.unsubscribe(world.runtime, preferences.unsubscribe_token(world.runtime, signed), everything=everything)


def say_yes(world, signed):
    preferences.set_updates(world.runtime, world.manage_token(signed), wants_updates=True)


@pytest.mark.parametrize("everything", [True, False])
def test_a_yes_on_the_own_page_ends_an_unsubscription(world, organiser, everything):
    slug = world.petition()
    signed = world.signature(slug, confirmed=True, wants_updates=True)
    unsubscribe(world, signed, everything=everything)

    say_yes(world, signed)

    assert counted_and_mailed(world, organiser, slug) == (1, ["zahra@example.org"])


def test_a_yes_in_a_form_that_its_mailbox_confirmed_ends_an_unsubscription(world, organiser):
    signed = world.signature(world.petition(), confirmed=True)
    unsubscribe(world, signed)

    slug = world.petition("another")
    world.clock.forward(hours=1)
    world.signature(slug, confirmed=True, wants_updates=True)

    assert counted_and_mailed(world, organiser, slug) == (1, ["zahra@example.org"])


@pytest.mark.parametrize("reason", ["complaint", "bounce", "admin"])
def test_a_yes_lifts_neither_a_complaint_nor_a_bounce(world, organiser, reason):
    slug = world.petition()
    signed = world.signature(slug, confirmed=True, wants_updates=True)
    key = world.runtime.secrets.address_key("zahra@example.org")
    world.read(lambda tx: suppressions.add(tx, key, reason=reason, petition_id=None, message_id=None))

    say_yes(world, signed)

    assert counted_and_mailed(world, organiser, slug)[1] == []


def test_stopping_all_mail_is_seen_in_the_count_of_every_petition(world, organiser):
    slugs = [world.petition("first"), world.petition("second")]
    ids = []
    for slug in slugs:
        ids.append(world.signature(slug, confirmed=True, wants_updates=True))
        world.clock.forward(hours=1)

    unsubscribe(world, ids[0])

    assert [counted_and_mailed(world, organiser, slug) for slug in slugs] == [(0, []), (0, [])]


def test_a_yes_to_one_petition_is_none_to_another(world, organiser):
    slugs = [world.petition("first"), world.petition("second")]
    ids = []
    for slug in slugs:
        ids.append(world.signature(slug, confirmed=True, wants_updates=True))
        world.clock.forward(hours=1)
    unsubscribe(world, ids[0])
    # A release before this one left the wishes of other signatures as they were.
    world.sql("update signature set wants_updates = true where id = %(id)s", id=ids[1])

    say_yes(world, ids[0])

    assert [counted_and_mailed(world, organiser, slug) for slug in slugs] == [(1, ["zahra@example.org"]), (0, [])]
