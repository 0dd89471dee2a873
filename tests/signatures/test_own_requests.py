"""A link confirms what was typed with it, and only that; one signer counts once, whatever is pressed (B3, A11)."""

import pytest

from campaign.errors import AlreadySignedError, InvalidInputError, TokenRefusedError
from campaign.signatures import confirming, requests, signing
from campaign.signatures.codes import digits_of
from campaign.signatures.near_names import is_near
from campaign.states import SignatureState

MINE = {"name": "Zahra Ahmadi", "reason": "I swim.", "country": "DE"}
THEIRS = {"reason": "I hate rivers.", "country": "PK", "show_name": True, "wants_updates": True}


def shown(world, signed):
    return confirming.look_up_confirmation(world.runtime, world.confirm_token(signed))


def press(world, signed, **how):
    return confirming.confirm(world.runtime, world.confirm_token(signed), **how)


def form_of(world, slug, signed):
    row, key = world.row(signed), world.opened(slug).open_key
    name, reason = (
        blob and key.open(blob, place=f"signature.{column}.{signed}")
        for column, blob in (("name", row.name), ("reason", row.reason))
    )
    return {
        "name": name, "reason": reason, "country": row.country,
        "show_name": row.show_name, "wants_updates": row.wants_updates,
    }  # fmt: skip


@pytest.mark.parametrize("name", ["Zahra Ahmadi", "zahra  AHMADI", "Zahra Ahmady", "Ahmadi Zahra"])
def test_a_strangers_later_form_changes_nothing_that_an_earlier_link_confirms(world, name):
    slug = world.petition()
    mine = world.signature(slug, **MINE)
    world.sign(slug, name=name, **THEIRS)

    page = shown(world, mine)
    press(world, mine)

    assert (page.name, page.reason, page.show_name, page.wants_updates) == ("Zahra Ahmadi", "I swim.", False, False)
    assert form_of(world, slug, mine) == MINE | {"show_name": False, "wants_updates": False}
    assert world.count(slug) == 1


def test_a_strangers_later_form_changes_nothing_that_an_earlier_code_confirms(world):
    slug = world.petition()
    mine = world.signature(slug, **MINE)
    world.sign(slug, name="Zahra Ahmadi", **THEIRS)
    world.deliver()

    confirming.confirm_with_code(world.runtime, slug, code=world.code(mine), email="zahra@example.org")

    assert form_of(world, slug, mine) == MINE | {"show_name": False, "wants_updates": False}


def test_a_later_link_replaces_the_form_and_the_count_stays(world):
    slug = world.petition()
    first = world.signature(slug, **(MINE | {"name": "Zahra Ahmdi"}))
    second = world.signature(slug, **MINE, wants_updates=True)
    press(world, first)
    world.count(slug)

    page = shown(world, second)
    press(world, second)

    assert (page.name, page.near_name, page.may_be_other) == ("Zahra Ahmadi", "Zahra Ahmdi", True)
    assert form_of(world, slug, first) == MINE | {"show_name": False, "wants_updates": True}
    assert world.state(second) is SignatureState.EXPIRED
    assert world.count(slug) == 1
    assert world.sql("select count(*) from message where kind = 'thank_you'") == [(1,)]


def test_an_earlier_link_pressed_after_a_later_one_changes_nothing(world):
    slug = world.petition()
    first = world.signature(slug, **(MINE | {"name": "Zahra Ahmdi"}))
    second = world.signature(slug, **MINE)
    press(world, second)

    page = shown(world, first)
    press(world, first)

    assert page.is_older
    assert form_of(world, slug, second) == MINE | {"show_name": False, "wants_updates": False}
    assert world.count(slug) == 1


def test_earlier_sign_ups_of_the_same_name_end_with_a_later_link_and_their_links_lead_to_it(world):
    slug = world.petition()
    first, second = world.signature(slug, **MINE), world.signature(slug, **(MINE | {"reason": "I dive."}))

    press(world, second)

    assert world.state(first) is SignatureState.EXPIRED
    assert (world.sql("select address, name, reason from signature where id = %(id)s", id=first)) == [(None,) * 3]
    assert world.sql("select state, reason from message where signature_id = %(id)s", id=first) == [
        ("cancelled", "replaced")
    ]
    assert world.row(first).nonce
    assert shown(world, first).state is SignatureState.CONFIRMED
    assert world.count(slug) == 1


