"""No act of a supporter, and no mail caused by one, reads a large table whole: with millions of rows it would take
seconds, and the time of an answer would tell which addresses are known."""

import os
from contextlib import suppress
from dataclasses import dataclass, fields

import pytest
from sqlalchemy import make_url

from campaign.errors import CountersignError
from campaign.signatures import admission_queries, confirming, petition_page, preferences, queries, requests, signing
from campaign.states import Lane
from tests.kit.waiting import until

LARGE = ["message", "signature", "sign_up_request", "attempt", "code_guess", "suppression", "mail_allowance", "session"]


def wrong_code(world, email):
    with suppress(CountersignError):
        confirming.confirm_with_code(world.runtime, "a-petition", code="123456", email=email)


ACTS = {
    "signing": lambda world: world.ask("a-petition", "new@example.org"),
    "signing once more, and admission": lambda world: world.sign("a-petition", "pending@example.org"),
    "a third person of a mailbox, and admission": lambda world: world.sign(
        "a-petition", "confirmed@example.org", name="Third"
    ),
    "asking for my signatures, and admission": lambda world: world.resend("pending@example.org"),
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

AT_THE_CROWDED_MAILBOX = {
    "signing, and admission": lambda world: world.sign("a-petition", "crowded@example.org", name="Another"),
    "signing as one of them, and admission": lambda world: world.sign("a-petition", "crowded@example.org"),
    "asking for my signatures, and admission": lambda world: world.resend("crowded@example.org"),
    "a wrong code": lambda world: wrong_code(world, "crowded@example.org"),
    "the confirm page": lambda world: confirming.look_up_confirmation(world.runtime, world.tokens["crowded"]),
    "correcting": lambda world: confirming.correct(
        world.runtime, world.tokens["crowded"], signing.SignForm(name="Zahrah", email="", country="PK")
    ),
    "the button": lambda world: confirming.confirm(world.runtime, world.tokens["crowded"]),
}


OTHERS = 500
"""Messages to others that are in the table; an act may read a few of them by an index, not all."""


OTHER_CONNECTIONS = """
    select count(*) from pg_stat_activity
    where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()"""


@dataclass(frozen=True)
class Read:
    """How often a table was read whole, and how many of its rows were read by an index."""

    whole: int
    by_index: int

    def __sub__(self, before: "Read") -> "Read":
        return Read(self.whole - before.whole, self.by_index - before.by_index)


def reads(world):
    """What was read of each large table so far; ends all connections, for they report at their end."""
    world.runtime.store.engine.dispose()
    # The server ends them in its own time, and only then they have reported.
    try:
        until(lambda: world.sql(OTHER_CONNECTIONS) == [(0,)])
    except AssertionError:
        whose = world.sql(OTHER_CONNECTIONS.replace("count(*)", "application_name, state, state_change, query"))
        pytest.fail(f"connections that do not end: {whose}")
    rows = world.sql(
        """
        select t.relname, t.seq_scan, coalesce(sum(i.idx_tup_read), 0)::int from pg_stat_user_tables t
        left join pg_stat_user_indexes i using (relid) where t.relname = any(%(names)s) group by 1, 2""",
        names=LARGE,
    )
    world.runtime.store.engine.dispose()
    return {name: Read(whole, by_index) for name, whole, by_index in rows}


def difference(world, before):
    """What was read since then, of the tables of which anything was."""
    now = reads(world)
    return {name: now[name] - before[name] for name in now if now[name] != before[name]}


@pytest.fixture
def prepared(new_tables, world):
    world.petition()
    pending = world.signature("a-petition", "pending@example.org")
    world.deliver()
    confirmed = world.signature("a-petition", "confirmed@example.org", confirmed=True)
    world.signature("a-petition", "confirmed@example.org", confirmed=True, name="Second")
    world.tokens = {"pending": world.confirm_token(pending), "own": world.manage_token(confirmed)}
    world.tokens["unsubscribe"] = preferences.unsubscribe_token(world.runtime, confirmed)
    world.codes = {"pending": world.code(pending)}
    world.sql(
        """
        insert into message (kind, lane, state, due_at, settled_at, signature_id, petition_id)
        select 'confirmation', 'urgent', 'accepted', now(), now() - interval '1 day', 100000 + n, 1
        from generate_series(1, %(others)s) n""",
        others=OTHERS,
    )
    database = make_url(world.runtime.settings.database_url).database
    # The planner then takes an index wherever one fits, however few rows there are.
    world.sql(f'alter database "{database}" set enable_seqscan = off')
    world.runtime.store.engine.dispose()
    yield world
    # The next test gets the same database.
    world.sql(f'alter database "{database}" reset enable_seqscan')
    world.runtime.store.engine.dispose()


@pytest.mark.parametrize("act", ACTS)
def test_no_large_table_is_read_whole_by(act, prepared):
    before = reads(prepared)

    ACTS[act](prepared)

    found = difference(prepared, before)
    assert {name: read for name, read in found.items() if read.whole or read.by_index > OTHERS // 2} == {}


@pytest.fixture
def crowded(prepared):
    """A mailbox at which 2,000 sign-ups of a release without limits wait, all by one name."""
    world = prepared
    signed = world.signature("a-petition", "crowded@example.org")
    row, key = world.row(signed), world.opened("a-petition").open_key
    names = {name for name in vars(row) if name in {field.name for field in fields(queries.NewSignature)}}
    common = {name: getattr(row, name) for name in names} | {
        "text_version_id": 1, "consent_id": 1, "address_index": row.address_index, "reason": None,
    }  # fmt: skip

    def copy(signature_id):
        sealed = {
            column: key.seal(text, place=f"signature.{column}.{signature_id}")
            for column, text in (("name", "Zahra"), ("address", "crowded@example.org"))
        }
        return queries.NewSignature(**(common | sealed | {"id": signature_id, "nonce": os.urandom(8)}))

    def add(tx):
        admission_queries.add(tx, [copy(signature_id) for signature_id in queries.reserve_ids(tx, 2_000)])

    world.read(add)
    world.sql(
        """
        insert into message (kind, lane, state, due_at, settled_at, signature_id, petition_id)
        select 'confirmation', 'urgent', 'rejected', now(), now() - interval '1 day', id, 1
        from signature where id > %(id)s""",
        id=signed,
    )
    world.sql("analyze")
    world.tokens["crowded"] = world.confirm_token(signed)
    return world


@pytest.mark.parametrize("act", AT_THE_CROWDED_MAILBOX)
def test_two_thousand_waiting_at_one_mailbox_make_no_act_there_or_elsewhere_dearer(act, crowded):
    before = reads(crowded)

    AT_THE_CROWDED_MAILBOX[act](crowded)

    found = difference(crowded, before)
    assert {name: read for name, read in found.items() if read.whole or read.by_index > OTHERS // 2} == {}


def test_asking_for_my_signatures_reads_the_same_of_known_and_unknown_addresses(prepared):
    found = []
    for number, email in enumerate(("confirmed@example.org", "pending@example.org", "never-seen@example.org")):
        before = reads(prepared)
        requests.request_mine(prepared.runtime, email, network=f"203.0.{number}.7")
        found.append(difference(prepared, before))

    assert found == [found[0]] * 3


def test_reading_a_table_whole_is_noticed(prepared):
    before = reads(prepared)

    prepared.sql("select count(*) from message where reason = 'none'")
    prepared.sql("select count(*) from message where blast_id is null and signature_id > 0 and reason = 'none'")

    read = difference(prepared, before)["message"]
    assert read.whole == 1
    assert read.by_index >= OTHERS
