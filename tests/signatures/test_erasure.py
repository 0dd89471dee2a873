"""Erasure: what is left of one signer, what it still does, and that nobody is counted twice (A10, B9)."""

from datetime import UTC, date, datetime

import pytest

from campaign.accounts import accounts
from campaign.accounts.accounts import Role
from campaign.delivery import cleanup
from campaign.errors import AlreadySignedError, ConflictError
from campaign.petitions import petitions
from campaign.signatures import confirming, erasure, preferences, removal, statistics
from campaign.states import SignatureState
from tests.kit.worlds import START

PERSONAL = ("address", "name", "reason", "address_index", "person_index", "text_version_id", "consent_id", "form_id",
            "updates_consent_id", "confirmed_by", "updates_changed_at", "reminded_at", "mailbox_slot")  # fmt: skip
MIDNIGHT = START.replace(hour=0)


def erase(world, signature_id):
    preferences.erase(world.runtime, world.manage_token(signature_id))


def decline(world, signature_id):
    confirming.decline(world.runtime, world.confirm_token(signature_id))


def retain(world, signature_id):
    [(slug,)] = world.sql("select slug from petition")
    petitions.close(world.runtime, slug)
    world.clock.forward(days=91)
    cleanup.erase_old(world.runtime)


def expire(world, signature_id):
    world.clock.forward(days=8)
    cleanup.expire_signatures(world.runtime)