def test_two_people_with_near_names_and_one_mailbox_both_count_if_they_say_so(world):
    slug = world.petition()
    ids = [world.signature(slug, name=name) for name in ("Hassan Rezaei", "Hossan Rezaei")]
    press(world, ids[0])

    press(world, ids[1], is_other=True)

    assert [world.state(signed) for signed in ids] == [SignatureState.CONFIRMED] * 2
    assert world.count(slug) == 2


def test_the_same_name_is_one_person_whatever_is_said(world):
    slug = world.petition()
    ids = [world.signature(slug, name="Zahra", reason=reason) for reason in ("One.", "Other.")]
    press(world, ids[0])

    press(world, ids[1], is_other=True)

    assert world.count(slug) == 1


def test_names_that_are_not_near_are_not_asked_about(world):
    slug = world.petition()
    press(world, world.signature(slug, name="Zahra"))

    assert shown(world, world.signature(slug, name="Ali")).near_name == ""


def test_a_full_mailbox_takes_a_correction_but_no_third_person(world):
    slug = world.petition()
    for name in ("Zahra Ahmadi", "Ali Ahmadi"):
        press(world, world.signature(slug, name=name))
        world.clock.forward(minutes=11)

    corrected = world.signature(slug, name="Zahra Ahmady")
    press(world, corrected)
    later = world.sign(slug, name="Maryam")

    assert later
    assert world.count(slug) == 2
    assert sorted(form_of(world, slug, row.id)["name"] for row in world.rows(slug, "zahra@example.org")) == [
        "Ali Ahmadi", "Zahra Ahmady",
    ]  # fmt: skip


def test_a_near_name_at_a_full_mailbox_can_not_be_a_third_person(world):
    slug = world.petition()
    ids = [world.signature(slug, name=name) for name in ("Hassan Rezaei", "Ali Rezaei", "Hossan Rezaei")]
    for signed in ids[:2]:
        press(world, signed)

    with pytest.raises(AlreadySignedError):
        press(world, ids[2], is_other=True)

    assert world.count(slug) == 2


def test_a_correction_before_confirming_is_what_the_link_then_confirms(world):
    slug = world.petition()
    signed = world.signature(slug, **MINE)
    token = world.confirm_token(signed)

    confirming.correct(
        world.runtime, token, signing.SignForm(name="Zahra Ahmadzai", email="else@example.org", country="AT")
    )
    press(world, signed)

    assert form_of(world, slug, signed) == {
        "name": "Zahra Ahmadzai", "reason": None, "country": "AT", "show_name": False, "wants_updates": False,
    }  # fmt: skip
    assert [row.id for row in world.rows(slug, "zahra@example.org")] == [signed]


def test_a_correction_keeps_the_rules_of_the_form_and_ends_with_the_button(world):
    slug = world.petition()
    signed = world.signature(slug, **MINE)
    token = world.confirm_token(signed)

    with pytest.raises(InvalidInputError) as wrong:
        confirming.correct(world.runtime, token, signing.SignForm(name="", email="", country="DE"))
    press(world, signed)
    with pytest.raises(TokenRefusedError):
        confirming.correct(world.runtime, token, signing.SignForm(name="Other", email="", country="DE"))

    assert wrong.value.problems == {"name": "missing"}
    assert form_of(world, slug, signed)["name"] == "Zahra Ahmadi"


def test_a_sign_up_over_the_allowance_is_mailed_when_its_page_asks_the_day_after(world):
    for number in range(3):
        world.sign(world.petition(f"other-{number}"))
    slug = world.petition()
    ref = world.sign(slug, **MINE)
    refused = world.sql("select state, reason from sign_up_request order by id desc limit 1")
    world.clock.forward(hours=24)

    requests.request_again(world.runtime, slug, ref, network=None)
    world.admit()

    [row] = world.rows(slug, "zahra@example.org")
    assert refused == [("refused", "mailbox_allowance")]
    assert form_of(world, slug, row.id)["reason"] == "I swim."
    assert world.sql("select kind, state from message where signature_id = %(id)s", id=row.id) == [
        ("confirmation", "planned")
    ]


