import pytest

from campaign.accounts import audit
from campaign.blasts import blasts
from campaign.blasts.rules import BlastText
from campaign.errors import ConflictError, InvalidInputError, NotFoundError
from campaign.operations import failures, suppressions
from campaign.operations.failures import Show
from campaign.operations.rules import TARGETS, Action, presses, sources
from campaign.outbox import suppressions as outbox_suppressions
from campaign.petitions import organisers
from campaign.states import MESSAGE_MOVES, Lane, MessageState
from tests.kit import ledgers
from tests.kit.memory_transport import MemoryTransport

UNCERTAIN = {"state": "uncertain", "settled_at": -60, "phase": "dot", "reason": "no_outcome"}
REJECTED = {"state": "rejected", "settled_at": -60, "phase": "rcpt", "reply_code": 550, "enhanced": "5.1.1"}
DEFERRED = {"due_at": 600, "attempts": 2, "phase": "rcpt", "reply_code": 450, "reason": "try later"}


@pytest.fixture
def ada(world):
    return ledgers.admin(world)


def states(world) -> dict[str, int]:
    return dict(world.sql("select cast(state as text), count(*) from message group by 1"))


def only(world, **wanted):
    """The one group that there is, or the one with these values."""
    found = [
        group
        for group in failures.groups(world.runtime)
        if all(getattr(group, name) == value for name, value in wanted.items())
    ]
    assert len(found) == 1, found
    return found[0]


def test_messages_meet_by_cause_and_the_key_of_a_cause_stays(world):
    ledgers.put(world, 3, **REJECTED, reason="no such user a1b2c3d4")
    ledgers.put(world, 2, **REJECTED, reason="no such user e5f6a7b8")
    ledgers.put(world, 1, **UNCERTAIN)

    before = failures.groups(world.runtime)
    ledgers.put(world, 4, **REJECTED, reason="no such user 99887766")
    after = failures.groups(world.runtime)

    assert [(group.state, group.messages) for group in before] == [("rejected", 5), ("uncertain", 1)]
    assert [group.key for group in before] == [group.key for group in after]
    assert after[0].messages == 9
    assert len({group.key for group in after}) == 2


def test_kinds_and_lanes_are_different_causes(world):
    ledgers.put(world, **UNCERTAIN)
    ledgers.put(world, **UNCERTAIN, kind="sign_in")
    ledgers.put(world, **UNCERTAIN, lane="bulk")

    assert len(failures.groups(world.runtime)) == 3


def test_what_was_rejected_long_ago_is_there_when_asked_for(world):
    ledgers.put(world, **REJECTED | {"settled_at": -3 * 86_400})

    today, week = (failures.groups(world.runtime, window=failures.DAY * days) for days in (1, 7))

    assert (len(today), len(week)) == (0, 1)


def test_a_cause_that_is_gone_is_not_found(world):
    with pytest.raises(NotFoundError):
        failures.group(world.runtime, "0" * 12)


def test_uncertain_messages_are_taken_as_arrived_and_the_log_says_by_whom(world, ada):
    ledgers.put(world, 3, **UNCERTAIN)
    group = only(world)

    changed = failures.accept(world.runtime, group, by=ada)

    assert (changed, states(world)) == (3, {"accepted": 3})
    [entry] = world.sql("select action, account_id, detail from audit_entry where subject = 'message'")
    assert entry[:2] == ("message.accept", ada.id)
    assert (entry[2]["messages"], entry[2]["reason"]) == (3, "no_outcome")
    moved = world.sql("select distinct settled_at from message")
    assert moved[0][0] < world.clock.now


def test_a_retry_sends_with_all_attempts_before_it(world, ada):
    slug = world.petition()
    signed = world.signature(slug)
    world.deliverer().drain()
    world.sql(f"update message set state = 'rejected', attempts = 7, phase = 'rcpt' where signature_id = {signed}")

    changed = failures.retry(world.runtime, only(world), by=ada)
    row = world.sql("select state, attempts, reason, phase, settled_at from message where kind = 'confirmation'")
    transport = MemoryTransport()
    world.deliverer(transport=transport).drain()

    assert changed == 1
    assert row == [("planned", 0, "sent_again", None, None)]
    assert len(transport.sent) == 1
    assert world.nudged[-1] == frozenset({Lane.URGENT})


def test_a_retry_of_uncertain_mail_keeps_its_message_id(world, ada):
    world.signature(world.petition())
    first, second = MemoryTransport(), MemoryTransport()
    world.deliverer(transport=first).drain()
    world.sql("update message set state = 'uncertain', reason = 'no_outcome'")

    failures.retry(world.runtime, only(world), by=ada)
    world.deliverer(transport=second).drain()

    ids = {line for sent in (first, second) for line in sent.sent[0].data.split(b"\r\n") if b"Message-ID" in line}
    assert len(ids) == 1


