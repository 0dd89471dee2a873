"""F66: a text of which no mail can be made is found once, pauses its update alone, and all other mail goes on."""

import pytest

from campaign.accounts import accounts
from campaign.accounts.accounts import Role
from campaign.blasts import blasts
from campaign.blasts import running as blast_running
from campaign.blasts.rules import BlastText
from campaign.delivery.composer import Composer
from campaign.errors import InvalidInputError
from campaign.mail.compose import TemplateCompiler
from campaign.states import Lane
from tests.kit.memory_transport import MemoryTransport
from tests.kit.worlds import PatientDeliverer

DEEP = "*" * 600 + "words" + "*" * 600
HUGE = "wörd " * 19_000
BAD = {"deep": DEEP, "huge": HUGE, "tag": "Dear {{nmae}}", "brackets": "[" * 90_000}


def organiser_of(world):
    found = accounts.find(world.runtime, "olga@example.org")
    if found is None:
        accounts.create(world.runtime, email="olga@example.org", name="Olga", role=Role.ORGANISER)
        found = accounts.find(world.runtime, "olga@example.org")
    return found


def started(world, slug, *, number, subject="News"):
    """An update that has begun, to so many people; its id."""
    world.petition(slug)
    petition_id = world.opened(slug).petition.id
    for each in range(number):
        world.signature(slug, f"{slug}{each}@example.org", confirmed=True, wants_updates=True)
    world.sql("update message set state = 'cancelled', settled_at = now() where blast_id is null")
    organiser = organiser_of(world)
    blast_id = blasts.save_draft(
        world.runtime, petition_id, {"en": BlastText(subject, "Fine")}, by=organiser, request_key=(slug * 22)[:22]
    )
    blasts.send_now(world.runtime, blast_id, petition_id, by=organiser)
    return blast_id


def begin(world):
    world.clock.forward(seconds=31)
    blast_running.look(world.runtime)


def spoil(world, blast_id, body):
    """What an older release has saved."""
    world.sql("update blast_text set body_markdown = %(body)s where blast_id = %(id)s", body=body, id=blast_id)


def drain(world, composer=None):
    transport = MemoryTransport()
    composer = composer or Composer(world.runtime)
    deliverer = PatientDeliverer(world.runtime, Lane.BULK, composer=composer, transport=transport)
    for _ in range(4):
        if not deliverer.drain().more:
            break
    deliverer.close()
    return transport.sent


def states(world, blast_id):
    return dict(
        world.sql("select cast(state as text), count(*) from message where blast_id = %(id)s group by 1", id=blast_id)
    )


@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
def test_f66_a_stored_text_that_can_not_be_rendered_pauses_its_update_alone(world, body):
    bad = started(world, "bad", number=5)
    good = started(world, "good", number=5)
    begin(world)
    spoil(world, bad, body)

    drain(world)

    assert states(world, bad) == {"planned": 5}
    assert states(world, good) == {"accepted": 5}
    assert world.sql("select id, paused_reason from blast order by id") == [(bad, "text"), (good, None)]
    assert world.sql("select blast_id, locale, octet_length(version) from text_failure") == [(bad, "en", 16)]
    assert world.sql("select max(attempts) from message where blast_id = %(id)s", id=bad) == [(0,)]
    assert world.sql("select paused_at from lane where name = 'bulk'") == [(None,)]


def test_f66_what_is_remembered_is_not_tried_for_each_recipient(world):
    bad = started(world, "bad", number=3)
    begin(world)
    spoil(world, bad, DEEP)
    drain(world)
    # As a worker that claimed its batch before the update was paused.
    world.sql("update blast set paused_at = null, paused_reason = null")
    world.sql("update text_failure set reason = 'remembered'")

    drain(world)

    assert world.sql("select reason from text_failure") == [("remembered",)]
    assert states(world, bad) == {"planned": 3}


def test_f66_a_resumed_update_is_tried_once_more(world):
    bad = started(world, "bad", number=3)
    begin(world)
    spoil(world, bad, DEEP)
    drain(world)
    petition_id = world.opened("bad").petition.id

    blasts.resume(world.runtime, bad, petition_id, by=None)
    drain(world)
    paused_again = world.sql("select paused_reason from blast")
    blasts.resume(world.runtime, bad, petition_id, by=None)
    spoil(world, bad, "Fine again")
    drain(world)

    assert paused_again == [("text",)]
    assert states(world, bad) == {"accepted": 3}


@pytest.mark.parametrize("fault", ["deep", "tag", "brackets"])
def test_f66_such_a_text_is_refused_when_it_is_scheduled(world, fault):
    world.petition("bad")
    petition_id = world.opened("bad").petition.id
    organiser = organiser_of(world)
    blast_id = blasts.save_draft(
        world.runtime, petition_id, {"en": BlastText("News", "Fine")}, by=organiser, request_key="k" * 22
    )
    spoil(world, blast_id, BAD[fault])

    with pytest.raises(InvalidInputError):
        blasts.send_now(world.runtime, blast_id, petition_id, by=organiser)

    assert world.sql("select send_at from blast") == [(None,)]


class FailsInGerman(TemplateCompiler):
    """Raises, for German, what a library may raise for a text that it can't bear."""

    def compile(self, kind, *, locale, **values):
        if locale == "de":
            raise RecursionError
        return super().compile(kind, locale=locale, **values)


def test_f66_what_a_library_raises_for_one_text_stops_no_other(world):
    bad = started(world, "bad", number=2)
    good = started(world, "good", number=2)
    world.sql(
        "update signature set locale = 'de' where petition_id = (select petition_id from blast order by id limit 1)"
    )
    begin(world)
    composer = Composer(world.runtime)
    composer.compiler = FailsInGerman(composer.compiler.folder)

    drain(world, composer)

    assert states(world, bad) == {"planned": 2}
    assert states(world, good) == {"accepted": 2}
    assert world.sql("select locale, reason from text_failure") == [("de", "The mail can't be made: RecursionError.")]
