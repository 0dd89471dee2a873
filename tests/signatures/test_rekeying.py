"""Signatures made under another rule for Gmail addresses are found again under the one of today."""

import pytest

from campaign.signatures import confirming, lists, rekeying
from tests.kit.worlds import make_world

DOTTED = "z.ahmadi+news@gmail.com"
PLAIN = "zahmadi@gmail.com"


@pytest.fixture
def before_and_now(database_url, tmp_path):
    """The world of when dots counted, and of today."""
    worlds = [make_world(database_url, tmp_path, gmail_rules=rules) for rules in ("no", "yes")]
    yield worlds
    for world in worlds:
        world.runtime.close()


def found(world, slug, email=PLAIN):
    petition = world.opened(slug).petition.id
    return {line.id for line in lists.search(world.runtime, petition, email)}


def test_an_old_signature_with_dots_is_found_by_search_and_code_after_one_pass(before_and_now):
    before, now = before_and_now
    slug = before.petition()
    dotted, other = before.signature(slug, DOTTED), before.signature(slug, "z.a@example.org")
    before.deliver()
    lost = found(now, slug)

    changed = [rekeying.rekey(now.runtime), rekeying.rekey(now.runtime)]

    assert (lost, changed) == (set(), [1, 0])
    assert found(now, slug) == found(now, slug, DOTTED) == {dotted}
    assert found(now, slug, "z.a@example.org") == {other}
    confirmed = confirming.confirm_with_code(now.runtime, slug, code=now.code(dotted), email=PLAIN)
    assert confirmed is not None
    assert str(now.state(dotted)) == "confirmed"


def test_the_page_of_a_sign_up_from_before_still_takes_its_code(before_and_now):
    before, now = before_and_now
    slug = before.petition()
    ref = before.sign(slug, DOTTED)
    [row] = before.rows(slug, DOTTED)
    before.deliver()

    rekeying.rekey(now.runtime)

    confirming.confirm_with_code(now.runtime, slug, code=now.code(row.id), ref=ref)
    assert str(now.state(row.id)) == "confirmed"


def test_who_confirmed_under_both_spellings_stays_counted_and_both_are_found(before_and_now):
    before, now = before_and_now
    slug = before.petition()
    ids = {before.signature(slug, email, confirmed=True) for email in (PLAIN, DOTTED)}
    third = before.signature(slug, "z.ahmadi@gmail.com", name="Omid", confirmed=True)

    changed = rekeying.rekey(now.runtime)

    # Two places are at a mailbox: the third keeps the key that it has.
    assert changed == 1
    assert found(now, slug) == ids
    assert {str(now.state(one)) for one in (*ids, third)} == {"confirmed"}
    assert now.count(slug) == 3


def test_the_same_person_may_not_sign_again_with_the_dots_left_out(before_and_now):
    before, now = before_and_now
    slug = before.petition()
    before.signature(slug, DOTTED, confirmed=True)
    rekeying.rekey(now.runtime)

    again = now.admit() if now.ask(slug, PLAIN) else None

    assert again == {"already_signed": 1}


def test_a_pass_that_is_broken_off_goes_on_and_another_rule_begins_another(before_and_now):
    before, now = before_and_now
    slug = before.petition()
    dotted = before.signature(slug, DOTTED)
    assert rekeying.rekey(now.runtime, seconds=0) == 0

    changed = [rekeying.rekey(world.runtime) for world in (now, now, before, now)]

    assert changed == [1, 0, 1, 1]
    assert found(now, slug) == {dotted}