def test_whoever_ended_meanwhile_gets_nothing_by_a_retry(world, ada):
    signed = world.signature(world.petition())
    world.sql("update message set state = 'rejected', settled_at = now()")
    world.sql(f"update signature set state = 'expired' where id = {signed}")

    failures.retry(world.runtime, only(world), by=ada)
    transport = MemoryTransport()
    world.deliverer(transport=transport).drain()

    assert transport.sent == []
    assert world.sql("select state, reason from message") == [("suppressed", "expired")]


def test_deferred_messages_are_tried_now_with_their_attempts_kept(world, ada):
    ledgers.put(world, 2, **DEFERRED)

    changed = failures.retry(world.runtime, only(world), by=ada)

    assert changed == 2
    assert world.sql("select distinct state, attempts, due_at, reason from message") == [
        ("planned", 2, world.clock.now, "try later")
    ]


def test_cancelled_messages_are_never_sent(world, ada):
    ledgers.put(world, 2, **DEFERRED)
    ledgers.put(world, 3, **REJECTED)

    changed = [failures.cancel(world.runtime, group, by=ada) for group in failures.groups(world.runtime)]

    assert (changed, states(world)) == ([3, 2], {"cancelled": 5})


def test_mail_of_a_cancelled_update_is_not_sent_again(world, ada):
    slug = world.petition()
    petition_id = organisers.may_organise(world.runtime, ada, slug)
    blast_id = blasts.save_draft(
        world.runtime, petition_id, {"en": BlastText("News", "Hello")}, by=ada, request_key="one"
    )
    blasts.cancel(world.runtime, blast_id, petition_id, by=ada)
    ledgers.put(world, **REJECTED, blast_id=blast_id, lane="bulk", kind="update")

    changed = failures.retry(world.runtime, only(world), by=ada)

    assert (changed, states(world)) == (0, {"rejected": 1})


def test_a_press_leaves_other_causes_alone(world, ada):
    ledgers.put(world, 2, **UNCERTAIN)
    ledgers.put(world, 2, **UNCERTAIN | {"reason": "worker_lost"})

    failures.accept(world.runtime, only(world, reason="no_outcome"), by=ada)

    assert world.sql("select distinct reason from message where state = 'uncertain'") == [("worker_lost",)]


def test_a_large_cause_moves_in_slices_each_with_its_entry(world, ada):
    ledgers.put(world, failures.SLICE + 5, **UNCERTAIN)

    changed = failures.accept(world.runtime, only(world), by=None)

    assert changed == failures.SLICE + 5
    entries = world.sql("select actor, cast(detail->>'messages' as int) from audit_entry where subject = 'message'")
    assert sorted(entries) == [("cli", 5), ("cli", failures.SLICE)]


def test_accepting_does_nothing_to_rejected_messages(world, ada):
    ledgers.put(world, 2, **REJECTED)

    assert failures.accept(world.runtime, only(world), by=ada) == 0
    assert states(world) == {"rejected": 2}


@pytest.mark.parametrize("press", list(Action))
@pytest.mark.parametrize("state", list(MessageState))
def test_a_person_makes_only_moves_of_the_state_table(world, state, press):
    leased = {"lease_until": 60} if state in {MessageState.CLAIMED, MessageState.SUBMITTING} else {}
    [message_id] = ledgers.put(world, state=str(state), **leased)
    allowed = state in sources(press)

    if allowed:
        failures.press_message(world.runtime, message_id, press, by=None)
    else:
        with pytest.raises(ConflictError):
            failures.press_message(world.runtime, message_id, press, by=None)

    [now] = world.sql("select cast(state as text) from message")
    assert now[0] == (str(TARGETS[press]) if allowed else str(state))
    assert not allowed or TARGETS[press] in MESSAGE_MOVES[state]


def test_no_person_takes_a_message_out_of_a_workers_hands():
    held = {MessageState.CLAIMED, MessageState.SUBMITTING}

    assert all(not sources(press) & held for press in Action)
    assert presses(MessageState.SUBMITTING) == ()


def test_a_message_that_is_not_there_is_said_so(world):
    with pytest.raises(NotFoundError):
        failures.press_message(world.runtime, 4711, Action.CANCEL, by=None)


def test_one_message_shows_its_attempts_and_what_can_be_done(world):
    [message_id] = ledgers.put(world, **DEFERRED)
    world.sql(
        "insert into attempt (message_id, at, reply_code, result, phase, answer)"
        f" values ({message_id}, now(), 450, 'deferred', 'rcpt', 'try later')"
    )

    look = failures.find(world.runtime, message_id)

    assert [attempt.answer for attempt in look.attempts] == ["try later"]
    assert look.presses == (Action.RETRY, Action.CANCEL)


@pytest.mark.parametrize("number", [0, -1, 4711, 2**63, 10**30])
def test_a_number_without_a_message_is_not_found(world, number):
    with pytest.raises(NotFoundError):
        failures.find(world.runtime, number)


