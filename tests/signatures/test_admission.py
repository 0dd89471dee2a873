"""A worker decides on what the web wrote down: in order, in batches, once; what can't be admitted fails alone."""

import json
import os
import signal
import subprocess
import sys
from datetime import timedelta

import pytest
from sqlalchemy import event

from campaign.accounts import accounts
from campaign.accounts.accounts import Role
from campaign.delivery import cleanup
from campaign.errors import InvalidInputError
from campaign.petitions import petitions
from campaign.signatures import admission, confirming, request_queries, requests
from campaign.states import SignatureState
from campaign.variables import ROOT
from tests.kit.racing import at_once


def statements(world, act):
    """The statements that an act sends to the database, in order."""
    seen = []

    def note(_connection, _cursor, statement, *_rest):
        seen.append(" ".join(statement.split()))

    event.listen(world.runtime.store.engine, "before_cursor_execute", note)
    try:
        act()
    finally:
        event.remove(world.runtime.store.engine, "before_cursor_execute", note)
    return seen


def asked(world):
    return world.sql("select state, reason from sign_up_request order by id")


def test_a_request_is_written_and_nothing_is_decided(world):
    slug = world.petition()

    world.ask(slug, network="203.0.113.7")

    assert asked(world) == [("asked", None)]
    assert world.sql("select count(*) from signature") == world.sql("select count(*) from message") == [(0,)]


def test_what_was_typed_is_sealed_and_no_network_is_stored(world):
    world.ask(world.petition(), name="Zahra Canary", reason="Canaries sing.", network="203.0.113.7")
    [(sealed, network)] = world.sql("select sealed, network from sign_up_request")

    assert b"anar" not in sealed
    assert network is None


def test_a_signature_is_as_old_as_its_request_and_has_all_that_was_typed(world):
    slug = world.petition()
    world.ask(slug, name="Zahra Ahmadi", reason="I swim.", country="PK", show_name=True, wants_updates=True)
    asked_at = world.clock.now
    world.clock.forward(minutes=5)

    world.admit()

    [row] = world.rows(slug, "zahra@example.org")
    key = world.opened(slug).open_key
    fields = {name: key.open(getattr(row, name), place=f"signature.{name}.{row.id}") for name in ("name", "reason")}
    assert fields == {"name": "Zahra Ahmadi", "reason": "I swim."}
    assert (row.requested_at, row.country, row.show_name, row.wants_updates) == (asked_at, "PK", True, True)
    assert row.updates_consent_id is not None
    assert world.sql("select due_at from message") == [(world.clock.now,)]


def test_the_same_form_twice_in_a_batch_leads_to_one_signature_and_one_mail(world):
    slug = world.petition()
    for _ in range(2):
        world.ask(slug, name="Zahra", country="DE", reason="Because.")

    counts = world.admit()

    assert counts == {"new": 1, "repeated": 1}
    assert len(world.rows(slug, "zahra@example.org")) == 1
    assert world.sql("select kind, state from message") == [("confirmation", "planned")]
    assert world.sql("select count(distinct signature_id) from sign_up_request") == [(1,)]


@pytest.mark.parametrize(
    "changed",
    [{"country": "PK"}, {"reason": "Another."}, {"show_name": True}, {"wants_updates": True}, {"name": "zahra "}],
)
def test_another_form_of_one_person_is_a_sign_up_of_its_own(world, changed):
    slug = world.petition()
    typed = {"name": "Zahra", "country": "DE", "reason": "Because."}
    world.ask(slug, **typed)
    world.ask(slug, "ZAHRA@example.org", **(typed | changed))

    counts = world.admit()

    assert counts == {"new": 2}
    assert len(world.rows(slug, "zahra@example.org")) == 2
    assert world.sql("select count(*) from message where kind = 'confirmation'") == [(2,)]


def test_a_couple_in_a_batch_gets_two_mails_ten_minutes_apart(world):
    slug = world.petition()
    for name in ("Zahra", "Ali"):
        world.ask(slug, name=name)

    world.admit()

    [first, second] = [due for (due,) in world.sql("select due_at from message order by due_at")]
    assert second - first == timedelta(minutes=10)


def test_a_request_is_decided_when_its_network_has_a_place_for_it(world):
    slug = world.petition()
    for number in range(25):
        world.ask(slug, f"p{number}@example.org", network=f"203.0.113.{number}")

    counts = []
    for _ in range(3):
        counts.append(world.admit()["new"])
        world.clock.forward(minutes=30)

    assert counts == [20, 0, 5]