def test_the_page_of_a_sign_up_takes_the_code_of_its_own_mail_only(world):
    slug = world.petition()
    mine, refs = world.sign(slug, **MINE), []
    ids = [row.id for row in world.rows(slug, "zahra@example.org")]
    refs.append(world.sign(slug, name="Zahra Ahmadi", **THEIRS))
    world.deliver()
    world.clock.forward(minutes=11)
    world.deliver()
    code = world.code(ids[0])

    with pytest.raises(InvalidInputError):
        confirming.confirm_with_code(world.runtime, slug, code=code, ref=refs[0])
    confirming.confirm_with_code(world.runtime, slug, code=code, ref=mine)

    assert world.state(ids[0]) is SignatureState.CONFIRMED
    assert form_of(world, slug, ids[0])["reason"] == "I swim."


@pytest.mark.parametrize("strangers", [5, 49])
def test_strangers_who_guess_do_not_lock_the_code_of_a_signer(world, strangers):
    slug = world.petition()
    ref = world.sign(slug, **MINE)
    [signed] = [row.id for row in world.rows(slug, "zahra@example.org")]
    wrong = f"{(int(world.code(signed)) + 1) % 10**6:06d}"

    def guess():
        for number in range(strangers):
            with pytest.raises(InvalidInputError):
                confirming.confirm_with_code(
                    world.runtime, slug, code=wrong, email="zahra@example.org", network=f"198.51.{number}.1"
                )

    guess()
    world.deliver()
    guess()
    confirming.confirm_with_code(world.runtime, slug, code=world.code(signed), ref=ref)

    assert world.state(signed) is SignatureState.CONFIRMED


@pytest.mark.parametrize(
    "pasted",
    [
        *("Your code is {}", "{} .", " {}\u200f", "\u202b{}\u202c", "کد شما: {}", "{} (valid for a week)"),
        *("{}, valid for 7 days", "2026-11-29 11:40 {}", "{0} {0}", "{} ۷ روز"),
    ],
)
def test_a_code_is_read_out_of_what_was_pasted_with_it(world, pasted):
    slug = world.petition()
    signed = world.signature(slug)
    world.deliver()

    confirming.confirm_with_code(world.runtime, slug, code=pasted.format(world.code(signed)), email="zahra@example.org")

    assert world.state(signed) is SignatureState.CONFIRMED


@pytest.mark.parametrize(
    ("typed", "digits"),
    [
        ("350 067", "350067"),
        ("350\u00a0067, valid for 7 days", "350067"),
        ("350–067", "350067"),
        ("3 5 0 0 6 7", "350067"),
        ("۳۵۰۰۶۷", "350067"),
        ("٣٥٠ ٠٦٧", "350067"),
        ("３５００６７", "350067"),
        ("350\u200b067", "350067"),
        ("3500671", "3500671"),
        ("350067 or 123456", "350067123456"),
        ("35006", "35006"),
        ("²½", ""),
    ],
)
def test_the_digits_of_a_code_are_found_in_every_writing_of_it(typed, digits):
    assert digits_of(typed) == digits


@pytest.mark.parametrize(
    ("one", "other", "near"),
    [
        ("Zahra Ahmadi", "zahra  ahmadi", True),
        ("Zahra Ahmadi", "Ahmadi Zahra", True),
        ("Zahra Ahmadi", "Zahra Ahmdai", True),
        ("Mohammad Hussain Alizada", "Muhammad Hussein Alizada", True),
        ("زهرا احمدی", "زهرا احمدئ", True),
        ("Nguyễn Văn An", "Nguyen Van An", True),
        ("Đặng Thị Hoà", "Dang Thi Hoa", True),
        ("Hoà", "Hoa", False),
        ("Ali", "Ala", False),
        ("Ali Rezaei", "Zahra Rezaei", False),
        ("Sara", "Zara", False),
        ("Zahra", "", False),
    ],
)
def test_near_names_differ_by_slips_or_order_only(one, other, near):
    assert is_near(one, other) is near
    assert is_near(other, one) is near
