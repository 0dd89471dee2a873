"""Tokens: one purpose, one answer to everything that does not fit, and keys that change (F33, F34, F35)."""

import base64
import string

import pytest

from campaign.accounts import sign_in
from campaign.errors import InvalidInputError, RequestGoneError, TokenRefusedError
from campaign.operations import backup_and_keys
from campaign.runtime import build
from campaign.security.encryption import DecryptionError
from campaign.security.tokens import REFUSED, Purpose
from campaign.settings import load_settings
from campaign.signatures import confirming, own_links, preferences, requests, signing
from campaign.states import SignatureState
from tests.kit.worlds import KEYS, World, settings_for

NEW_KEY = "k2:" + base64.b64encode(bytes(range(32, 64))).decode()
ALPHABET = string.ascii_letters + string.digits + "-_."


def refusal(act, *arguments):
    with pytest.raises(TokenRefusedError) as caught:
        act(*arguments)
    return str(caught.value)


def altered(token):
    """The token with each character replaced by its neighbour in the alphabet, cut, doubled and lengthened."""
    for position, character in enumerate(token):
        other = ALPHABET[(ALPHABET.index(character) + 1) % len(ALPHABET)]
        yield token[:position] + other + token[position + 1 :]
    yield from (token[:-1], token[1:], token + "A", token + "=", token * 2, "", ".", "é", "\ud800", "\0", "a" * 100_000)


@pytest.mark.parametrize("position_step", [1, 3, 7, 31])
def test_a_token_with_any_one_character_changed_is_refused_by_the_same_words(world, position_step):
    slug = world.petition()
    signed = world.signature(slug)
    token = world.confirm_token(signed)

    changed = []
    for position, character in enumerate(token):
        other = ALPHABET[(ALPHABET.index(character) + position_step) % len(ALPHABET)]
        changed.append(token[:position] + other + token[position + 1 :])
    answers = {refusal(confirming.confirm, world.runtime, bad) for bad in changed}

    assert answers == {REFUSED}
    assert world.state(signed) is SignatureState.PENDING


def test_every_token_of_every_purpose_is_refused_by_the_same_words_when_altered(world):
    slug = world.petition()
    signed = world.signature(slug, confirmed=True)
    runtime = world.runtime
    opened_by = {
        world.confirm_token(signed): (confirming.confirm, confirming.look_up_confirmation, confirming.decline),
        world.manage_token(signed): (preferences.own_page, preferences.withdraw, preferences.erase),
        preferences.unsubscribe_token(runtime, signed): (preferences.unsubscribe, preferences.unsubscribe_page),
    }

    answers = {
        refusal(act, runtime, bad) for token, acts in opened_by.items() for act in acts for bad in altered(token)
    }

    assert answers == {REFUSED}
    assert world.state(signed) is SignatureState.CONFIRMED


def test_expired_foreign_declined_and_altered_tokens_are_refused_by_the_same_words(world):
    slug = world.petition()
    expired, declined, confirmed = (
        world.signature(slug, f"{name}@example.org", name=name) for name in ("expired", "declined", "confirmed")
    )
    declined_token = world.confirm_token(declined)
    confirming.decline(world.runtime, declined_token)
    foreign = [
        world.runtime.tokens.issue(purpose, confirmed, world.row(confirmed).nonce)
        for purpose in Purpose
        if purpose is not Purpose.CONFIRM
    ]
    nobody = world.runtime.tokens.issue(Purpose.CONFIRM, 10**9, b"12345678")
    expired_token = world.confirm_token(expired)
    world.clock.forward(days=7, seconds=1)

    answers = {
        refusal(act, world.runtime, token)
        for act in (confirming.confirm, confirming.look_up_confirmation)
        for token in (expired_token, declined_token, nobody, *foreign)
    }

    assert answers == {REFUSED}


def test_a_sign_in_link_is_refused_by_the_same_words(world):
    assert refusal(sign_in.look_up_link, world.runtime, world.runtime.tokens.issue(Purpose.CONFIRM, 1)) == REFUSED


def test_a_link_works_on_its_last_day(world):
    slug = world.petition()
    signed = world.signature(slug)
    world.clock.forward(days=7)

    confirming.confirm(world.runtime, world.confirm_token(signed))

    assert world.state(signed) is SignatureState.CONFIRMED


def test_looking_at_every_link_ten_times_changes_nothing(world):
    slug = world.petition()
    signed = world.signature(slug, confirmed=True)
    waiting = world.signature(slug, "other@example.org")
    before = world.sql("select * from signature order by id"), world.sql("select * from message order by id")

    for _ in range(10):
        confirming.look_up_confirmation(world.runtime, world.confirm_token(waiting))
        confirming.look_up_confirmation(world.runtime, world.confirm_token(signed))
        preferences.own_page(world.runtime, world.manage_token(signed))
        preferences.export(world.runtime, world.manage_token(signed))
        preferences.unsubscribe_page(world.runtime, preferences.unsubscribe_token(world.runtime, signed))

    assert (world.sql("select * from signature order by id"), world.sql("select * from message order by id")) == before