def test_a_thousand_requests_are_admitted_with_a_handful_of_statements(world):
    slugs = [world.petition(f"petition-{number}") for number in range(5)]
    for number in range(1_000):
        world.ask(slugs[number % 5], f"p{number % 700}@example.org", network=f"10.{number % 250}.0.1")

    first = statements(world, lambda: admission.admit(world.runtime))
    seen = first + statements(world, world.admit)

    assert asked(world) == [("admitted", None)] * 1_000
    assert world.sql("select count(*) from signature") == [(700,)]
    assert len(first) <= 16
    # Two full batches, and one look that finds nothing.
    assert len(seen) <= 36


def test_two_workers_admit_each_request_once(world):
    slug = world.petition()
    for number in range(60):
        world.ask(slug, f"p{number % 40}@example.org")

    results = at_once(2, lambda _: [admission.admit(world.runtime, limit=7) for _ in range(10)])

    assert all(isinstance(result, list) for result in results), results
    assert sum(sum(each.counts.values()) for result in results for each in result) == 60
    assert world.sql("select count(*), count(distinct address_index) from signature") == [(40, 40)]
    assert world.sql("select count(*) from message where kind = 'confirmation'") == [(40,)]


def test_a_request_of_an_unknown_version_or_of_a_petition_without_key_is_refused_alone(world):
    slug, dead = world.petition(), world.petition("dead")
    refs = [world.ask(slug, "old@example.org"), world.ask(dead), world.ask(slug, "fine@example.org")]
    raw = request_queries.REF
    ref = world.sql("select ref from sign_up_request order by id")[0][0]
    old = json.dumps({"v": 0, "name": "Old"})
    sealed = world.opened(slug).open_key.seal(old, place=f"sign_up_request.sealed.{ref.hex()}")
    world.sql("update sign_up_request set sealed = %(sealed)s where ref = %(ref)s", sealed=sealed, ref=ref)
    world.sql("update petition set data_key = null, data_key_id = null where slug = 'dead'")

    world.admit()

    assert len(refs) == 3
    assert len(ref) == raw
    assert asked(world) == [("refused", "unreadable"), ("refused", "unreadable"), ("admitted", None)]
    assert world.sql("select count(*) from signature") == [(1,)]


@pytest.mark.parametrize("octets", [0, 1, 7, 11, 12, 27, 40])
def test_a_request_that_was_cut_off_is_refused_alone(world, octets):
    slug = world.petition()
    world.ask(slug, "one@example.org")
    world.ask(slug, "other@example.org")
    world.sql(
        """
        update sign_up_request set sealed = substring(sealed from 1 for %(octets)s)
        where id = (select min(id) from sign_up_request)""",
        octets=octets,
    )

    world.admit()

    assert asked(world) == [("refused", "unreadable"), ("admitted", None)]


def test_a_request_moved_to_another_row_does_not_open(world):
    slug = world.petition()
    world.ask(slug, "one@example.org")
    world.ask(slug, "other@example.org")
    world.sql("update sign_up_request set sealed = (select sealed from sign_up_request order by id limit 1)")

    world.admit()

    assert asked(world) == [("admitted", None), ("refused", "unreadable")]


@pytest.mark.parametrize(("hours", "ends"), [(1, ("admitted", None)), (25, ("refused", "petition_closed"))])
def test_a_petition_that_closed_meanwhile_takes_what_was_asked_before_for_a_day(world, hours, ends):
    slug = world.petition()
    world.ask(slug)
    petitions.close(world.runtime, slug)
    world.clock.forward(hours=hours)

    world.admit()

    assert asked(world) == [ends]


def test_a_request_that_the_database_refuses_fails_alone(world):
    slug = world.petition()
    for name in ("one", "bad", "other"):
        world.ask(slug, f"{name}@example.org", country="PK" if name == "bad" else "DE")
    world.sql(
        "create function refuse() returns trigger language plpgsql as"
        " $$begin if new.country = 'PK' then raise 'no'; end if; return new; end$$"
    )
    world.sql("create trigger refuse before insert on signature for each row execute function refuse()")
    try:
        counts = world.admit()
    finally:
        world.sql("drop function refuse cascade")

    assert asked(world) == [("admitted", None), ("refused", "failed"), ("admitted", None)]
    assert counts == {"new": 2, "failed": 1}


KILLED = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import event
from campaign.signatures import admission
from campaign.runtime import build
from tests.kit.worlds import Clock, settings_for
runtime = build(settings_for(sys.argv[1], Path(sys.argv[2])), clock=Clock())
def die(_connection, _cursor, statement, *_rest):
    if "update sign_up_request" in statement:
        os.kill(os.getpid(), signal.SIGKILL)
