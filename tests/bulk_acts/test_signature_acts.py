"""Acts on many signatures: each row once, by the rule of one row, whatever happens meanwhile."""

from datetime import timedelta

import pytest

from campaign.accounts import accounts
from campaign.accounts.accounts import Role
from campaign.bulk_acts import bulk_acts, running
from campaign.bulk_acts.rules import SLICE, UNDO, Kind, Scope
from campaign.bulk_acts.signature_rows import as_fields
from campaign.errors import ConflictError, InvalidInputError, NotFoundError
from campaign.petitions import petitions
from campaign.security.request_keys import new_request_key
from campaign.signatures import confirming, own_links, petition_page, preferences, removal
from campaign.signatures.selections import Filter, Within
from campaign.states import BulkActState, SignatureState
from tests.kit.racing import at_once
from tests.kit.worlds import World

CONFIRMED = Scope(matching=as_fields(Filter(SignatureState.CONFIRMED)))
EVERY = Scope(matching=as_fields(Filter()))


@pytest.fixture
def olga(world: World):
    return accounts.create(world.runtime, email="olga@example.org", name="Olga", role=Role.ADMIN) and accounts.find(
        world.runtime, "olga@example.org"
    )


@pytest.fixture
def petition_id(world: World) -> int:
    return petitions.by_slug(world.runtime, world.petition()).petition.id


@pytest.fixture
def act(world: World, petition_id: int, olga):
    def begin(kind: Kind, scope: Scope, reason: str = "invented", **more) -> int:
        return bulk_acts.begin(
            world.runtime, kind, scope, reason=reason, by=olga, petition_id=petition_id,
            **({"request_key": new_request_key()} | more),
        )  # fmt: skip

    return begin


def found(world: World, act_id: int):
    return bulk_acts.find(world.runtime, act_id)


def many(world: World, petition_id: int, number: int, state: str = "confirmed") -> list[int]:
    """Signatures made quickly with blind indexes and no name."""
    rows = world.sql(
        """
        insert into signature (id, petition_id, state, locale, country, show_name, wants_updates, nonce, counted,
            requested_at, confirmed_at, address_index, person_index, mailbox_slot)
        select 1000000 + n, %(petition)s, cast(%(state)s as signature_state), 'en', 'DE', false, false, '\\x00', false,
            %(now)s, case when %(state)s = 'pending' then null else cast(%(now)s as timestamptz) end,
            int8send(n), int8send(n), case when %(state)s = 'confirmed' then 1 end
        from generate_series(1, %(number)s) n returning id""",
        petition=petition_id, number=number, state=state, now=world.clock(),
    )  # fmt: skip
    return [row[0] for row in rows]


def states(world: World) -> dict[str, int]:
    return dict(world.sql("select cast(state as text), count(*) from signature group by 1"))


def test_removing_by_filter_takes_the_confirmed_ones_off_the_count(world, petition_id, act):
    slug = "a-petition"
    for number in range(3):
        world.signature(slug, f"s{number}@example.org", name="Signer", confirmed=True)
    world.signature(slug, "p@example.org", name="Pending")
    before = world.count(slug)

    act_id = act(Kind.REMOVE, EVERY, "automated")
    changed = running.carry_out(world.runtime)

    done = found(world, act_id)
    assert (before, changed, world.count(slug)) == (3, 3, 0)
    assert (done.state, done.expected, done.done, done.skipped) == (BulkActState.DONE, 4, 3, {"not_confirmed": 1})
    assert world.sql("select distinct ended_reason from signature where state = 'removed'") == [("automated",)]
    assert world.sql("select removed, count from count_change order by id desc limit 1") == [(3, 0)]
    assert world.sql("select count(*) from message where kind = 'thank_you' and state = 'cancelled'") == [(3,)]


def test_one_entry_of_the_log_tells_the_whole_act(world, petition_id, act, olga):
    ids = [world.signature("a-petition", f"s{n}@example.org", name="Signer", confirmed=True) for n in range(2)]

    act_id = act(Kind.REMOVE, Scope(ids=tuple(ids)), "duplicate")
    running.carry_out(world.runtime)

    entries = world.sql(
        "select action, subject_id, account_id, petition_id, detail from audit_entry where subject = 'bulk_act'"
    )
    assert entries == [
        ("signature.remove_many", act_id, olga.id, petition_id, {"number": 2, "skipped": 0, "reason": "duplicate"})
    ]
    assert world.sql("select count(*) from audit_entry where subject = 'signature'") == [(0,)]


