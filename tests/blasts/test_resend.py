"""An update is sent to those who did not get it, and to nobody else."""

import pytest

from campaign.accounts import accounts
from campaign.accounts.accounts import Role
from campaign.blasts import audience as audiences
from campaign.blasts import blasts
from campaign.blasts import progress as blast_progress
from campaign.blasts import reports as blast_reports
from campaign.blasts import running as blast_running
from campaign.blasts.rules import BlastStage, BlastText
from campaign.errors import ConflictError
from campaign.petitions import organisers
from campaign.signatures import preferences
from campaign.states import Lane
from tests.kit.memory_transport import MemoryTransport

TEXT = {"en": BlastText("News", "Dear {{name}}, good news.")}
NAMES = ("accepted", "uncertain", "gone", "full", "refused", "expired", "unrendered", "open")


@pytest.fixture
def organiser(world):
    account_id = accounts.create(world.runtime, email="olga@example.org", name="Olga", role=Role.ADMIN)
    return next(account for account in accounts.list_all(world.runtime) if account.id == account_id)


@pytest.fixture
def petition(world, organiser):
    slug = world.petition()
    return slug, organisers.may_organise(world.runtime, organiser, slug)


def started(world, petition, organiser, names=NAMES):
    """An update on its way to people named so; their signatures by name, and the update's id."""
    people = {name: world.signature(petition[0], f"{name}@example.org", confirmed=True, wants_updates=True)
              for name in names}  # fmt: skip
    blast_id = blasts.save_draft(world.runtime, petition[1], TEXT, by=organiser, request_key="one")
    blasts.send_now(world.runtime, blast_id, petition[1], by=organiser)
    world.clock.forward(seconds=31)
    blast_running.look(world.runtime)
    return people, blast_id


def settle(world, people, **states):
    for name, (state, enhanced, reason) in states.items():
        world.sql(
            "update message set state = %(state)s, enhanced = %(enhanced)s, reason = %(reason)s, settled_at = now(),"
            " attempts = 3, phase = 'rcpt', reply_code = 550 where signature_id = %(id)s and kind = 'update'"
            " returning id",
            id=people[name], state=state, enhanced=enhanced, reason=reason,
        )  # fmt: skip


def outcome_of_all(world, people):
    settle(
        world, people,
        accepted=("accepted", None, None), uncertain=("uncertain", None, "no_outcome"),
        gone=("rejected", "5.1.1", "no such user"), full=("rejected", "5.2.2", "mailbox full"),
        refused=("rejected", None, "blocked"), expired=("rejected", "4.7.1", "expired: try later"),
        unrendered=("rejected", None, "not_rendered: text"),
    )  # fmt: skip


def deliver(world):
    transport = MemoryTransport()
    world.deliverer(Lane.BULK, transport=transport).drain()
    return sorted(envelope.rcpt_to.partition("@")[0] for envelope in transport.sent)


def test_only_those_who_did_not_get_it_get_it(world, petition, organiser):
    people, blast_id = started(world, petition, organiser)
    outcome_of_all(world, people)
    deliver(world)
    number = blasts.missing(world.runtime, blast_id)

    planned = blasts.send_missing(world.runtime, blast_id, petition[1], by=organiser)

    assert number == planned == 4
    assert deliver(world) == ["expired", "full", "refused", "unrendered"]
    assert blasts.missing(world.runtime, blast_id) == 0
    states = world.read(lambda tx: blast_progress.states(tx, [blast_id]))[blast_id]
    assert states == {"accepted": 6, "uncertain": 1, "rejected": 1}


def test_who_changed_their_mind_meanwhile_is_not_missing(world, petition, organiser):
    people, blast_id = started(world, petition, organiser, names=("withdrew", "unsubscribed", "stays"))
    settle(world, people, **dict.fromkeys(people, ("rejected", None, "blocked")))
    preferences.unsubscribe(world.runtime, _unsubscribe_token(world, people["unsubscribed"]))
    world.sql("update signature set state = 'withdrawn' where id = %(id)s returning id", id=people["withdrew"])

    blasts.send_missing(world.runtime, blast_id, petition[1], by=organiser)

    assert deliver(world) == ["stays"]


def _unsubscribe_token(world, signature_id):
    return preferences.unsubscribe_token(world.runtime, signature_id)


def test_a_cancelled_update_goes_on_to_the_rest(world, petition, organiser):
    people, blast_id = started(world, petition, organiser, names=("had", "one", "two"))
    settle(world, people, had=("accepted", None, None))
    blasts.cancel(world.runtime, blast_id, petition[1], by=organiser)
    nobody = deliver(world)

    planned = blasts.send_missing(world.runtime, blast_id, petition[1], by=organiser)
    stage = blast_reports.report(world.runtime, blast_id, petition[1]).stage
    blast_running.look(world.runtime)

    assert (nobody, planned, stage) == ([], 2, BlastStage.SENDING)
    assert deliver(world) == ["one", "two"]
    assert blast_reports.report(world.runtime, blast_id, petition[1]).stage is BlastStage.FINISHED


def test_an_update_cancelled_while_its_readers_were_collected_collects_the_rest(world, petition, organiser):
    for name in ("one", "two", "three"):
        world.signature(petition[0], f"{name}@example.org", confirmed=True, wants_updates=True)
    blast_id = blasts.save_draft(world.runtime, petition[1], TEXT, by=organiser, request_key="one")
    blasts.send_now(world.runtime, blast_id, petition[1], by=organiser)
    world.clock.forward(seconds=31)
    blast_running.start_due(world.runtime)
    now = world.clock()
    world.read(lambda tx: audiences.freeze_slice(tx, blast_id, limit=1, now=now))
    blasts.cancel(world.runtime, blast_id, petition[1], by=organiser)

    blasts.send_missing(world.runtime, blast_id, petition[1], by=organiser)
    blast_running.look(world.runtime)

    assert deliver(world) == ["one", "three", "two"]


def test_pressing_twice_sends_once(world, petition, organiser):
    people, blast_id = started(world, petition, organiser)
    outcome_of_all(world, people)
    deliver(world)

    first = blasts.send_missing(world.runtime, blast_id, petition[1], by=organiser)
    second = blasts.send_missing(world.runtime, blast_id, petition[1], by=organiser)

    assert (first, second) == (4, 0)
    assert len(deliver(world)) == 4


def test_a_paused_update_stays_paused(world, petition, organiser):
    people, blast_id = started(world, petition, organiser)
    outcome_of_all(world, people)
    blasts.pause(world.runtime, blast_id, petition[1], by=organiser)

    blasts.send_missing(world.runtime, blast_id, petition[1], by=organiser)
    while_paused = deliver(world)
    blasts.resume(world.runtime, blast_id, petition[1], by=organiser)

    assert while_paused == []
    assert deliver(world) == ["expired", "full", "open", "refused", "unrendered"]


def test_what_a_person_cancelled_by_itself_stays_cancelled(world, petition, organiser):
    people, blast_id = started(world, petition, organiser, names=("one",))
    settle(world, people, one=("cancelled", None, "cancelled_by_person"))

    assert blasts.send_missing(world.runtime, blast_id, petition[1], by=organiser) == 0


def test_an_update_that_has_not_started_has_nobody_missing(world, petition, organiser):
    blast_id = blasts.save_draft(world.runtime, petition[1], TEXT, by=organiser, request_key="one")

    with pytest.raises(ConflictError):
        blasts.send_missing(world.runtime, blast_id, petition[1], by=organiser)
