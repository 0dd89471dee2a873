"""The express way of a sign-up and the careful way are two ways to the same rows."""

import random

import pytest

from campaign.signatures import signing
from tests.kit.engines import clean
from tests.kit.worlds import make_world


def ledger(world):
    """What a way leaves behind, without the values that differ by nature."""
    return (
        world.sql("""
            select petition_id, state, locale, country, show_name, wants_updates, text_version_id, consent_id,
                updates_consent_id, requested_at, code_tries, reason is null, length(nonce)
            from signature order by requested_at, id"""),
        world.sql("""
            select kind, lane, state, due_at, planned_at, reason, petition_id from message
            order by planned_at, due_at, kind"""),
        world.sql("select slot_at, expires_at from mail_allowance order by slot_at, expires_at"),
    )


def an_hour(world, seed, *, express):
    """A random hour of sign-ups by few people from few networks."""
    dice = random.Random(seed)  # noqa: S311 - a test's dice
    slugs = [world.petition("one"), world.petition("two")]
    for _ in range(40):
        world.clock.forward(seconds=dice.choice([1, 30, 400]))
        typed = signing.SignForm(
            name=dice.choice(["Zahra", "Ali", "Maryam"]), email=f"p{dice.randrange(12)}@example.org", country="DE",
            reason=dice.choice(["", "Because."]), wants_updates=dice.random() < 0.5,
        )  # fmt: skip
        network = f"10.0.{dice.randrange(2)}.7"
        signing.request_signature(world.runtime, dice.choice(slugs), typed, network=network, express=express)
    return ledger(world)


@pytest.mark.parametrize("seed", range(3))
def test_the_express_way_leaves_the_rows_of_the_careful_way(database_url, tmp_path, seed):
    found = []
    for express in (True, False):
        clean(database_url)
        world = make_world(database_url, tmp_path)
        found.append(an_hour(world, seed, express=express))
        world.runtime.close()

    assert found[0] == found[1]
    assert len(found[0][0]) > 10


def test_a_plain_sign_up_finds_the_express_way_free(world, caplog):
    slug = world.petition()
    world.sign(slug, "first@example.org", network="10.0.0.1")
    before = world.sql("select count(*) from message")

    with caplog.at_level("INFO", logger="campaign.database.connection"):
        world.sign(slug, "second@example.org", network="10.0.0.2")

    assert before == [(1,)]
    assert world.sql("select count(*) from message where state = 'planned'") == [(2,)]
    assert "express way is not free" not in caplog.text