def test_undoing_a_removal_brings_back_what_it_removed_and_nothing_else(world, petition_id, act):
    mine, others = (world.signature("a-petition", f"{n}@example.org", name="Signer", confirmed=True) for n in "ab")
    first = act(Kind.REMOVE, Scope(ids=(mine,)))
    running.carry_out(world.runtime)
    act(Kind.REMOVE, Scope(ids=(others,)))
    running.carry_out(world.runtime)

    undo = act(Kind.RESTORE, Scope(undone=first), "wrong list")
    running.carry_out(world.runtime)

    assert (world.state(mine), world.state(others)) == (SignatureState.CONFIRMED, SignatureState.REMOVED)
    assert world.count("a-petition") == 1
    assert (found(world, undo).expected, found(world, undo).done) == (1, 1)


def test_an_undo_passes_over_what_was_changed_individually_since(world, petition_id, act, olga):
    again, back, plain = (
        world.signature("a-petition", f"{n}@example.org", name="Signer", confirmed=True) for n in "abc"
    )
    first = act(Kind.REMOVE, EVERY)
    running.carry_out(world.runtime)
    world.clock.forward(minutes=5)
    for one in (again, back):
        removal.restore(world.runtime, petition_id, one, by=olga)
    removal.remove(world.runtime, petition_id, again, reason="asked", by=olga)

    undo = act(Kind.RESTORE, Scope(undone=first), "wrong list")
    running.carry_out(world.runtime)

    assert [world.state(one).value for one in (again, back, plain)] == ["removed", "confirmed", "confirmed"]
    assert found(world, undo).skipped == {"changed": 1, "not_removed": 1}


def test_a_signer_who_signed_again_or_whose_mailbox_is_full_is_not_brought_back(world, petition_id, act):
    world.signature("a-petition", "a@example.org", name="Ada", confirmed=True)
    world.signature("a-petition", "b@example.org", name="Bea", confirmed=True)
    first = act(Kind.REMOVE, EVERY)
    running.carry_out(world.runtime)
    world.clock.forward(minutes=5)
    world.signature("a-petition", "a@example.org", name="Ada", confirmed=True)
    for name in ("Second", "Third"):
        world.sign("a-petition", "b@example.org", name=name)
        pending = next(r for r in world.rows("a-petition", "b@example.org") if r.state is SignatureState.PENDING)
        confirming.confirm(world.runtime, world.confirm_token(pending.id))

    undo = act(Kind.RESTORE, Scope(undone=first), "wrong list")
    running.carry_out(world.runtime)

    assert found(world, undo).skipped == {"signed_again": 1, "mailbox_full": 1}
    assert world.count("a-petition") == 3


def test_two_removed_of_one_mailbox_come_back_to_its_two_places(world, petition_id, act):
    for name in ("Ada", "Bea"):
        world.sign("a-petition", "both@example.org", name=name)
        pending = next(r for r in world.rows("a-petition", "both@example.org") if r.state is SignatureState.PENDING)
        confirming.confirm(world.runtime, world.confirm_token(pending.id))
    first = act(Kind.REMOVE, EVERY)
    running.carry_out(world.runtime)

    act(Kind.RESTORE, Scope(undone=first), "wrong list")
    running.carry_out(world.runtime)

    assert world.sql("select mailbox_slot from signature where state = 'confirmed' order by 1") == [(1,), (2,)]


def test_an_undo_is_possible_for_thirty_days_and_the_rows_are_forgotten_then(world, petition_id, act):
    signature_id = world.signature("a-petition", confirmed=True)
    first = act(Kind.REMOVE, Scope(ids=(signature_id,)))
    running.carry_out(world.runtime)
    kept = running.forget_rows(world.runtime)
    world.clock.forward(seconds=(UNDO + timedelta(seconds=1)).total_seconds())

    with pytest.raises(ConflictError):
        act(Kind.RESTORE, Scope(undone=first), "too late")

    assert (kept, running.forget_rows(world.runtime), running.forget_rows(world.runtime)) == (0, 1, 0)
    assert world.sql("select scope from bulk_act") == [({"ids": []},)]


