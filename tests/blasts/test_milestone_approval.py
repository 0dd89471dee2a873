import pytest

from campaign.accounts import accounts
from campaign.accounts.accounts import Role
from campaign.blasts import milestones
from campaign.blasts import running as blast_running
from campaign.errors import ConflictError
from campaign.petitions import petitions
from campaign.states import Lane
from tests.kit.memory_transport import MemoryTransport
from tests.kit.racing import at_once


@pytest.fixture
def organiser(world):
    accounts.create(world.runtime, email="olga@example.org", name="Olga", role=Role.ORGANISER)
    return accounts.find(world.runtime, "olga@example.org")


@pytest.fixture
def petition(world):
    """A petition whose first milestone, two signatures, waits for an answer."""
    slug = world.petition()
    world.sql("update petition set milestones = '{2}', milestone_policy = 'approve' returning id")
    for number in range(2):
        world.signature(slug, f"s{number}@example.org", name="Signer", confirmed=True, wants_updates=True)
    world.count(slug)
    return slug, petitions.by_slug(world.runtime, slug).petition.id


def sent(world):
    world.clock.forward(seconds=31)
    blast_running.look(world.runtime)
    transport = MemoryTransport()
    world.deliverer(Lane.BULK, transport=transport).drain()
    return len(transport.sent)


def decision(world):
    return world.sql("select decision from milestone")[0][0]


def test_a_yes_announces_it_once_after_the_time_to_think_again(world, petition, organiser):
    milestones.approve(world.runtime, petition[1], 2, by=organiser)
    blast_running.look(world.runtime)
    at_first = world.sql("select count(*) from message where kind = 'milestone'")[0][0]

    assert (at_first, sent(world), sent(world)) == (0, 2, 0)
    assert decision(world) == "announced"


def test_a_second_yes_and_a_late_no_change_nothing(world, petition, organiser):
    milestones.approve(world.runtime, petition[1], 2, by=organiser)

    for answer in (milestones.approve, milestones.decline):
        with pytest.raises(ConflictError):
            answer(world.runtime, petition[1], 2, by=organiser)

    assert sent(world) == 2


def test_two_organisers_who_press_at_once_announce_it_once(world, petition, organiser):
    def press(_number):
        try:
            milestones.approve(world.runtime, petition[1], 2, by=organiser)
        except ConflictError:
            return False
        return True

    assert sorted(at_once(2, press)) == [False, True]
    assert sent(world) == 2


def test_a_no_is_final_whatever_the_count_does_later(world, petition, organiser):
    milestones.decline(world.runtime, petition[1], 2, by=organiser)
    with pytest.raises(ConflictError):
        milestones.approve(world.runtime, petition[1], 2, by=organiser)
    world.signature(petition[0], "s9@example.org", name="Signer", confirmed=True, wants_updates=True)
    world.count(petition[0])

    assert sent(world) == 0
    assert decision(world) == "declined"


def test_a_yes_can_be_taken_back_until_it_starts(world, petition, organiser):
    milestones.approve(world.runtime, petition[1], 2, by=organiser)
    milestones.take_back(world.runtime, petition[1], 2, by=organiser)
    in_between = (sent(world), decision(world))
    milestones.approve(world.runtime, petition[1], 2, by=organiser)
    at_last = sent(world)

    with pytest.raises(ConflictError):
        milestones.take_back(world.runtime, petition[1], 2, by=organiser)
    assert (in_between, at_last) == ((0, "waiting"), 2)


def test_a_closed_petition_announces_nothing(world, petition, organiser):
    petitions.close(world.runtime, petition[0])

    with pytest.raises(ConflictError):
        milestones.approve(world.runtime, petition[1], 2, by=organiser)

    assert decision(world) == "waiting"


def test_every_answer_is_in_the_audit_log(world, petition, organiser):
    milestones.approve(world.runtime, petition[1], 2, by=organiser)
    milestones.take_back(world.runtime, petition[1], 2, by=organiser)
    milestones.decline(world.runtime, petition[1], 2, by=organiser)

    found = world.sql(
        "select action, account_id, detail->>'threshold' from audit_entry where subject = 'milestone' order by id"
    )
    assert found == [
        (f"milestone.{what}", organiser.id, "2") for what in ("approve", "take_back", "decline")
    ]  # fmt: skip