event.listen(runtime.store.engine, "before_cursor_execute", die)
admission.admit_all(runtime)
"""


def test_a_worker_killed_in_the_middle_of_a_batch_leaves_it_to_the_next(world, database_url, tmp_path):
    slug = world.petition()
    for number in range(5):
        world.ask(slug, f"p{number}@example.org")

    died = subprocess.run(
        [sys.executable, "-c", KILLED, database_url, str(tmp_path)], cwd=ROOT, env=os.environ, check=False
    )
    after = asked(world)
    world.admit()

    assert died.returncode == -signal.SIGKILL
    assert after == [("asked", None)] * 5
    assert asked(world) == [("admitted", None)] * 5
    assert world.sql("select count(*) from signature") == world.sql("select count(*) from message") == [(5,)]


def test_a_decided_request_is_deleted_after_a_day_and_an_undecided_one_never(world):
    slug = world.petition()
    world.sign(slug)
    world.ask(slug, "late@example.org")

    world.clock.forward(hours=25)
    cleanup.forget(world.runtime)

    assert asked(world) == [("asked", None)]


def test_declining_deletes_the_requests_of_the_mailbox(world):
    slug = world.petition()
    signed = world.signature(slug)
    world.signature(slug, "other@example.org")

    confirming.decline(world.runtime, world.confirm_token(signed))

    assert world.sql("select count(*) from sign_up_request") == [(1,)]


def test_one_request_for_all_signatures_of_a_mailbox_plans_one_mail_whatever_waits(world):
    # The allowance lets fewer wait: these are of a release before it was asked first.
    for number in range(12):
        slug = world.petition(f"petition-{number}")
        signed = world.signature(slug, f"p{number}@example.org")
        index = world.opened(slug).open_key.index("zahra@example.org")
        world.sql("update signature set address_index = %(index)s where id = %(id)s", index=index, id=signed)
    world.deliver()
    world.clock.forward(days=3)

    world.resend()

    assert world.sql("select kind, signature_id from message where state = 'planned'") == [("my_signatures", signed)]


def test_a_sign_in_link_is_planned_for_an_account_alone_and_five_times_an_hour(world):
    accounts.create(world.runtime, email="olga@example.org", name="Olga", role=Role.ORGANISER)
    for _ in range(7):
        for name in ("olga", "nobody"):
            requests.request_sign_in_link(world.runtime, f"{name}@example.org", network=None)

    counts = world.admit()

    assert counts == {"sign_in": 5, "no_account": 5, "sign_in_allowance": 4}
    assert world.sql("select kind, count(*) from message group by kind") == [("sign_in", 5)]
    assert world.sql("select count(*) from sign_in_link l join message m on m.id = l.message_id") == [(5,)]


def guess(world, slug, email, code="000000"):
    try:
        confirming.confirm_with_code(world.runtime, slug, code=code, email=email)
    except InvalidInputError as error:
        return error.problems
    return {}


def test_a_code_for_a_known_and_for_an_unknown_address_runs_the_same_statements(world):
    slug = world.petition()
    world.signature(slug, "confirmed@example.org", confirmed=True)
    world.signature(slug, "waiting@example.org")

    seen = [
        statements(world, lambda name=name: guess(world, slug, f"{name}@example.org"))
        for name in ("confirmed", "waiting", "unknown")
    ]

    assert seen[0] == seen[1] == seen[2]
    assert any("code_guess" in statement for statement in seen[0])
    # One for the mailbox, and one for the mailbox and the network.
    assert world.sql("select tries from code_guess") == [(1,)] * 6


def test_fewer_than_six_digits_are_no_try(world):
    slug = world.petition()
    world.signature(slug)

    problems = [guess(world, slug, "zahra@example.org", code) for code in ("", "x", "12345", "1234567")]

    assert problems == [{"code": "missing"}, {"code": "missing"}, {"code": "wrong"}, {"code": "wrong"}]
    assert world.sql("select count(*) from code_guess") == [(0,)]


def test_tries_are_granted_anew_with_the_next_mail_and_end_with_the_life_of_a_link(world):
    slug = world.petition()
    ref = world.sign(slug)
    [signed] = [row.id for row in world.rows(slug, "zahra@example.org")]
    world.deliver()
    for _ in range(9):
        guess(world, slug, "zahra@example.org", f"{(int(world.code(signed)) + 1) % 10**6:06d}")
    spent = guess(world, slug, "zahra@example.org", world.code(signed))
    world.clock.forward(minutes=11)

    requests.request_again(world.runtime, slug, ref, network=None)
    world.admit()
    world.deliver()
    guess(world, slug, "zahra@example.org", world.code(signed))

    assert spent == {"code": "wrong"}
    assert world.state(signed) is SignatureState.CONFIRMED
    world.clock.forward(days=8)
    cleanup.forget(world.runtime)
    assert world.sql("select count(*) from code_guess") == [(0,)]
