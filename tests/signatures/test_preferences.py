"""Withdraw, unsubscribe, decline, erase: effective for everything that is not on the wire yet (P4, F31, F32, F55)."""

import pytest

from campaign import errors
from campaign.accounts import addresses
from campaign.delivery import cleanup
from campaign.delivery.composer import Composer
from campaign.errors import ConflictError, TokenRefusedError
from campaign.petitions import petitions
from campaign.signatures import confirming, petition_page, preferences
from campaign.states import Lane, MessageKind, SignatureState
from tests.kit import servers
from tests.kit.memory_transport import MemoryTransport, accepted
from tests.kit.worlds import PatientDeliverer


def send(world, script=accepted):
    transport = MemoryTransport(script=script)
    deliverer = world.deliverer(transport=transport)
    deliverer.drain()
    deliverer.close()
    return transport.sent


def messages(world):
    return world.sql("select kind, state, reason from message order by id")


ENDINGS = {
    "withdraw": (lambda world, signed: preferences.withdraw(world.runtime, world.manage_token(signed)), "withdrawn"),
    "erase": (lambda world, signed: preferences.erase(world.runtime, world.manage_token(signed)), "erased"),
}


@pytest.mark.parametrize("way", ENDINGS)
def test_what_is_planned_for_a_person_who_leaves_is_cancelled_and_says_why(world, way):
    signed = world.signature(world.petition(), confirmed=True)
    end, reason = ENDINGS[way]

    end(world, signed)

    assert messages(world)[-1] == ("thank_you", "cancelled", reason)
    assert send(world) == []


@pytest.mark.parametrize("way", ENDINGS)
def test_who_leaves_between_claim_and_wire_gets_nothing(world, way):
    signed = world.signature(world.petition(), confirmed=True)
    end, reason = ENDINGS[way]
    transport = MemoryTransport()

    class Slow(Composer):
        def compose(self, *arguments, **named):
            # It is claimed and rendered, and about to be sent.
            envelope = super().compose(*arguments, **named)
            if arguments[0].kind is MessageKind.THANK_YOU:
                end(world, signed)
            return envelope

    PatientDeliverer(world.runtime, Lane.URGENT, composer=Slow(world.runtime), transport=transport).drain()

    assert transport.sent == []
    assert ("thank_you", "suppressed", reason) in messages(world)


@pytest.mark.parametrize("way", ENDINGS)
def test_who_leaves_while_a_retry_waits_gets_nothing_and_the_task_ends(world, way):
    signed = world.signature(world.petition(), confirmed=True)
    send(world, servers.greylisting)

    ENDINGS[way][0](world, signed)
    world.clock.forward(hours=1)

    assert send(world) == []
    assert {state for _, state, _ in messages(world)} <= {"cancelled", "suppressed"}


def test_who_is_erased_while_a_mail_is_on_the_wire_gets_no_second_attempt(world):
    signed = world.signature(world.petition(), confirmed=True)

    def script(envelope):
        if world.row(signed).address is not None:
            preferences.erase(world.runtime, world.manage_token(signed))
        return servers.greylisting(envelope)

    send(world, script)
    world.clock.forward(hours=1)

    assert send(world) == []
    assert ("thank_you", "suppressed", "erased") in messages(world)


def test_erasing_leaves_no_trace_of_the_person_and_the_count_as_it_was(world):
    slug = world.petition()
    signed = world.signature(slug, name="Zahra Ahmadi", reason="Because", show_name=True, confirmed=True)
    token, confirm_token = world.manage_token(signed), world.confirm_token(signed)
    assert world.count(slug) == 1

    preferences.erase(world.runtime, token)

    row = world.row(signed)
    assert (row.address, row.name, row.reason, row.address_index, row.person_index) == (None,) * 5
    assert row.state is SignatureState.CONFIRMED
    assert world.count(slug) == 1
    assert petition_page.show(world.runtime, slug, "en").signers == ()
    for act, link in ((preferences.own_page, token), (confirming.confirm, confirm_token), (preferences.erase, token)):
        with pytest.raises(TokenRefusedError):
            act(world.runtime, link)


def test_erasing_a_waiting_signature_ends_it(world):
    slug = world.petition()
    signed = world.signature(slug)

    preferences.erase(world.runtime, world.manage_token(signed))

    assert world.state(signed) is SignatureState.EXPIRED
    assert world.count(slug) == 0
    assert messages(world) == [("confirmation", "cancelled", "erased")]


def test_withdrawing_and_signing_again_counts_once_and_thanks_again(world):
    slug = world.petition()
    signed = world.signature(slug, confirmed=True)
    assert world.count(slug) == 1
    preferences.withdraw(world.runtime, world.manage_token(signed))
    assert world.count(slug) == 0

    again = world.signature(slug, confirmed=True)

    assert again != signed
    assert world.count(slug) == 1
    assert world.state(signed) is SignatureState.WITHDRAWN
    assert world.sql("select count(*) from message where kind = 'thank_you'") == [(2,)]