@pytest.mark.parametrize(
    ("show", "columns"),
    [
        (Show.WAITING, {"due_at": -60}),
        (Show.LATER, {"due_at": 60}),
        (Show.UNCERTAIN, UNCERTAIN),
        (Show.REJECTED, REJECTED),
    ],
)
def test_a_list_is_read_page_by_page_without_gap_or_repeat(world, show, columns):
    wanted = ledgers.put(world, 7, **columns)
    ledgers.put(world, 2, state="accepted", settled_at=-5)

    seen, cursor = [], None
    while True:
        listing = failures.listing(world.runtime, show, cursor=cursor, limit=3)
        seen += [message.id for message in listing.messages]
        cursor = listing.following
        if cursor is None:
            break

    assert sorted(seen) == wanted


@pytest.mark.parametrize("cursor", ["x", "2026-11-22_1", "2026-11-22T10:00:00+00:00_x", "_", "2026-11-22T10:00:00_1"])
def test_a_cursor_that_no_page_gave_is_refused(world, cursor):
    with pytest.raises(InvalidInputError):
        failures.listing(world.runtime, Show.WAITING, cursor=cursor)


def test_an_address_is_suppressed_found_in_any_spelling_and_let_go_with_a_reason(world, ada):
    masked = suppressions.add(world.runtime, "Zahra@Example.org", by=ada)
    found = suppressions.search(world.runtime, "zahra@EXAMPLE.org", by=ada)
    suppressions.lift(world.runtime, found.suppressions[0].id, reason="asked for it", by=ada)
    after = suppressions.search(world.runtime, "zahra@example.org", by=ada)

    assert "zahra" not in masked.lower()
    assert [(item.reason, item.petition) for item in found.suppressions] == [("admin", None)]
    assert after.suppressions == ()
    [lifted] = suppressions.newest(world.runtime).suppressions
    assert lifted.lifted_at == world.clock.now


def test_the_log_of_suppressions_never_holds_an_address(world, ada):
    suppressions.add(world.runtime, "zahra@example.org", by=ada)
    suppressions.search(world.runtime, "zahra@example.org", by=ada)

    entries = world.sql("select action, cast(detail as text) from audit_entry where subject = 'suppression'")

    assert [action for action, _ in entries] == ["suppression.add", "suppression.search"]
    assert "zahra" not in str(entries)


def test_suppressing_twice_and_lifting_twice_are_said_so(world, ada):
    suppressions.add(world.runtime, "zahra@example.org", by=ada)
    [held] = suppressions.search(world.runtime, "zahra@example.org", by=ada).suppressions

    with pytest.raises(ConflictError):
        suppressions.add(world.runtime, "zahra@example.org", by=ada)
    suppressions.lift(world.runtime, held.id, reason="a mistake", by=ada)
    with pytest.raises(ConflictError):
        suppressions.lift(world.runtime, held.id, reason="a mistake", by=ada)


def test_lifting_deletes_the_soft_bounces(world, ada):
    key = world.runtime.secrets.address_key("zahra@example.org")
    world.read(lambda tx: outbox_suppressions.add_soft_bounce(tx, key, kind="unknown", day=world.clock.now.date()))
    world.read(lambda tx: outbox_suppressions.add(tx, key, reason="bounce", petition_id=None, message_id=None))
    [held] = suppressions.search(world.runtime, "zahra@example.org", by=ada).suppressions

    suppressions.lift(world.runtime, held.id, reason="the mailbox is back", by=ada)

    assert world.sql("select count(*) from bounce_strike") == [(0,)]


@pytest.mark.parametrize("reason", ["", "  ", "x" * 201])
def test_a_lift_needs_a_short_reason(world, ada, reason):
    with pytest.raises(InvalidInputError):
        suppressions.lift(world.runtime, 1, reason=reason, by=ada)


def test_a_suppressed_address_gets_no_mail(world, ada):
    suppressions.add(world.runtime, "zahra@example.org", by=ada)
    world.signature(world.petition())
    transport = MemoryTransport()

    world.deliverer(transport=transport).drain()

    assert transport.sent == []


def test_the_log_is_read_page_by_page_by_action_and_by_account(world, ada):
    for number in range(5):
        suppressions.add(world.runtime, f"p{number}@example.org", by=ada)

    first = audit.read(world.runtime, action="suppression.add", limit=3)
    second = audit.read(world.runtime, action="suppression.add", limit=3, before=first.following)
    of_ada = audit.read(world.runtime, account_id=ada.id)
    nobody = audit.read(world.runtime, account_id=4711)

    assert (len(first.entries), len(second.entries), second.following) == (3, 2, None)
    assert [entry.id for entry in first.entries] == sorted((entry.id for entry in first.entries), reverse=True)
    assert {entry.action for entry in of_ada.entries} == {"suppression.add"}
    assert nobody.entries == ()
    assert set(first.actions) == {"account.create", "suppression.add"}
