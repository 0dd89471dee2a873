"""No act of a supporter, and no mail caused by one, reads a large table whole: with millions of rows it would take
seconds, and the time of an answer would tell which addresses are known."""

from contextlib import suppress

import pytest
from sqlalchemy import make_url

from campaign.errors import CountersignError
from campaign.signatures import confirming, petition_page, preferences, requests
from campaign.states import Lane

LARGE = ["message", "signature", "sign_up_request", "attempt", "code_try", "suppression", "mail_allowance", "session"]


def wrong_code(world, email):
    with suppress(CountersignError):
        confirming.confirm_with_code(world.runtime, "a-petition", code="123456", email=email)


ACTS = {
    "signing": lambda world: world.ask("a-petition", "new@example.org"),
    "signing once more, and admission": lambda world: world.sign("a-petition", "pending@example.org"),
    "a third person of a mailbox, and admission": lambda world: world.sign(
        "a-petition", "confirmed@example.org", name="Third"
    ),
    "asking for fresh links, and admission": lambda world: world.resend("pending@example.org"),
    "asking for a sign-in link, and admission": lambda world: (
        requests.request_sign_in_link(world.runtime, "nobody@example.org", network=None),
        world.admit(),
    ),
    "a wrong code for a known address": lambda world: wrong_code(world, "pending@example.org"),
    "a wrong code for an unknown address": lambda world: wrong_code(world, "unknown@example.org"),
    "the right code": lambda world: confirming.confirm_with_code(
        world.runtime, "a-petition", code=world.codes["pending"], email="pending@example.org"
    ),
    "the confirm page": lambda world: confirming.look_up_confirmation(world.runtime, world.tokens["pending"]),
    "the button": lambda world: confirming.confirm(world.runtime, world.tokens["pending"]),
    "declining": lambda world: confirming.decline(world.runtime, world.tokens["pending"]),
    "the own page": lambda world: preferences.own_page(world.runtime, world.tokens["own"]),
    "withdrawing": lambda world: preferences.withdraw(world.runtime, world.tokens["own"]),
    "erasing": lambda world: preferences.erase(world.runtime, world.tokens["own"]),
    "unsubscribing": lambda world: preferences.unsubscribe(world.runtime, world.tokens["unsubscribe"], everything=True),
    "the petition page": lambda world: petition_page.show(world.runtime, "a-petition", "en"),
    "sending": lambda world: world.deliverer(Lane.URGENT).drain(),
}


def scans(world):
    """How often each large table was read whole so far; ends all connections, for they report at their end."""
    world.runtime.store.engine.dispose()
    rows = world.sql("select relname, seq_scan from pg_stat_user_tables where relname = any(%(names)s)", names=LARGE)
    world.runtime.store.engine.dispose()
    return dict(map(tuple, rows))


@pytest.fixture
def prepared(world):
    world.petition()
    pending = world.signature("a-petition", "pending@example.org")
    confirmed = world.signature("a-petition", "confirmed@example.org", confirmed=True)
    world.signature("a-petition", "confirmed@example.org", confirmed=True, name="Second")
    world.tokens = {"pending": world.confirm_token(pending), "own": world.manage_token(confirmed)}
    world.tokens["unsubscribe"] = preferences.unsubscribe_token(world.runtime, confirmed)
    world.codes = {"pending": world.code(pending)}
    database = make_url(world.runtime.settings.database_url).database
    # The planner then takes an index wherever one fits, however few rows there are.
    world.sql(f'alter database "{database}" set enable_seqscan = off')
    world.runtime.store.engine.dispose()
    return world


@pytest.mark.parametrize("act", ACTS)
def test_no_large_table_is_read_whole_by(act, prepared):
    before = scans(prepared)

    ACTS[act](prepared)

    assert scans(prepared) == before


def test_reading_a_table_whole_is_noticed(prepared):
    before = scans(prepared)

    prepared.sql("select count(*) from message where reason = 'none'")

    assert scans(prepared)["message"] == before["message"] + 1
