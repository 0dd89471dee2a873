import pytest

from campaign.accounts import accounts
from campaign.accounts.accounts import Role
from campaign.errors import ConflictError, InvalidInputError, NotFoundError
from campaign.petitions import petitions
from campaign.signatures import confirming, lists, petition_page, removal
from campaign.signatures.lists import PER_PAGE
from campaign.signatures.selections import Filter
from campaign.states import SignatureState


@pytest.fixture
def organiser(world):
    accounts.create(world.runtime, email="olga@example.org", name="Olga", role=Role.ADMIN)
    return accounts.find(world.runtime, "olga@example.org")


@pytest.fixture
def slug(world):
    return world.petition()


@pytest.fixture
def petition_id(world, slug):
    return petitions.by_slug(world.runtime, slug).petition.id


def test_pages_follow_each_other_without_gap_or_repetition(world, slug, petition_id):
    ids = [world.signature(slug, f"s{n}@example.org", name="Signer") for n in range(PER_PAGE * 2 + 3)]

    first = lists.page(world.runtime, petition_id, Filter())
    second = lists.page(world.runtime, petition_id, Filter(), before=first.older_than)
    third = lists.page(world.runtime, petition_id, Filter(), before=second.older_than)
    back = lists.page(world.runtime, petition_id, Filter(), after=third.newer_than)

    seen = [line.id for page in (first, second, third) for line in page.lines]
    assert seen == ids[::-1]
    assert (first.newer_than, third.older_than) == (None, None)
    assert back.lines == second.lines


def test_a_list_is_filtered_by_state_and_country(world, slug, petition_id):
    world.signature(slug, "a@example.org", name="A", country="PK", confirmed=True)
    world.signature(slug, "b@example.org", name="B", country="PK")
    world.signature(slug, "c@example.org", name="C", country="DE", confirmed=True)

    found = lists.page(world.runtime, petition_id, Filter.of("confirmed", "PK"))

    assert [line.name for line in found.lines] == ["A"]
    assert lists.countries(world.runtime, petition_id) == ["DE", "PK"]


def test_a_filter_that_is_none_is_left_out():
    assert Filter.of("nonsense", "XX'") == Filter()


def test_an_address_is_found_exactly_in_every_spelling_and_state(world, slug, petition_id):
    world.signature(slug, "Zahra@Example.org", name="Zahra", confirmed=True)
    world.signature(slug, "zahra@example.org", name="Ali")

    found = lists.search(world.runtime, petition_id, "ZAHRA@example.ORG")

    assert [line.name for line in found] == ["Ali", "Zahra"]
    assert lists.search(world.runtime, petition_id, "zahr@example.org") == ()
    with pytest.raises(InvalidInputError):
        lists.search(world.runtime, petition_id, "zahra")


def test_hiding_a_name_is_noted_once(world, slug, petition_id, organiser):
    signature_id = world.signature(slug, show_name=True, confirmed=True)

    for _ in range(2):
        removal.hide_name(world.runtime, petition_id, signature_id, by=organiser)

    assert not world.row(signature_id).show_name
    assert petition_page.show(world.runtime, slug, "en").signers == ()
    assert world.sql("select count(*) from audit_entry where action = 'signature.hide_name'") == [(1,)]


def test_removing_takes_it_off_the_count_and_undoing_brings_it_back_with_its_choices(
    world, slug, petition_id, organiser
):
    signature_id = world.signature(slug, confirmed=True, wants_updates=True)
    world.sql("update petition set milestones = '{1}' returning id")
    before = world.count(slug)

    removal.remove(world.runtime, petition_id, signature_id, reason="duplicate", by=organiser)
    removed = world.count(slug)
    removal.restore(world.runtime, petition_id, signature_id, by=organiser)
    after = world.count(slug)

    row = world.row(signature_id)
    assert (before, removed, after) == (1, 0, 1)
    assert (row.state, row.wants_updates, row.ended_at) == (SignatureState.CONFIRMED, True, None)
    assert world.sql("select count(*) from milestone") == world.sql("select count(*) from blast") == [(1,)]
    assert world.sql("select action, detail->>'reason' from audit_entry where subject = 'signature' order by id") == [
        ("signature.remove", "duplicate"), ("signature.restore", None),
    ]  # fmt: skip


def test_the_mail_that_waited_for_a_removed_signer_is_cancelled(world, slug, petition_id, organiser):
    signature_id = world.signature(slug, confirmed=True)

    removal.remove(world.runtime, petition_id, signature_id, reason="asked", by=organiser)

    assert world.sql("select distinct state, reason from message where kind = 'thank_you'") == [
        ("cancelled", "removed")
    ]


def test_removing_twice_is_one_removal(world, slug, petition_id, organiser):
    signature_id = world.signature(slug, confirmed=True)

    for _ in range(2):
        removal.remove(world.runtime, petition_id, signature_id, reason="other", by=organiser)

    assert world.sql("select count(*) from audit_entry where action = 'signature.remove'") == [(1,)]


@pytest.mark.parametrize("reason", ["", "because", "Zahra is my cousin"])
def test_a_removal_needs_a_reason_from_the_list(world, slug, petition_id, organiser, reason):
    signature_id = world.signature(slug, confirmed=True)

    with pytest.raises(InvalidInputError):
        removal.remove(world.runtime, petition_id, signature_id, reason=reason, by=organiser)

    assert world.state(signature_id) is SignatureState.CONFIRMED


def test_what_is_not_confirmed_can_not_be_removed(world, slug, petition_id, organiser):
    signature_id = world.signature(slug)

    with pytest.raises(ConflictError):
        removal.remove(world.runtime, petition_id, signature_id, reason="other", by=organiser)


def test_who_signed_again_meanwhile_is_not_brought_back_twice(world, slug, petition_id, organiser):
    signature_id = world.signature(slug, confirmed=True)
    removal.remove(world.runtime, petition_id, signature_id, reason="other", by=organiser)
    world.signature(slug, confirmed=True)

    with pytest.raises(ConflictError):
        removal.restore(world.runtime, petition_id, signature_id, by=organiser)

    assert world.count(slug) == 1


def test_a_full_mailbox_leaves_no_place_for_the_one_that_was_removed(world, slug, petition_id, organiser):
    signature_id = world.signature(slug, name="First", confirmed=True)
    removal.remove(world.runtime, petition_id, signature_id, reason="other", by=organiser)
    for name in ("Second", "Third"):
        world.sign(slug, name=name)
        row = next(row for row in world.rows(slug, "zahra@example.org") if row.state is SignatureState.PENDING)
        confirming.confirm(world.runtime, world.confirm_token(row.id))

    with pytest.raises(ConflictError):
        removal.restore(world.runtime, petition_id, signature_id, by=organiser)


def test_a_signature_of_another_petition_is_not_there(world, slug, organiser):
    other = world.petition("other")
    signature_id = world.signature(other, confirmed=True)
    petition_id = petitions.by_slug(world.runtime, slug).petition.id

    for act in (
        lambda: lists.one(world.runtime, petition_id, signature_id),
        lambda: removal.hide_name(world.runtime, petition_id, signature_id, by=organiser),
        lambda: removal.remove(world.runtime, petition_id, signature_id, reason="other", by=organiser),
        lambda: removal.restore(world.runtime, petition_id, signature_id, by=organiser),
    ):
        with pytest.raises(NotFoundError):
            act()