def test_only_a_removal_is_undone_by_restoring(world, petition_id, act):
    world.signature("a-petition", confirmed=True, show_name=True)
    hidden = act(Kind.HIDE_NAMES, EVERY, "threats")

    for scope in (Scope(undone=hidden), Scope(undone=hidden + 1)):
        with pytest.raises((ConflictError, NotFoundError)):
            act(Kind.RESTORE, scope, "wrong list")


def test_names_hidden_by_an_organiser_are_shown_again_and_no_others(world, petition_id, act):
    shown = world.signature("a-petition", "a@example.org", name="Ada", confirmed=True, show_name=True)
    own = world.signature("a-petition", "b@example.org", name="Bea", confirmed=True)

    hide = act(Kind.HIDE_NAMES, EVERY, "threats")
    running.carry_out(world.runtime)
    hidden = petition_page.show(world.runtime, "a-petition", "en").signers
    show = act(Kind.SHOW_NAMES, EVERY, "threats ended")
    running.carry_out(world.runtime)

    assert hidden == ()
    assert (found(world, hide).done, found(world, hide).skipped) == (1, {"already": 1})
    assert (found(world, show).done, found(world, show).skipped) == (1, {"own_choice": 1})
    assert (world.row(shown).show_name, world.row(own).show_name) == (True, False)


def test_a_signer_who_chose_since_is_never_overruled(world, petition_id, act):
    signature_id = world.signature("a-petition", confirmed=True, show_name=True)
    hide = act(Kind.HIDE_NAMES, EVERY, "threats")
    running.carry_out(world.runtime)
    preferences.set_name_shown(world.runtime, world.manage_token(signature_id), show_name=False)

    undo = act(Kind.SHOW_NAMES, Scope(undone=hide), "threats ended")
    running.carry_out(world.runtime)

    assert found(world, undo).skipped == {"own_choice": 1}
    assert not world.row(signature_id).show_name


def test_an_erased_name_stays_gone(world, petition_id, act):
    signature_id = world.signature("a-petition", confirmed=True, show_name=True)
    hide = act(Kind.HIDE_NAMES, EVERY, "threats")
    running.carry_out(world.runtime)
    preferences.erase(world.runtime, own_links.manage_token(world.runtime, signature_id, world.row(signature_id).nonce))

    undo = act(Kind.SHOW_NAMES, Scope(undone=hide), "threats ended")
    running.carry_out(world.runtime)

    assert found(world, undo).skipped == {"erased": 1}
    assert world.sql("select show_name, hidden_at from signature") == [(False, None)]


def test_a_petition_in_discreet_mode_shows_no_name(world, petition_id, act):
    world.signature("a-petition", confirmed=True, show_name=True)
    act(Kind.HIDE_NAMES, EVERY, "threats")
    running.carry_out(world.runtime)
    world.sql("update petition set discreet = true returning id")

    show = act(Kind.SHOW_NAMES, EVERY, "threats ended")
    running.carry_out(world.runtime)

    assert found(world, show).skipped == {"discreet": 1}


def test_pressing_twice_at_the_same_moment_is_one_act(world, petition_id, act):
    world.signature("a-petition", confirmed=True)
    key = new_request_key()

    ids = at_once(4, lambda _number: act(Kind.REMOVE, EVERY, request_key=key))

    assert len(set(ids)) == 1
    assert world.sql("select count(*) from bulk_act") == [(1,)]


def test_a_key_of_another_act_is_refused(world, petition_id, act):
    world.signature("a-petition", confirmed=True, show_name=True)
    key = new_request_key()
    act(Kind.REMOVE, EVERY, request_key=key)

    with pytest.raises(ConflictError):
        act(Kind.HIDE_NAMES, EVERY, "threats", request_key=key)


def test_a_row_added_after_the_numbers_were_shown_is_left_alone(world, petition_id, act):
    old = world.signature("a-petition", "a@example.org", name="Ada", confirmed=True)
    pending = world.signature("a-petition", "p@example.org", name="Pia")
    shown = bulk_acts.preview(world.runtime, Kind.REMOVE, CONFIRMED, petition_id=petition_id)
    world.clock.forward(seconds=10)
    new = world.signature("a-petition", "b@example.org", name="Bea", confirmed=True)
    confirming.confirm(world.runtime, world.confirm_token(pending))
    # Ids are handed out in blocks: another process may have given a later row a smaller one.
    world.sql("update signature set id = -id where id = %(id)s returning id", id=new)

    act_id = act(Kind.REMOVE, CONFIRMED, within=shown.within)
    running.carry_out(world.runtime)

    assert (shown.expected, shown.changing) == (1, 1)
    assert (found(world, act_id).expected, found(world, act_id).done) == (1, 1)
    assert [world.state(one).value for one in (old, pending, -new)] == ["removed", "confirmed", "confirmed"]


