"""Which signatures a filter means: the same as by looking at every row, and never by looking at every row."""

import random
from itertools import product

import pytest
from sqlalchemy import event

from campaign.petitions import petitions
from campaign.signatures import lists, selections
from campaign.signatures.selections import CAP, Filter, Within
from campaign.states import SignatureState
from tests.kit.worlds import World

COUNTRIES = ("AF", "DE", "PK", "US", "")
FILTERS = [
    Filter(state, country) for state, country in product((None, *SignatureState), (None, "AF", "DE", "PK", "US", "FR"))
]


@pytest.fixture
def petition_id(world: World) -> int:
    return petitions.by_slug(world.runtime, world.petition()).petition.id


def put(world: World, petition_id: int, number: int, first: int = 1) -> dict[int, tuple[SignatureState, str]]:
    """Rows of any state and country; their state and country by id."""
    chance = random.Random(7)  # noqa: S311 - a table of a test
    rows = {
        one: (chance.choice(list(SignatureState)), chance.choice(COUNTRIES)) for one in range(first, first + number)
    }
    for one, (state, country) in rows.items():
        is_confirmed = state is not SignatureState.PENDING
        world.sql(
            """
            insert into signature (id, petition_id, state, locale, country, show_name, wants_updates, nonce,
                requested_at, confirmed_at)
            values (%(id)s, %(petition)s, %(state)s, 'en', %(country)s, false, false, '\\x00', %(now)s, %(confirmed)s)
            returning id""",
            id=one, petition=petition_id, state=str(state), country=country, now=world.clock(),
            confirmed=world.clock() if is_confirmed else None,
        )  # fmt: skip
    return rows


def matching(rows: dict[int, tuple[SignatureState, str]], wanted: Filter) -> list[int]:
    return sorted(
        one
        for one, (state, country) in rows.items()
        if wanted.state in {None, state} and wanted.country in {None, country}
    )


def test_every_filter_finds_what_a_look_at_every_row_finds(world: World, petition_id: int):
    rows, since = put(world, petition_id, 120), world.clock()
    put(world, petitions.by_slug(world.runtime, world.petition("other")).petition.id, 5, first=1000)
    within = Within(60, world.clock())

    for wanted in FILTERS:
        true = matching(rows, wanted)
        read = world.read
        newest = read(lambda tx, w=wanted: selections.ids(tx, petition_id, w, since=since, limit=7))
        older = read(lambda tx, w=wanted: selections.ids(tx, petition_id, w, since=since, limit=7, before=60))
        bounded = read(
            lambda tx, w=wanted: selections.ids(tx, petition_id, w, since=since, limit=7, after=30, within=within)
        )
        number = read(lambda tx, w=wanted: selections.count(tx, petition_id, w, since=since))
        kinds = read(lambda tx, w=wanted: selections.kinds(tx, petition_id, w, within, since=since))

        assert newest == true[::-1][:7], wanted
        assert older == [one for one in true[::-1] if one < 60][:7], wanted
        assert bounded == [one for one in true if 30 < one <= 60][:7], wanted
        assert number == len(true), wanted
        assert sum(kind.number for kind in kinds) == len([one for one in true if one <= 60]), wanted


def test_the_states_are_counted_for_a_country_and_for_all(world: World, petition_id: int):
    rows = put(world, petition_id, 120)

    for country in (None, "DE", "FR"):
        counts = lists.counts(world.runtime, petition_id, Filter(SignatureState.REMOVED, country))

        assert counts.states == {state: len(matching(rows, Filter(state, country))) for state in SignatureState}
        assert counts.total == len(matching(rows, Filter(None, country)))
        assert counts.matching == counts.states[SignatureState.REMOVED]


def test_counting_ends_at_its_cap(world: World, petition_id: int):
    put(world, petition_id, 30)

    counted = world.read(lambda tx: selections.count(tx, petition_id, Filter(), since=world.clock(), cap=10))
    states = world.read(lambda tx: selections.count_states(tx, petition_id, None, cap=3))

    assert CAP > 10
    assert counted == 11
    assert set(states.values()) <= {0, 1, 2, 3, 4}
    assert max(states.values()) == 4


@pytest.mark.parametrize("wanted", [Filter(), *FILTERS[1:], Filter(unreached=True), Filter(None, "DE", unreached=True)])
def test_no_filter_reads_the_whole_table(world: World, petition_id: int, wanted: Filter):
    put(world, petition_id, 20)
    seen: list[tuple[str, object]] = []
    listen = lambda _c, _cursor, statement, values, _context, _many: seen.append((statement, values))  # noqa: E731
    event.listen(world.runtime.store.engine, "before_cursor_execute", listen)
    since, within = world.clock(), Within(10, world.clock())
    lists.page(world.runtime, petition_id, wanted)
    lists.counts(world.runtime, petition_id, wanted)
    lists.countries(world.runtime, petition_id)
    world.read(lambda tx: selections.ids(tx, petition_id, wanted, since=since, limit=500, after=0, within=within))
    event.remove(world.runtime.store.engine, "before_cursor_execute", listen)
    statements = [one for one in seen if " signature" in one[0] and "select" in one[0]]

    def explain(tx):
        # A plan that still has such a scan has no index to use instead.
        tx.connection.exec_driver_sql("set local enable_seqscan = off")
        return [
            row[0]
            for statement, values in statements
            for row in tx.connection.exec_driver_sql(f"explain {statement}", values)
        ]

    plan = world.read(explain)

    assert len(statements) >= 5
    assert [line for line in plan if "Seq Scan on signature" in line] == []