def test_a_pending_signature_can_be_declined_or_erased_but_not_withdrawn(world):
    signed = world.signature(world.petition())

    with pytest.raises(ConflictError):
        preferences.withdraw(world.runtime, world.manage_token(signed))


def test_declining_a_confirmed_signature_withdraws_and_erases_it(world):
    slug = world.petition()
    signed = world.signature(slug, confirmed=True)
    token = world.confirm_token(signed)
    before = world.count(slug)

    confirming.decline(world.runtime, token)

    assert (before, world.count(slug)) == (1, 0)
    assert world.state(signed) is SignatureState.WITHDRAWN
    assert (world.row(signed).address, world.row(signed).name) == (None, None)
    assert messages(world)[-1] == ("thank_you", "cancelled", "declined")
    with pytest.raises(TokenRefusedError):
        confirming.decline(world.runtime, token)


def test_ten_one_clicks_make_one_change(world):
    signed = world.signature(world.petition(), wants_updates=True, confirmed=True)
    token = preferences.unsubscribe_token(world.runtime, signed)
    preferences.one_click(world.runtime, token)
    changed = world.row(signed).updates_changed_at

    for _ in range(9):
        world.clock.forward(minutes=1)
        preferences.one_click(world.runtime, token)

    assert world.row(signed).wants_updates is False
    assert world.row(signed).updates_changed_at == changed


@pytest.mark.parametrize("token", ["", "x", "a.b", "\0", "é", "\ud800", "A" * 10_000])
def test_one_click_with_an_unknown_token_is_answered_alike_and_changes_nothing(world, token):
    signed = world.signature(world.petition(), wants_updates=True, confirmed=True)

    preferences.one_click(world.runtime, token)

    assert world.row(signed).wants_updates is True


def test_an_unsubscribe_link_works_after_years_and_after_erasure(world):
    signed = world.signature(world.petition(), wants_updates=True, confirmed=True)
    token = preferences.unsubscribe_token(world.runtime, signed)
    world.clock.forward(days=3000)
    preferences.one_click(world.runtime, token)
    assert world.row(signed).wants_updates is False
    preferences.erase(world.runtime, world.manage_token(signed))

    preferences.unsubscribe(world.runtime, token, everything=True)

    assert preferences.unsubscribe_page(world.runtime, token).wants_updates is False


def test_unsubscribing_from_everything_is_kept_for_petitions_signed_later(world):
    signed = world.signature(world.petition(), confirmed=True)
    token = preferences.unsubscribe_token(world.runtime, signed)

    preferences.unsubscribe(world.runtime, token, everything=True)
    preferences.unsubscribe(world.runtime, token, everything=True)

    canonical = addresses.parse("Zahra@Example.org").canonical
    assert world.sql("select address_key, reason, petition_id from suppression") == [
        (world.runtime.secrets.address_key(canonical), "unsubscribe", None)
    ]
    world.clock.forward(hours=1)
    world.sign(world.petition("another"))
    assert len(send(world)) == 2  # the thank-you and the confirmation: a person asked for both


def test_a_correction_to_the_other_person_of_the_mailbox_is_refused(world):
    slug = world.petition()
    world.signature(slug, name="Ali", confirmed=True)
    signed = world.signature(slug, name="Zahra", confirmed=True)

    with pytest.raises(errors.InvalidInputError) as caught:
        preferences.correct(world.runtime, world.manage_token(signed), name="ALI", country="DE", reason="")

    assert caught.value.problems == {"name": "taken"}


def test_confirming_counts_for_a_day_after_the_petition_closed(world):
    slug = world.petition()
    in_time, late = world.signature(slug), world.signature(slug, "late@example.org")
    petitions.close(world.runtime, slug)

    world.clock.forward(hours=23, minutes=59)
    confirming.confirm(world.runtime, world.confirm_token(in_time))
    world.clock.forward(minutes=2)
    with pytest.raises(TokenRefusedError):
        confirming.confirm(world.runtime, world.confirm_token(late))

    assert world.count(slug) == 1


def test_nobody_signs_a_closed_petition(world):
    slug = world.petition()
    petitions.close(world.runtime, slug)

    with pytest.raises(ConflictError):
        world.sign(slug)


def test_who_does_not_confirm_in_a_week_is_erased_and_nothing_more_is_mailed(world):
    slug = world.petition()
    signed = world.signature(slug, reason="Because")
    send(world, servers.greylisting)
    world.clock.forward(days=7, seconds=1)

    first, second = cleanup.expire_signatures(world.runtime), cleanup.expire_signatures(world.runtime)

    row = world.row(signed)
    assert (first, second) == (1, 0)
    assert (row.state, row.address, row.name, row.reason) == (SignatureState.EXPIRED, None, None, None)
    assert messages(world) == [("confirmation", "cancelled", "not_confirmed")]