def test_the_future_is_never_meant(world, petition_id, act):
    world.signature("a-petition", "a@example.org", name="Ada", confirmed=True)
    later = Within(2**63 - 1, world.clock() + timedelta(days=1))

    act_id = act(Kind.REMOVE, CONFIRMED, within=later)
    world.clock.forward(minutes=1)
    new = world.signature("a-petition", "b@example.org", name="Bea", confirmed=True)
    running.carry_out(world.runtime)

    assert found(world, act_id).done == 1
    assert world.state(new) is SignatureState.CONFIRMED


def test_a_row_changed_individually_meanwhile_is_left_and_counted(world, petition_id, act, olga):
    first, second = (world.signature("a-petition", f"{n}@example.org", name="S", confirmed=True) for n in "ab")
    by_filter = act(Kind.REMOVE, CONFIRMED, "automated")
    by_ids = act(Kind.REMOVE, Scope(ids=(first, second)), "automated")
    removal.remove(world.runtime, petition_id, first, reason="asked", by=olga)

    running.carry_out(world.runtime)

    assert found(world, by_filter).skipped == {"changed": 1}
    assert found(world, by_ids).skipped == {"already": 2}
    assert world.sql("select ended_reason from signature where id = %(id)s", id=first) == [("asked",)]


def test_many_rows_are_changed_in_bounded_slices_and_each_once(world, petition_id, act):
    many(world, petition_id, SLICE * 2 + 10)
    act_id = act(Kind.REMOVE, CONFIRMED)

    steps = []
    while running.do_slice(world.runtime) is not None:
        steps.append((found(world, act_id).done, states(world)["removed"]))

    assert steps == [(SLICE, SLICE), (SLICE * 2, SLICE * 2), (SLICE * 2 + 10, SLICE * 2 + 10)]
    assert world.sql("select count(*), count(distinct row_id) from bulk_act_row") == [(SLICE * 2 + 10,) * 2]
    assert found(world, act_id).state is BulkActState.DONE


def test_killed_in_the_middle_of_a_slice_it_continues_where_the_last_one_ended(world, petition_id, act):
    many(world, petition_id, SLICE + 10)
    act_id = act(Kind.REMOVE, CONFIRMED)
    running.do_slice(world.runtime)

    class KilledError(Exception):
        pass

    def work(tx):
        running._slice(tx, act_id=act_id, now=world.clock())  # noqa: SLF001 - the commit of this very slice is lost
        raise KilledError

    with pytest.raises(KilledError):
        world.read(work)
    lost = found(world, act_id), states(world)
    running.carry_out(world.runtime)

    assert (lost[0].done, lost[1]["removed"]) == (SLICE, SLICE)
    assert found(world, act_id).done == SLICE + 10
    assert states(world) == {"removed": SLICE + 10}
    assert world.sql("select count(*) from audit_entry where subject = 'bulk_act'") == [(1,)]


def test_two_workers_share_the_acts_and_never_a_row(world, petition_id, act):
    many(world, petition_id, SLICE * 3)
    first, second = act(Kind.REMOVE, CONFIRMED), act(Kind.REMOVE, CONFIRMED)

    at_once(3, lambda _number: running.carry_out(world.runtime))
    running.carry_out(world.runtime)

    ended = [found(world, one) for one in (first, second)]
    assert [one.state for one in ended] == [BulkActState.DONE] * 2
    assert sum(one.done for one in ended) == SLICE * 3
    assert [one.looked_at for one in ended] == [SLICE * 3] * 2


def test_while_a_worker_is_at_an_act_no_other_takes_it(world, petition_id, act):
    world.signature("a-petition", confirmed=True)
    act_id = act(Kind.REMOVE, CONFIRMED)
    other: list[object] = []

    def work(tx):
        running._slice(tx, act_id=act_id, now=world.clock())  # noqa: SLF001 - held open by this very transaction
        other.append(running.do_slice(world.runtime))

    world.sql("update bulk_act set state = 'running' returning id")
    world.read(work)

    assert other == [None]
    assert found(world, act_id).done == 1


