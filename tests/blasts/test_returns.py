"""What came back of an update: beside the equation, by reason and by provider."""

import pytest

from campaign.blasts import queries as blast_queries
from campaign.blasts import reports
from campaign.blasts import running as blast_running
from campaign.feedback import quarantine
from campaign.states import CameBack, EventKind, Lane, MessageState
from tests.feedback.kit import tell
from tests.kit.memory_transport import MemoryTransport

PEOPLE = ["a@gmail.com", "b@gmail.com", "c@gmx.de", *(f"p{n}@example.org" for n in range(20))]


@pytest.fixture
def blast(world):
    """An update that the mail server accepted for everybody."""
    slug = world.petition()
    for email in PEOPLE:
        world.signature(slug, email, confirmed=True, wants_updates=True)
    world.sql("update message set state = 'cancelled', settled_at = now()")
    petition_id = world.opened(slug).petition.id

    def work(tx):
        blast_id = blast_queries.add(tx, petition_id=petition_id, kind="update", request_key="k")
        blast_queries.save_texts(tx, blast_id, {"en": ("News", "Hello {{name}}", "<p>Hello {{name}}</p>")})
        blast_queries.start(tx, blast_id, count=len(PEOPLE), now=world.clock())
        return blast_id

    blast_id = world.read(work)
    blast_running.freeze(world.runtime)
    world.deliverer(Lane.BULK, transport=MemoryTransport()).drain()
    return blast_id


def sent(world, blast):
    return [row[0] for row in world.sql("select id from message where blast_id = %(id)s order by id", id=blast)]


def report(world, blast):
    [(petition_id,)] = world.sql("select petition_id from blast where id = %(id)s", id=blast)
    return reports.report(world.runtime, blast, petition_id)


def test_the_equation_stays_and_a_second_line_tells_what_came_back(world, blast):
    messages = sent(world, blast)
    tell(world, EventKind.DELIVERED, messages[5:8])
    tell(world, EventKind.BOUNCED, messages[:2], status="5.2.2", text="552 5.2.2 over quota")
    tell(world, EventKind.BOUNCED, [messages[2]], status="5.1.1")
    tell(world, EventKind.COMPLAINED, [messages[5]])

    found = report(world, blast)

    assert found.states == {MessageState.ACCEPTED: len(PEOPLE)}
    assert found.returns.known == {CameBack.DELIVERED: 2, CameBack.BOUNCED: 3, CameBack.COMPLAINED: 1}
    assert found.returns.reasons == (("full", "5.2.2", 2), ("gone", "5.1.1", 1))
    assert found.returns.providers == (("gmail", 2), ("gmx", 1))


def test_a_message_that_bounced_twice_counts_once_with_its_last_reason(world, blast):
    [first, *_] = sent(world, blast)
    tell(world, EventKind.BOUNCED, [first], status="5.2.2")
    world.clock.forward(hours=1)
    tell(world, EventKind.BOUNCED, [first], status="5.1.1")

    assert report(world, blast).returns.reasons == (("gone", "5.1.1", 1),)


def test_the_reasons_add_up_to_what_came_back_however_many_there_are_and_however_late_it_is_looked_at(world, blast):
    messages = sent(world, blast)
    for number, message_id in enumerate(messages):
        kind = EventKind.FAILED if number % 2 else EventKind.BOUNCED
        tell(world, kind, [message_id], text=f"odd words, case {number}")
    world.clock.forward(days=40)
    quarantine.purge(world.runtime)

    found = report(world, blast).returns

    assert found.known == {CameBack.BOUNCED: len(PEOPLE)}
    assert len(found.reasons) == 20
    assert found.other_reasons + sum(n for _, _, n in found.reasons) == len(PEOPLE)
    assert sum(n for _, n in found.providers) == len(PEOPLE)


def test_who_unsubscribes_within_a_week_of_it_is_counted(world, blast):
    ids = [row[0] for row in world.sql("select signature_id from message where blast_id = %(id)s order by 1", id=blast)]
    at = world.clock()
    for signature_id, days in zip(ids, (1, 6, 8), strict=False):
        world.sql(
            "update signature set wants_updates = false, updates_changed_at = %(at)s + make_interval(days => %(days)s)"
            " where id = %(id)s", at=at, days=days, id=signature_id,
        )  # fmt: skip

    assert report(world, blast).returns.unsubscribed == 2


def test_an_update_that_is_through_is_not_paused_by_what_comes_back(world, blast):
    tell(world, EventKind.BOUNCED, sent(world, blast), status="5.1.1")

    assert world.sql("select paused_at from blast") == [(None,)]


def test_before_it_begins_nothing_is_known(world):
    slug = world.petition()
    petition_id = world.opened(slug).petition.id
    blast_id = world.read(lambda tx: blast_queries.add(tx, petition_id=petition_id, kind="update", request_key="k"))

    assert reports.report(world.runtime, blast_id, petition_id).returns is None
