"""Whatever happens in whatever order: the count is the truth, people are unique, milestones come once (P1, P6–P8)."""

import contextlib
import itertools
import tempfile
from datetime import timedelta
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from campaign.blasts import milestones
from campaign.delivery import cleanup
from campaign.delivery.journal import recover
from campaign.errors import CountersignError
from campaign.petitions import petitions
from campaign.signatures import confirming, preferences
from tests.kit import servers
from tests.kit.engines import clean
from tests.kit.memory_transport import MemoryTransport, accepted
from tests.kit.racing import at_once
from tests.kit.worlds import make_world

PEOPLE = [(f"box{box}@example.org", name) for box in range(3) for name in ("Zahra", "ZAHRA ", "Ali", "Maryam")]
SCRIPTS = [accepted, servers.greylisting, servers.refusing(550, "5.1.1"), servers.silent_after_the_dot]


class History(RuleBasedStateMachine):
    """Random lives of a petition with a milestone at every signature."""

    url = ""
    numbers = itertools.count()

    def __init__(self):
        super().__init__()
        clean(self.url)
        self.folder = tempfile.TemporaryDirectory()
        self.world = make_world(self.url, Path(self.folder.name))
        # A name of its own: what a process remembers of petitions it keeps for a second.
        self.slug = self.world.petition(f"petition-{next(self.numbers)}")
        self.world.sql("update petition set milestones = array[1, 2, 3, 4]")

    def teardown(self):
        self.world.runtime.close()
        self.folder.cleanup()

    def some(self, state, number):
        found = self.world.sql("select id from signature where state = %(state)s and nonce <> ''", state=state)
        ids = [row for (row,) in found]
        return ids[number % len(ids)] if ids else None

    def attempt(self, act, *arguments):
        with contextlib.suppress(CountersignError):
            act(self.world.runtime, *arguments)

    @rule(person=st.sampled_from(PEOPLE), updates=st.booleans())
    def sign(self, person, updates):
        with contextlib.suppress(CountersignError):
            self.world.sign(self.slug, person[0], name=person[1], wants_updates=updates)

    @rule(number=st.integers(0, 20))
    def confirm(self, number):
        if (signed := self.some("pending", number)) is not None:
            self.attempt(confirming.confirm, self.world.confirm_token(signed))

    @rule(number=st.integers(0, 20))
    def decline(self, number):
        if (signed := self.some(("pending", "confirmed")[number % 2], number)) is not None:
            self.attempt(confirming.decline, self.world.confirm_token(signed))

    @rule(number=st.integers(0, 20))
    def withdraw(self, number):
        if (signed := self.some("confirmed", number)) is not None:
            self.attempt(preferences.withdraw, self.world.manage_token(signed))

    @rule(number=st.integers(0, 20))
    def erase(self, number):
        if (signed := self.some("confirmed", number)) is not None:
            self.attempt(preferences.erase, self.world.manage_token(signed))

    @rule(number=st.integers(0, 20))
    def unsubscribe(self, number):
        if (signed := self.some("confirmed", number)) is not None:
            self.attempt(preferences.one_click, preferences.unsubscribe_token(self.world.runtime, signed))

    @rule(script=st.sampled_from(SCRIPTS))
    def send(self, script):
        deliverer = self.world.deliverer(transport=MemoryTransport(script=script))
        deliverer.drain()
        deliverer.close()

    @rule(hours=st.sampled_from([1, 25, 24 * 8]))
    def wait(self, hours):
        self.world.clock.now += timedelta(hours=hours)
        cleanup.expire_signatures(self.world.runtime)
        cleanup.remind(self.world.runtime)
        recover(self.world.runtime)

    @rule()
    def count(self):
        shown = self.world.count(self.slug)

        assert [(shown,)] == self.world.sql("select count(*) from signature where state = 'confirmed'")
        assert milestones.recount(self.world.runtime) == 0

    @invariant()
    def the_cached_count_is_what_was_counted_and_its_history_adds_up(self):
        [(cached, counted, explained)] = self.world.sql("""
            select count, (select count(*) from signature where counted),
                (select coalesce(sum(confirmed - withdrawn - removed + recounted), 0) from count_change)
            from petition""")
        assert cached == counted == explained

    @invariant()
    def a_mailbox_has_two_seats_and_a_person_one(self):
        assert (
            self.world.sql("""
            select address_index from signature where state = 'confirmed' and address_index is not null
            group by 1 having count(*) > 2""")
            == []
        )
        assert (
            self.world.sql("""
            select person_index from signature where state = 'confirmed' and person_index is not null
            group by 1 having count(*) > 1""")
            == []
        )

    @invariant()
    def every_waiting_signature_has_its_confirmation_in_the_ledger(self):
        assert (
            self.world.sql("""
            select id from signature s where state = 'pending' and not exists (
                select 1 from message m where m.signature_id = s.id and m.kind = 'confirmation')""")
            == []
        )

    @invariant()
    def a_milestone_is_recorded_and_announced_once(self):
        assert self.world.sql("select threshold from milestone group by 1 having count(*) > 1") == []
        assert (
            self.world.sql("select threshold from blast where kind = 'milestone' group by 1 having count(*) > 1") == []
        )

    @invariant()
    def what_ended_is_neither_planned_for_nor_sent_to(self):
        assert (
            self.world.sql("""
            select m.id from message m join signature s on s.id = m.signature_id
            where m.state = 'planned' and (s.erased_at is not null or s.state in ('withdrawn', 'expired'))
                and m.attempts = 0""")
            == []
        )

    @invariant()
    def no_erased_row_carries_anything_personal(self):
        assert (
            self.world.sql("""
            select id from signature where erased_at is not null
                and (address is not null or name is not null or reason is not null or address_index is not null)""")
            == []
        )


def test_random_histories_keep_every_promise(database_url):
    History.url = database_url

    run_state_machine_as_test(
        History,
        settings=settings(
            max_examples=12, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck),
            derandomize=True,
        ),
    )  # fmt: skip


def test_a_count_that_rises_falls_and_rises_again_announces_each_milestone_once(world):
    slug = world.petition()
    world.sql("update petition set milestones = array[2]")
    signed = [world.signature(slug, f"p{n}@example.org", confirmed=True) for n in range(2)]
    assert world.count(slug) == 2

    for round_ in range(3):
        preferences.withdraw(world.runtime, world.manage_token(signed[0]))
        assert world.count(slug) == 1
        signed[0] = world.signature(slug, f"again{round_}@example.org", confirmed=True)
        assert world.count(slug) == 2

    assert world.sql("select threshold from milestone") == [(2,)]
    assert world.sql("select count(*) from blast") == [(1,)]


def test_four_counters_at_once_count_once(world):
    slug = world.petition()
    for number in range(3):
        world.signature(slug, f"p{number}@example.org", confirmed=True)

    counted = at_once(4, lambda _: milestones.count_signatures(world.runtime))

    petitions.forget(world.runtime, slug)
    assert not any(isinstance(each, Exception) for each in counted), counted
    assert petitions.count(world.runtime, slug).count == 3
    assert world.sql("select confirmed, count from count_change") == [(3, 3)]


def test_a_drift_is_mended_dated_and_told(world):
    slug = world.petition()
    world.signature(slug, confirmed=True)
    world.count(slug)
    world.sql("update petition set count = 7")

    assert milestones.recount(world.runtime) == 6
    assert milestones.recount(world.runtime) == 0

    assert world.count(slug) == 1
    assert world.sql("select recounted, count from count_change order by id desc limit 1") == [(-6, 1)]
