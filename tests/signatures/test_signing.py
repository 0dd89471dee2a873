import pytest

from campaign.errors import InvalidInputError, TokenRefusedError
from campaign.signatures import confirming
from campaign.states import SignatureState


def test_signing_stores_a_pending_signature_and_its_confirmation_in_one_transaction(world):
    slug = world.petition()

    world.sign(slug)

    [row] = world.rows(slug, "zahra@example.org")
    assert row.state is SignatureState.PENDING
    assert world.sql("select kind, lane, state, signature_id from message") == [
        ("confirmation", "urgent", "planned", row.id)
    ]
    assert world.nudged == [frozenset({"requests"})]


def test_confirming_twice_counts_once_and_thanks_once(world):
    slug = world.petition()
    signed = world.signature(slug)
    token = world.confirm_token(signed)

    first, second = confirming.confirm(world.runtime, token), confirming.confirm(world.runtime, token)

    assert first == second
    assert world.count(slug) == 1
    assert world.sql("select count(*) from message where kind = 'thank_you'") == [(1,)]


def test_the_code_confirms_in_persian_digits_and_with_blanks(world):
    slug = world.petition()
    signed = world.signature(slug)
    world.deliver()
    code = world.code(signed).translate(str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹"))

    confirming.confirm_with_code(world.runtime, slug, code=f"{code[:3]} {code[3:]}", email="Zahra@Example.org")

    assert world.state(signed) is SignatureState.CONFIRMED


def test_a_code_has_five_tries(world):
    slug = world.petition()
    signed = world.signature(slug)
    world.deliver()
    right = world.code(signed)
    wrong = f"{(int(right) + 1) % 1_000_000:06d}"

    for _ in range(5):
        with pytest.raises(InvalidInputError):
            confirming.confirm_with_code(world.runtime, slug, code=wrong, email="zahra@example.org")

    with pytest.raises(InvalidInputError):
        confirming.confirm_with_code(world.runtime, slug, code=right, email="zahra@example.org")
    assert confirming.confirm(world.runtime, world.confirm_token(signed)).slug == slug


def test_declining_erases_the_request(world):
    slug = world.petition()
    signed = world.signature(slug)
    token = world.confirm_token(signed)

    confirming.decline(world.runtime, token)

    assert world.state(signed) is SignatureState.EXPIRED
    assert world.row(signed).address is None
    assert world.sql("select state, reason from message") == [("cancelled", "declined")]
    with pytest.raises(TokenRefusedError):
        confirming.confirm(world.runtime, token)