WAYS = {
    "the own page": (erase, True, "confirmed"),
    "the own page of a sign-up": (erase, False, "expired"),
    "this wasn't me": (decline, True, "withdrawn"),
    "this wasn't me, before confirming": (decline, False, "expired"),
    "retention": (retain, True, "confirmed"),
    "not confirmed in time": (expire, False, "expired"),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_erasing_leaves_no_person_no_place_no_language_and_no_hour(world, way):
    act, confirmed, state = WAYS[way]
    slug = world.petition(locales=("en", "fa"))
    form = {"reason": "They are my people.", "show_name": True, "wants_updates": True, "locale": "fa"}
    signed = world.signature(slug, confirmed=confirmed, **form)
    world.count(slug)

    act(world, signed)

    [row] = world.sql(f"select {', '.join(PERSONAL)} from signature")
    assert set(row) == {None}
    assert world.sql("select state, country, locale, nonce, show_name, wants_updates from signature") == [
        (state, "", "", b"", False, False)
    ]
    [moments] = world.sql("select requested_at, confirmed_at, ended_at, erased_at from signature")
    assert {moment.astimezone(UTC).time() for moment in moments if moment} == {MIDNIGHT.time()}
    assert moments[0] == MIDNIGHT
    assert world.count(slug) == (1 if state == "confirmed" else 0)


def test_the_ledger_keeps_the_day_alone_of_the_mail_that_an_erased_signer_caused(world):
    signed = world.signature(world.petition(), confirmed=True)
    deliverer = world.deliverer()
    deliverer.drain()
    deliverer.close()

    erase(world, signed)

    times = world.sql("select planned_at, due_at, settled_at from message")
    assert len(times) == 2
    assert {moment for row in times for moment in row} == {MIDNIGHT}


def test_what_was_agreed_to_is_kept_apart_from_the_mark_and_counted_by_day(world):
    slug = world.petition()
    for number in range(3):
        erase(world, world.signature(slug, f"p{number}@example.org", confirmed=True, wants_updates=number == 0))
    erase(world, world.signature(slug, "never@example.org"))

    kept = world.sql("""
        select c.purpose, c.locale, p.method, p.agreed_on, p.number from consent_proof p
        join consent_text c on c.id = p.consent_id join text_version t on t.id = p.text_version_id order by 1""")

    assert kept == [("sign", "en", "button", date(2026, 11, 22), 3), ("updates", "en", "button", date(2026, 11, 22), 1)]


def test_erasing_and_signing_again_five_times_counts_once(world):
    slug = world.petition()
    signed = world.signature(slug, confirmed=True)
    assert world.count(slug) == 1

    for _ in range(5):
        erase(world, signed)
        world.clock.forward(days=6)
        signed = world.signature(slug, confirmed=True)
        assert world.count(slug) == 1

    assert world.sql("select recounted from count_change where recounted <> 0") == []
    assert world.sql("select count(*) from signature where counted") == [(1,)]
    assert world.sql("select sum(confirmed), sum(withdrawn) from count_change") == [(1, 0)]
    preferences.withdraw(world.runtime, world.manage_token(signed))
    assert world.count(slug) == 0


def test_who_erases_and_signs_again_before_the_counter_looked_counts_once(world):
    slug = world.petition()
    erase(world, world.signature(slug, confirmed=True))
    world.signature(slug, confirmed=True)

    assert world.count(slug) == 1


def test_signing_again_keeps_the_new_name_consent_and_thank_you(world):
    slug = world.petition()
    erase(world, world.signature(slug, confirmed=True))

    again = world.signature(slug, name="ZAHRA", confirmed=True, wants_updates=True)

    page = preferences.own_page(world.runtime, world.manage_token(again))
    assert (page.name, page.state, page.wants_updates) == ("ZAHRA", SignatureState.CONFIRMED, True)
    assert world.sql(
        "select kind from message where signature_id = %(id)s and state = 'planned' order by id", id=again
    ) == [("confirmation",), ("thank_you",)]
    assert world.count(slug) == 1


def test_a_couple_at_one_mailbox_stays_two_whoever_of_them_erases(world):
    slug = world.petition()
    zahra = world.signature(slug, name="Zahra Ahmadi", confirmed=True)
    world.signature(slug, name="Reza Karimi", confirmed=True)
    assert world.count(slug) == 2

    erase(world, zahra)
    assert world.count(slug) == 2
    world.signature(slug, name="Zahra Ahmadi", confirmed=True)

    assert world.count(slug) == 2


def test_one_erased_leaves_room_for_the_other_of_the_couple(world):
    slug = world.petition()
    erase(world, world.signature(slug, name="Zahra Ahmadi", confirmed=True))

    world.signature(slug, name="Reza Karimi", confirmed=True)

    assert world.count(slug) == 2


def test_a_mailbox_counts_two_at_most_whatever_names_are_erased_and_typed(world):
    slug = world.petition()
    for number, name in enumerate(["Zahra Ahmadi", "Reza Karimi", "Mahdi Rezai", "Sakina Hosseini"]):
        world.clock.forward(days=7)
        erase(world, world.signature(slug, name=name, confirmed=True))
        assert world.count(slug) == min(number + 1, 2)


def test_a_third_name_beside_two_who_stay_is_refused_as_before(world):
    slug = world.petition()
    third = world.signature(slug, name="Mahdi Rezai")
    for name in ("Zahra Ahmadi", "Reza Karimi"):
        world.clock.forward(days=1)
        world.signature(slug, name=name, confirmed=False)
        confirming.confirm(world.runtime, world.confirm_token(world.rows(slug, "zahra@example.org")[-1].id))

    with pytest.raises(AlreadySignedError):
        confirming.confirm(world.runtime, world.confirm_token(third))


def test_a_mark_meets_no_index_and_no_mark_of_another_petition(world):
    marks = []
    for slug in ("one", "two"):
        world.petition(slug)
        signed = world.signature(slug, confirmed=True)
        row = world.row(signed)
        erase(world, signed)
        [(mailbox, person)] = world.sql("select mailbox_mark, person_mark from signature where id = %(id)s", id=signed)
        marks += [mailbox, person, row.address_index, row.person_index]
        world.clock.forward(days=1)

    assert len(set(marks)) == 8


def test_who_withdrew_before_erasing_leaves_no_mark(world):
    signed = world.signature(world.petition(), confirmed=True)
    token = world.manage_token(signed)
    preferences.withdraw(world.runtime, token)
    preferences.erase(world.runtime, token)

    assert world.sql("select mailbox_mark, person_mark from signature") == [(None, None)]


def test_a_removed_signer_who_was_erased_and_signed_again_is_not_brought_back(world):
    slug = world.petition()
    signed = world.signature(slug, confirmed=True)
    token = world.manage_token(signed)
    petition_id = world.row(signed).petition_id
    world.sql("update signature set state = 'removed', ended_at = now(), ended_reason = 'other'")
    preferences.erase(world.runtime, token)
    world.signature(slug, confirmed=True)
    admin_id = accounts.create(world.runtime, email="admin@example.org", name="Admin", role=Role.ADMIN)
    admin = next(one for one in accounts.list_all(world.runtime) if one.id == admin_id)

    with pytest.raises(ConflictError):
        removal.restore(world.runtime, petition_id, signed, by=admin)

    assert world.count(slug) == 1


def test_erasing_takes_the_other_sign_ups_of_the_same_signer_along(world):
    slug = world.petition()
    kept = world.signature(slug, confirmed=True)
    world.clock.forward(days=1)
    world.sql("update message set state = 'accepted', settled_at = now()")
    token = world.manage_token(kept)
    with_reason = world.sign(slug, reason="Another reason")
    assert with_reason

    preferences.erase(world.runtime, token)

    assert world.sql("select count(*) from signature where name is not null or address is not null") == [(0,)]
    assert world.sql("select count(*) from sign_up_request where state <> 'asked'") == [(0,)]


def test_sign_ups_that_became_part_of_a_signature_lose_their_tie_with_it(world):
    slug = world.petition()
    first = world.signature(slug, reason="First")
    world.sign(slug, reason="Second")
    second = world.rows(slug, "zahra@example.org")[-1].id
    assert second != first
    confirming.confirm(world.runtime, world.confirm_token(second))
    assert world.sql("select replaced_by from signature where id = %(id)s", id=first) == [(second,)]

    erase(world, second)

    assert world.sql("select replaced_by, nonce, country, locale from signature where id = %(id)s", id=first) == [
        (None, b"", "", "")
    ]


def test_an_unsubscribe_link_of_an_erased_signer_still_opens(world):
    slug = world.petition(locales=("fa",))
    signed = world.signature(slug, confirmed=True, locale="fa")
    token = preferences.unsubscribe_token(world.runtime, signed)

    erase(world, signed)

    assert preferences.unsubscribe_page(world.runtime, token).locale == "fa"
    preferences.unsubscribe(world.runtime, token, everything=True)


def test_what_an_older_release_left_of_the_erased_is_removed_by_the_retention_job(world):
    slug = world.petition()
    signed = world.signature(slug, confirmed=True)
    world.sql("""
        update signature set address = null, name = null, reason = null, address_index = null, person_index = null,
            erased_at = now(), nonce = '' """)

    cleanup.erase_old(world.runtime)

    assert world.sql("select country, locale, requested_at, consent_id from signature") == [("", "", MIDNIGHT, None)]
    assert world.sql("select number from consent_proof") == [(1,)]
    assert world.state(signed) is SignatureState.CONFIRMED
    assert erasure.finish_older(world.runtime, limit=10) == 0


def test_the_statistics_of_a_day_hold_the_erased_and_those_of_an_hour_do_not(world):
    slug = world.petition()
    kept = world.signature(slug, "kept@example.org", confirmed=True)
    gone = world.signature(slug, "gone@example.org", confirmed=True)
    petition_id = world.row(kept).petition_id
    erase(world, gone)

    by_day = statistics.statistics(world.runtime, petition_id, statistics.Span.MONTH, zone="UTC")
    by_hour = statistics.statistics(world.runtime, petition_id, statistics.Span.HOURS, zone="UTC")

    assert (by_day.buckets[-1].asked, by_day.buckets[-1].confirmed, by_day.funnel.confirmed) == (2, 2, 2)
    assert [bucket.begin for bucket in by_hour.buckets if bucket.confirmed] == [datetime(2026, 11, 22, 10, tzinfo=UTC)]
    assert sum(bucket.confirmed for bucket in by_hour.buckets) == 1


def keys(world):
    return world.sql("select data_key is not null from petition order by id")


def test_the_key_of_a_closed_petition_is_destroyed_with_its_last_signer(world):
    slug = world.petition()
    first, last = (world.signature(slug, f"{who}@example.org", confirmed=True) for who in ("one", "two"))
    world.count(slug)
    erase(world, first)
    petitions.close(world.runtime, slug)
    assert keys(world) == [(True,)]

    erase(world, last)

    assert keys(world) == [(False,)]
    assert world.sql("select count(*) from audit_entry where action = 'petition.destroy_key'") == [(1,)]
    assert world.count(slug) == 2
    with pytest.raises(ConflictError):
        petitions.publish(world.runtime, slug)


def test_the_key_of_a_live_petition_stays_when_all_its_signers_are_erased(world):
    erase(world, world.signature(world.petition(), confirmed=True))

    assert keys(world) == [(True,)]


def test_retention_destroys_the_key_of_a_closed_petition_that_nobody_signed(world):
    petitions.close(world.runtime, world.petition("empty"))
    world.clock.forward(days=91)
    world.petition("later")

    cleanup.erase_old(world.runtime)

    assert keys(world) == [(False,), (True,)]
