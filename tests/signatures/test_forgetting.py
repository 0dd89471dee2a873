"""Forget me once I am counted: what is removed, when, and what still works by the blind indexes."""

import re
from email import message_from_bytes, policy

import pytest

from campaign.errors import AlreadySignedError, ConflictError, InvalidInputError, TokenRefusedError
from campaign.signatures import confirming, forgetting, preferences, requests, signing
from campaign.states import SignatureState
from tests.kit.memory_transport import MemoryTransport

SETTLED = ("accepted", "rejected", "suppressed", "cancelled")


def settle(world, state="accepted"):
    world.sql(
        "update message set state = cast(%(state)s as message_state), settled_at = %(now)s where state = 'planned'",
        state=state,
        now=world.clock(),
    )


def forgotten(world, slug, email="zahra@example.org", **form):
    signed = world.signature(slug, email, confirmed=True, forget=True, **form)
    settle(world)
    assert forgetting.forget_counted(world.runtime) == 1
    return signed


def readable(world, signed):
    return world.sql("select name, address, reason from signature where id = %(id)s", id=signed) != [(None, None, None)]


def test_nothing_is_removed_before_the_thank_you_is_settled(world):
    slug = world.petition()
    pending = world.signature(slug, reason="Why", forget=True)
    settle(world)
    assert forgetting.forget_counted(world.runtime) == 0

    confirming.confirm(world.runtime, world.confirm_token(pending))
    assert forgetting.forget_counted(world.runtime) == 0
    assert readable(world, pending)
    settle(world)

    assert [forgetting.forget_counted(world.runtime) for _ in range(2)] == [1, 0]
    assert not readable(world, pending)
    assert world.sql("select count(*) from sign_up_request") == [(0,)]
    assert world.count(slug) == 1


@pytest.mark.parametrize("state", SETTLED)
def test_a_thank_you_that_ended_any_way_is_settled(world, state):
    signed = world.signature(world.petition(), confirmed=True, forget=True)
    settle(world, state)

    forgetting.forget_counted(world.runtime)

    assert not readable(world, signed)


def test_a_thank_you_of_unknown_outcome_is_settled_after_a_day(world):
    signed = world.signature(world.petition(), confirmed=True, forget=True)
    settle(world, "uncertain")
    world.clock.forward(hours=23)
    assert forgetting.forget_counted(world.runtime) == 0

    world.clock.forward(hours=1, seconds=1)

    assert forgetting.forget_counted(world.runtime) == 1
    assert not readable(world, signed)


def test_all_links_of_the_forgotten_stop_working(world):
    signed = world.signature(world.petition(), confirmed=True, forget=True)
    own, confirm = world.manage_token(signed), world.confirm_token(signed)
    settle(world)
    forgetting.forget_counted(world.runtime)

    for look in (
        lambda: preferences.own_page(world.runtime, own),
        lambda: confirming.look_up_confirmation(world.runtime, confirm),
    ):
        with pytest.raises(TokenRefusedError):
            look()


def test_the_forgotten_who_sign_again_are_counted_once_and_get_mail(world):
    slug = world.petition()
    first = forgotten(world, slug)
    assert world.count(slug) == 1
    world.clock.forward(days=1)

    again = world.signature(slug, confirmed=False, reason="Once more")
    confirming.confirm(world.runtime, world.confirm_token(world.rows(slug, "zahra@example.org")[-1].id))

    assert world.count(slug) == 1
    assert again != first
    [(ended, erased)] = world.sql("select state, address_index is null from signature where id = %(id)s", id=first)
    assert (ended, erased) == ("expired", True)


def test_a_couple_can_sign_when_one_of_them_is_forgotten_and_a_third_person_can_not(world):
    slug = world.petition()
    forgotten(world, slug, name="Zahra Ahmadi")
    world.clock.forward(days=1)
    forgotten(world, slug, name="Reza Karimi")
    assert world.count(slug) == 2
    world.clock.forward(days=1)

    world.sign(slug, name="Mahdi Rezai")
    third = world.rows(slug, "zahra@example.org")[-1]

    assert third.state is SignatureState.PENDING
    with pytest.raises(AlreadySignedError):
        confirming.confirm(world.runtime, world.confirm_token(third.id))
    assert world.count(slug) == 2


