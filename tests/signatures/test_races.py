"""Everything that people, scanners and scripts may do at the same moment."""

from campaign.errors import AlreadySignedError
from campaign.signatures import confirming, preferences
from campaign.states import SignatureState
from tests.kit.racing import at_once

TIMES = 20


def test_twenty_presses_of_sign_make_one_signature_and_one_confirmation(world):
    slug = world.petition()

    answers = at_once(TIMES, lambda _: world.sign(slug, network="203.0.113.7"))

    assert all(isinstance(answer, str) for answer in answers), answers
    assert world.sql("select count(*) from signature") == [(1,)]
    assert world.sql("select kind, state from message") == [("confirmation", "planned")]
    assert world.sql("select count(*) from consent_text") == [(1,)]


def test_twenty_people_sign_at_once_in_a_language_that_nobody_signed_in_before(world):
    slug = world.petition(locales=("en", "fa"))

    answers = at_once(TIMES, lambda n: world.sign(slug, f"p{n}@example.org", locale="fa", wants_updates=True))

    assert all(isinstance(answer, str) for answer in answers), answers
    assert world.sql("select count(*) from signature") == [(TIMES,)]
    assert world.sql("select purpose, count(*) from consent_text group by purpose order by 1") == [
        ("sign", 1), ("updates", 1),
    ]  # fmt: skip


def test_a_consent_is_not_remembered_from_a_transaction_that_was_undone(world):
    slug = world.petition()
    world.sql("create or replace function refuse() returns trigger language plpgsql as $$begin raise 'no'; end$$")
    world.sql("create trigger refuse before insert on sign_up_request for each row execute function refuse()")
    try:
        at_once(1, lambda _: world.sign(slug))
    finally:
        world.sql("drop function refuse cascade")

    world.sign(slug)

    assert world.sql("select count(*) from signature") == [(1,)]


def test_twenty_presses_of_confirm_count_once_and_thank_once(world):
    slug = world.petition()
    token = world.confirm_token(world.signature(slug))

    answers = at_once(TIMES, lambda _: confirming.confirm(world.runtime, token))

    assert answers == [confirming.Confirmed(slug, "en")] * TIMES
    assert world.count(slug) == 1
    assert world.sql("select count(*) from message where kind = 'thank_you'") == [(1,)]


def test_button_and_code_together_confirm_once(world):
    slug = world.petition()
    signed = world.signature(slug)
    world.deliver()
    token, code = world.confirm_token(signed), world.code(signed)

    answers = at_once(
        TIMES,
        lambda n: (
            confirming.confirm(world.runtime, token)
            if n % 2
            else confirming.confirm_with_code(world.runtime, slug, code=code, email="zahra@example.org")
        ),
    )

    assert answers == [confirming.Confirmed(slug, "en")] * TIMES
    assert world.sql("select count(*) from message where kind = 'thank_you'") == [(1,)]


def test_of_three_people_with_one_mailbox_two_are_confirmed_however_they_press(world):
    slug = world.petition()
    tokens = [world.confirm_token(world.signature(slug, name=name)) for name in ("Zahra", "Ali", "Maryam")]

    answers = at_once(3, lambda n: confirming.confirm(world.runtime, tokens[n]))

    assert sum(isinstance(answer, AlreadySignedError) for answer in answers) == 1, answers
    assert sum(isinstance(answer, confirming.Confirmed) for answer in answers) == 2
    assert sorted(world.sql("select state, mailbox_slot from signature")) == [
        ("confirmed", 1), ("confirmed", 2), ("pending", None),
    ]  # fmt: skip
    assert world.count(slug) == 2


def test_a_guesser_with_twenty_threads_has_five_tries(world):
    slug = world.petition()
    signed = world.signature(slug)
    world.deliver()
    right = int(world.code(signed))

    at_once(
        TIMES,
        lambda n: confirming.confirm_with_code(
            world.runtime, slug, code=f"{(right + 1 + n) % 1_000_000:06d}", email="zahra@example.org"
        ),
    )

    assert world.state(signed) is SignatureState.PENDING
    assert world.sql("select tries from code_guess") == [(TIMES,)] * 2


def test_confirm_and_decline_at_once_leave_one_clear_state(world):
    slug = world.petition()
    token = world.confirm_token(world.signature(slug))

    at_once(
        8,
        lambda n: confirming.confirm(world.runtime, token) if n % 2 else confirming.decline(world.runtime, token),
    )

    [(state, erased)] = world.sql("select state, address is null from signature")
    # Declining after the button withdraws.
    assert (state, erased) in {("expired", True), ("withdrawn", True)}
    assert world.count(slug) == 0


def test_twenty_withdrawals_take_one_from_the_count(world):
    slug = world.petition()
    world.signature(slug, "other@example.org", confirmed=True)
    signed = world.signature(slug, confirmed=True)
    token = world.manage_token(signed)
    assert world.count(slug) == 2

    at_once(TIMES, lambda _: preferences.withdraw(world.runtime, token))

    assert world.count(slug) == 1
