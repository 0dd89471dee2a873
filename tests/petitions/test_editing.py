import dataclasses

import pytest

from campaign.accounts import accounts
from campaign.accounts import queries as account_queries
from campaign.accounts.accounts import Role
from campaign.errors import InvalidInputError
from campaign.petitions import editing, petitions
from campaign.signatures import petition_page


@pytest.fixture
def organiser(world):
    accounts.create(world.runtime, email="olga@example.org", name="Olga", role=Role.ORGANISER)
    return accounts.find(world.runtime, "olga@example.org")


@pytest.fixture
def petition(world, organiser):
    slug = world.petition(locales=("en", "de"))
    petition_id = petitions.by_slug(world.runtime, slug).petition.id
    world.read(lambda tx: account_queries.add_member(tx, petition_id, organiser.id))
    return slug, petition_id


def save(world, petition, organiser, **changes):
    now = editing.settings(world.runtime, petition[1])
    new = dataclasses.replace(now, **changes)
    editing.save_settings(world.runtime, petition[0], petition[1], new, by=organiser)


def test_settings_are_stored_and_show_at_once(world, petition, organiser):
    save(
        world, petition, organiser, author="  River Watch ", on_behalf_of="all who swim", sender_name="Rivers",
        default_locale="de", fixed_goal=300, milestones=(10, 20), milestone_policy="approve",
    )  # fmt: skip

    found = editing.settings(world.runtime, petition[1])
    page = petition_page.show(world.runtime, petition[0], "fa")
    assert (found.author, found.milestones, found.milestone_policy) == ("River Watch", (10, 20), "approve")
    assert (page.author, page.goal, page.locale) == ("River Watch", 300, "de")
    assert world.sql("select account_id from audit_entry where action = 'petition.set'") == [(organiser.id,)]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"author": "  "}, {"author": "missing"}),
        ({"author": "x" * 501}, {"author": "too_long"}),
        ({"sender_name": "a\r\nBcc: b@example.org"}, {"sender_name": "control_characters"}),
        ({"fixed_goal": 0}, {"fixed_goal": "out_of_range"}),
        ({"fixed_goal": 10**9}, {"fixed_goal": "out_of_range"}),
        ({"milestones": ()}, {"milestones": "missing"}),
        ({"milestones": (5, 5)}, {"milestones": "not_growing"}),
        ({"milestones": (0, 5)}, {"milestones": "not_growing"}),
        ({"milestones": (5, 10**12)}, {"milestones": "not_growing"}),
        ({"milestones": tuple(range(1, 52))}, {"milestones": "too_many"}),
        ({"milestone_policy": "shout"}, {"milestone_policy": "unknown"}),
        ({"default_locale": "ur"}, {"default_locale": "no_text"}),
    ],
)
def test_what_can_not_be_set_is_named(world, petition, organiser, changes, problem):
    before = editing.settings(world.runtime, petition[1])

    with pytest.raises(InvalidInputError) as refused:
        save(world, petition, organiser, **changes)

    assert refused.value.problems == problem
    assert editing.settings(world.runtime, petition[1]) == before


def test_a_milestone_added_below_the_count_is_not_announced_afterwards(world, petition, organiser):
    for number in range(3):
        world.signature(petition[0], f"s{number}@example.org", name="Signer", confirmed=True)
    world.count(petition[0])

    save(world, petition, organiser, milestones=(1, 2, 5))
    world.signature(petition[0], "s9@example.org", name="Signer", confirmed=True)
    world.count(petition[0])

    assert world.sql("select count(*) from milestone") == [(0,)]


def test_the_list_holds_ones_own_petitions_and_for_an_admin_all(world, petition, organiser):
    world.petition("another")
    accounts.create(world.runtime, email="ada@example.org", name="Ada", role=Role.ADMIN)
    admin = accounts.find(world.runtime, "ada@example.org")

    own = editing.list_of(world.runtime, organiser, "de")
    every = editing.list_of(world.runtime, admin, "de")

    assert [(one.slug, one.title, one.waiting, one.next_at) for one in own] == [
        (petition[0], "A petition (de)", 0, None)
    ]
    assert {one.slug for one in every} == {petition[0], "another"}


def test_the_address_for_replies_is_sealed_and_its_change_is_in_the_audit_log_without_it(world, petition, organiser):
    save(world, petition, organiser, reply_to="  Olga <replies@example.net> ")
    save(world, petition, organiser, reply_to="replies@example.net")

    [(sealed,)] = world.sql("select reply_to from petition")
    noted = world.sql("select detail from audit_entry where action = 'petition.set_reply_to'")
    assert editing.settings(world.runtime, petition[1]).reply_to == "replies@example.net"
    assert b"replies" not in bytes(sealed)
    assert noted == [({"set": True},)]


@pytest.mark.parametrize(
    ("typed", "code"), [("nobody", "invalid"), ("a@b@example.org", "invalid"), ("postmaster@example.org", "role")]
)
def test_an_address_for_replies_that_is_none_is_refused(world, petition, organiser, typed, code):
    with pytest.raises(InvalidInputError) as caught:
        save(world, petition, organiser, reply_to=typed)

    assert caught.value.problems == {"reply_to": code}
    assert editing.settings(world.runtime, petition[1]).reply_to == ""