def test_a_signature_that_waits_a_day_is_reminded_once(world):
    world.signature(world.petition())
    send(world)
    too_early = cleanup.remind(world.runtime)
    world.clock.forward(hours=24, seconds=1)

    reminded = [cleanup.remind(world.runtime) for _ in range(3)]
    world.clock.forward(days=2)
    reminded.append(cleanup.remind(world.runtime))

    assert too_early == 0
    assert reminded == [1, 0, 0, 0]
    assert len(send(world)) == 1


def test_nobody_is_reminded_on_the_last_day_or_of_a_closed_petition(world):
    slug = world.petition()
    world.signature(slug)
    closed = world.petition("closed")
    world.signature(closed, "other@example.org")
    petitions.close(world.runtime, closed)
    world.clock.forward(days=2)
    assert cleanup.remind(world.runtime) == 1
    late = world.petition("late")
    world.signature(late, "late@example.org")

    world.clock.forward(days=6, seconds=1)

    assert cleanup.remind(world.runtime) == 0


def test_hundreds_who_wait_are_reminded_in_one_run(world):
    slug = world.petition()
    signed = world.signature(slug)
    world.sql(
        """
        insert into signature (id, petition_id, text_version_id, consent_id, state, locale, country, show_name,
            wants_updates, nonce, address_index, person_index, address, name, requested_at)
        select 100000 + n, petition_id, text_version_id, consent_id, state, locale, country, show_name, wants_updates,
            nonce, decode(md5(n::text), 'hex'), decode(md5(n::text), 'hex'), null, null, requested_at
        from signature, generate_series(1, 450) n where id = %(id)s""",
        id=signed,
    )
    world.clock.forward(days=2)

    cleanup.remind(world.runtime)

    assert world.sql("select count(*) from signature where reminded_at is null") == [(0,)]


def test_retention_erases_in_batches_ninety_days_after_the_close_and_keeps_count_and_consent(world):
    slug = world.petition()
    first = world.signature(slug, confirmed=True)
    world.sql(
        """
        insert into signature (id, petition_id, text_version_id, consent_id, state, locale, country, show_name,
            wants_updates, nonce, address_index, person_index, address, name, requested_at, confirmed_at, mailbox_slot)
        select 100000 + n, petition_id, text_version_id, consent_id, state, locale, country, show_name, wants_updates,
            nonce, decode(md5(n::text), 'hex'), decode(md5(n::text), 'hex'), address, name, requested_at, confirmed_at,
            1
        from signature, generate_series(1, 450) n where id = %(id)s""",
        id=first,
    )
    assert world.count(slug) == 451
    petitions.close(world.runtime, slug)
    world.clock.forward(days=90)
    too_early = cleanup.erase_old(world.runtime)
    world.clock.forward(seconds=1)

    erased = [cleanup.erase_old(world.runtime) for _ in range(2)]

    assert too_early == 0
    assert erased == [451, 0]
    assert world.count(slug) == 451
    assert world.sql("""
        select count(*) from signature where address is null and name is null and address_index is null
            and person_index is null and consent_id is null and text_version_id is null and country = ''
        """) == [(451,)]
    assert world.sql("select sum(number) from consent_proof") == [(451,)]
    assert (
        world.sql("select state, reason from message where state <> 'suppressed'") == [("cancelled", "retention")] * 2
    )


def test_every_ending_leaves_the_ledger_balanced_for_each_kind(world):
    slug = world.petition()
    for number in range(8):
        signed = world.signature(slug, f"p{number}@example.org", confirmed=number % 2 == 0)
        if number == 4:
            preferences.withdraw(world.runtime, world.manage_token(signed))
        if number == 5:
            confirming.decline(world.runtime, world.confirm_token(signed))
    scripts = [servers.greylisting, servers.refusing(550, "5.1.1"), servers.silent_after_the_dot]
    send(world, servers.in_turn(*scripts))
    world.clock.forward(seconds=1)

    totals = dict(world.sql("select kind::text, count(*) from message group by 1"))
    by_state = world.sql("""
        select kind::text, sum(case when state in
            ('accepted', 'rejected', 'suppressed', 'cancelled', 'uncertain', 'planned', 'claimed', 'submitting')
            then 1 else 0 end) from message group by 1""")
    settled = world.sql("select count(*) from message where (settled_at is null) <> (state = 'planned')")

    assert totals == {kind: int(number) for kind, number in by_state}
    assert totals["confirmation"] == 8
    assert settled == [(0,)]


def test_a_withdrawn_signature_can_not_be_changed(world):
    signed = world.signature(world.petition(), confirmed=True)
    token = world.manage_token(signed)
    preferences.withdraw(world.runtime, token)

    with pytest.raises(ConflictError):
        preferences.set_name_shown(world.runtime, token, show_name=True)
    with pytest.raises(ConflictError):
        preferences.correct(world.runtime, token, name="Another Name", country="DE", reason="")

    assert world.sql("select show_name from signature") == [(False,)]