def test_a_reference_of_another_petition_or_altered_opens_nothing(world):
    one, other = world.petition("one"), world.petition("other")
    ref = world.sign(other)

    for slug, bad in (
        (one, ref), (other, ""), (other, "A"), (other, ref[:-4]), (other, ("B" if ref[0] == "A" else "A") + ref[1:]),
        (other, "é"), (other, "\ud800"), (other, f"{ref}=="),
    ):  # fmt: skip
        for act in (requests.look_up, requests.form_of, requests.stored):
            with pytest.raises(RequestGoneError):
                act(world.runtime, slug, bad)


def test_a_stamp_is_of_one_petition_and_one_day(world):
    one, other = world.petition("one"), world.petition("other")
    stamp = signing.form_stamp(world.runtime, one, 17)

    def problem(slug, given):
        with pytest.raises(InvalidInputError) as caught:
            signing.read_stamp(world.runtime, slug, given)
        return caught.value.problems

    assert signing.read_stamp(world.runtime, one, stamp) == 17
    assert problem(other, stamp) == {"stamp": "expired"}
    for bad in ("", "x", stamp + "x", stamp.replace("17", "18"), "é", "\ud800", "\0"):
        assert problem(one, bad) == {"stamp": "expired"}
    world.clock.forward(hours=24, seconds=1)
    assert problem(one, stamp) == {"stamp": "expired"}


def world_with(world, keys):
    settings = settings_for(world.runtime.settings.database_url, world.runtime.settings.data)
    runtime = build(settings.replace(keys=load_settings({"COUNTERSIGN_KEYS": keys}).keys), clock=world.clock)
    return World(runtime, world.clock)


def test_links_mailed_under_the_old_key_work_after_a_rotation_and_new_ones_after_its_end(world):
    slug = world.petition()
    signed, later = world.signature(slug), world.signature(slug, "later@example.org")
    old_confirm, old_unsubscribe = world.confirm_token(signed), preferences.unsubscribe_token(world.runtime, signed)
    both = world_with(world, f"{NEW_KEY},{KEYS}")

    confirming.confirm(both.runtime, old_confirm)
    preferences.unsubscribe(both.runtime, old_unsubscribe)
    new = both.confirm_token(later)

    assert new != world.confirm_token(later)
    refusal(confirming.confirm, world.runtime, new)
    confirming.confirm(both.runtime, new)
    both.runtime.close()


def test_rewrapping_lets_the_old_key_go_and_keeps_all_that_was_encrypted(world):
    slug = world.petition()
    for number in range(3):
        world.petition(f"more-{number}")
    signed = world.signature(slug, name="Zahra Ahmadi", confirmed=True)
    manage = own_links.manage_token
    stable = world.runtime.secrets.address_key("zahra@example.org")
    both = world_with(world, f"{NEW_KEY},{KEYS}")

    first, second = backup_and_keys.rewrap(both.runtime), backup_and_keys.rewrap(both.runtime)

    alone = world_with(world, NEW_KEY)
    page = preferences.own_page(alone.runtime, manage(alone.runtime, signed, alone.row(signed).nonce))
    assert (first, second) == (6, 0)
    assert (page.name, page.email) == ("Zahra Ahmadi", "zahra@example.org")
    assert alone.runtime.secrets.address_key("zahra@example.org") == stable
    assert alone.code(signed) == world.code(signed)
    alone.sign(slug, "another@example.org")
    for made in (both, alone):
        made.runtime.close()


def test_rewrapping_in_many_slices_reaches_every_petition(world):
    world.petition()
    world.sql("""
        insert into petition (slug, state, default_locale, author, data_key_id, data_key)
        select 'copy-' || n, 'draft', 'en', 'x', data_key_id, data_key from petition, generate_series(1, 250) n""")
    both = world_with(world, f"{NEW_KEY},{KEYS}")

    assert backup_and_keys.rewrap(both.runtime) == 253

    assert world.sql("select distinct data_key_id from petition") == [("k2",)]
    both.runtime.close()


def test_a_key_that_is_missing_is_named_and_nothing_starts(world):
    world.petition()

    with pytest.raises(DecryptionError, match="'k1'"):
        world_with(world, NEW_KEY)


def test_a_rotation_that_stopped_halfway_still_refuses_to_start_without_the_old_key(world):
    world.petition()
    both = world_with(world, f"{NEW_KEY},{KEYS}")
    backup_and_keys.rewrap(both.runtime)
    both.runtime.close()
    old = world_with(world, f"{KEYS},{NEW_KEY}")
    backup_and_keys.rewrap(old.runtime)
    old.runtime.close()

    with pytest.raises(DecryptionError):
        world_with(world, NEW_KEY)