@pytest.mark.parametrize("discreet", [False, True])
@pytest.mark.parametrize("forget", [False, True])
def test_the_thank_you_offers_the_own_page_only_if_that_goes_on(world, discreet, forget):
    slug = world.petition()
    world.sql("update petition set discreet = %(discreet)s", discreet=discreet)
    signed = world.signature(slug, forget=forget)
    settle(world)
    confirming.confirm(world.runtime, world.confirm_token(signed))
    transport = MemoryTransport()
    deliverer = world.deliverer(transport=transport)
    deliverer.drain()
    deliverer.close()

    [sent] = transport.sent
    mail = message_from_bytes(sent.data, policy=policy.default)
    for kind in ("plain", "html"):
        content = mail.get_body((kind,)).get_content()
        assert ("/me/" in content, "/mine" in content) == (not forget, forget)
        assert ("As you chose" in content) == forget


def test_the_owner_of_the_mailbox_can_withdraw_a_forgotten_signature(world):
    slug = world.petition()
    signed = forgotten(world, slug)
    token = world.manage_token(signed)
    page = preferences.own_page(world.runtime, token)
    assert (page.is_forgotten, page.name, page.email) == (True, "", "")

    preferences.withdraw(world.runtime, token)

    assert world.count(slug) == 0


@pytest.mark.parametrize("other", ["show_name", "wants_updates"])
def test_it_excludes_updates_and_a_shown_name(world, other):
    slug = world.petition()

    with pytest.raises(InvalidInputError) as refused:
        world.ask(slug, forget=True, **{other: True})

    assert refused.value.problems == {"forget": "not_with_others"}


def test_the_choice_is_kept_by_the_form_that_is_changed_and_can_be_corrected(world):
    slug = world.petition()
    ref = world.sign(slug, forget=True)
    assert requests.form_of(world.runtime, slug, ref).forget
    token = world.confirm_token(world.rows(slug, "zahra@example.org")[0].id)
    assert confirming.look_up_confirmation(world.runtime, token).forget

    confirming.correct(world.runtime, token, signing.SignForm(name="Zahra", email="", country="DE"))

    assert not confirming.look_up_confirmation(world.runtime, token).forget


def test_chosen_on_the_own_page_it_ends_updates_and_hides_the_name_at_once(world):
    slug = world.petition()
    signed = world.signature(slug, confirmed=True, show_name=True, wants_updates=True)
    token = world.manage_token(signed)

    preferences.forget(world.runtime, token)

    row = world.row(signed)
    assert (row.forget, row.show_name, row.wants_updates) == (True, False, False)
    for change in (
        lambda: preferences.set_updates(world.runtime, token, wants_updates=True),
        lambda: preferences.set_name_shown(world.runtime, token, show_name=True),
        lambda: preferences.correct(world.runtime, token, name="Other", country="DE", reason=""),
    ):
        with pytest.raises(ConflictError):
            change()
    settle(world)
    assert forgetting.forget_counted(world.runtime) == 1
    assert world.count(slug) == 1


def test_a_signature_that_waits_can_not_be_forgotten_on_its_own_page(world):
    signed = world.signature(world.petition())

    with pytest.raises(ConflictError):
        preferences.forget(world.runtime, world.manage_token(signed))


def test_the_owner_of_the_mailbox_gets_a_fresh_link_to_a_forgotten_signature_and_withdraws(world):
    slug = world.petition()
    signed = forgotten(world, slug)
    world.clock.forward(days=1)

    requests.request_mine(world.runtime, "zahra@example.org", network=None)
    world.admit()
    transport = MemoryTransport()
    deliverer = world.deliverer(transport=transport)
    deliverer.drain()
    deliverer.close()
    forgetting.forget_counted(world.runtime)

    [sent] = transport.sent
    found = re.search(r"/me/([\w.-]+)", message_from_bytes(sent.data, policy=policy.default).get_body().get_content())
    assert found is not None
    assert not readable(world, signed)
    preferences.withdraw(world.runtime, found[1])
    assert world.count(slug) == 0