def test_an_act_whose_slice_fails_does_not_hold_up_the_others(world, petition_id, act):
    one = world.signature("a-petition", "a@example.org", name="Ada", confirmed=True)
    broken = act(Kind.REMOVE, Scope(ids=(one,)))
    world.sql("""update bulk_act set scope = '{"ids": ["x"]}' returning id""")
    sound = act(Kind.REMOVE, Scope(ids=(one,)))

    with pytest.raises(TypeError):
        running.carry_out(world.runtime)
    running.do_slice(world.runtime)

    assert (found(world, sound).state, found(world, sound).done) == (BulkActState.DONE, 1)
    assert found(world, broken).state is BulkActState.RUNNING


def test_a_stopped_act_changes_nothing_more_and_can_be_undone(world, petition_id, act, olga):
    many(world, petition_id, SLICE + 10)
    act_id = act(Kind.REMOVE, CONFIRMED)
    running.do_slice(world.runtime)

    for _ in range(2):
        bulk_acts.stop(world.runtime, act_id, by=olga, petition_id=petition_id)
    after = running.carry_out(world.runtime)
    act(Kind.RESTORE, Scope(undone=act_id), "wrong list")
    running.carry_out(world.runtime)

    assert after == 0
    assert found(world, act_id).state is BulkActState.STOPPED
    assert world.sql("select action, detail->>'number', detail->>'skipped', detail->>'stopped' from audit_entry "
                     "where subject = 'bulk_act' order by id") == [
        ("signature.remove_many", str(SLICE), "10", "true"), ("signature.restore_many", str(SLICE), "0", None),
    ]  # fmt: skip
    assert world.count("a-petition") == SLICE + 10


def test_what_is_another_petitions_is_not_touched(world, petition_id, act):
    world.petition("other")
    theirs = world.signature("other", confirmed=True)

    with pytest.raises(ConflictError):
        act(Kind.REMOVE, Scope(ids=(theirs,)))

    running.carry_out(world.runtime)
    assert world.state(theirs) is SignatureState.CONFIRMED


def test_an_act_of_another_petition_is_not_there(world, petition_id, act):
    mine = world.signature("a-petition", confirmed=True)
    act_id = act(Kind.REMOVE, Scope(ids=(mine,)))
    running.carry_out(world.runtime)
    other = petitions.by_slug(world.runtime, world.petition("other")).petition.id

    for ask in (
        lambda: bulk_acts.find(world.runtime, act_id, petition_id=other),
        lambda: bulk_acts.preview(world.runtime, Kind.RESTORE, Scope(undone=act_id), petition_id=other),
    ):
        with pytest.raises(NotFoundError):
            ask()


@pytest.mark.parametrize(
    ("kind", "reason", "problem"),
    [
        (Kind.REMOVE, "", {"reason": "missing"}),
        (Kind.REMOVE, "Zahra is my cousin", {"reason": "unknown"}),
        (Kind.HIDE_NAMES, " ", {"why": "missing"}),
        (Kind.HIDE_NAMES, "x" * 201, {"why": "too_long"}),
        (Kind.HIDE_NAMES, "zahra@example.org asked", {"why": "looks_like_email"}),
    ],
)
def test_an_act_needs_a_reason_that_names_no_one(world, act, kind, reason, problem):
    world.signature("a-petition", confirmed=True, show_name=True)

    with pytest.raises(InvalidInputError) as caught:
        act(kind, EVERY, reason)

    assert caught.value.problems == problem
    assert world.sql("select count(*) from bulk_act") == [(0,)]


def test_what_is_stored_of_an_act_tells_no_name_and_no_address(world, petition_id, act):
    signature_id = world.signature("a-petition", "canary@example.org", name="Canary", confirmed=True, show_name=True)

    act(Kind.HIDE_NAMES, Scope(ids=(signature_id,)), "threats")
    act(Kind.REMOVE, CONFIRMED)
    running.carry_out(world.runtime)

    stored = str(world.sql("select to_jsonb(a) from bulk_act a")) + str(
        world.sql("select to_jsonb(r) from bulk_act_row r")
    )
    assert "canary" not in stored.lower()
    assert "canary" not in str(world.sql("select detail from audit_entry where subject = 'bulk_act'")).lower()


def test_workers_are_woken_only_after_the_commit(world, petition_id, act):
    world.signature("a-petition", confirmed=True)
    world.nudged.clear()

    act(Kind.REMOVE, CONFIRMED)

    assert world.nudged == [frozenset({"acts"})]
