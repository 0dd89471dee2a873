"""The filter of the signatures whose mail does not arrive."""

from campaign.outbox import suppressions
from campaign.signatures import lists
from campaign.signatures.selections import UNREACHED, Filter
from campaign.states import EventKind
from tests.feedback.kit import tell

WANTED = Filter.of(UNREACHED, "")


def signer(world, slug, email):
    """A signer and the last message to them, which the mail server accepted."""
    signature_id = world.signature(slug, email, confirmed=True)
    world.sql("update message set state = 'accepted', settled_at = %(now)s where state = 'planned'", now=world.clock())
    return signature_id, world.sql("select max(id) from message where signature_id = %(id)s", id=signature_id)[0][0]


def listed(world, slug):
    page = lists.page(world.runtime, world.opened(slug).petition.id, WANTED)
    return [line.id for line in page.lines]


def test_those_whose_mail_came_back_are_listed_and_those_it_reached_are_not(world):
    slug = world.petition()
    gone, gone_message = signer(world, slug, "gone@example.org")
    full, full_message = signer(world, slug, "full@example.org")
    _, our_fault = signer(world, slug, "policy@example.org")
    _, well = signer(world, slug, "well@example.org")
    tell(world, EventKind.BOUNCED, [gone_message], status="5.1.1")
    tell(world, EventKind.BOUNCED, [full_message], status="5.2.2")
    tell(world, EventKind.BOUNCED, [our_fault], status="5.7.1", text="we do not like you")
    tell(world, EventKind.DELIVERED, [well])

    assert listed(world, slug) == [full, gone]


def test_a_suppression_that_was_lifted_and_an_old_bounce_are_no_longer_shown(world):
    slug = world.petition()
    _, message = signer(world, slug, "gone@example.org")
    tell(world, EventKind.BOUNCED, [message], status="5.1.1")
    [(suppression_id,)] = world.sql("select id from suppression")
    world.read(lambda tx: suppressions.lift(tx, suppression_id, now=world.clock()))

    still = listed(world, slug)
    world.clock.forward(days=31)

    assert len(still) == 1
    assert listed(world, slug) == []


def test_the_filter_has_its_place_in_the_address_of_the_page():
    assert WANTED.code == UNREACHED
    assert Filter.of("confirmed", "DE").code == "confirmed"
    assert Filter.of("nonsense", "").code is None
