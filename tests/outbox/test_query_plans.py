"""The queries that run every second read an index, however much the tables hold."""

import pytest
from sqlalchemy import event

from campaign.blasts import milestones
from campaign.operations import metrics
from campaign.outbox import counted, leases, ledger
from campaign.states import Lane

ROWS = 50_000


@pytest.fixture
def full(new_tables, world):
    """A petition with fifty thousand counted signatures and their accepted mails, and one of each that is new."""
    slug = world.petition()
    signed = world.signature(slug, confirmed=True)
    world.count(slug)
    world.sql(
        """
        insert into signature (id, petition_id, text_version_id, consent_id, state, locale, country, show_name,
            wants_updates, counted, nonce, address_index, person_index, requested_at, confirmed_at, mailbox_slot)
        select 1000000 + n, petition_id, text_version_id, consent_id, 'confirmed', locale, country, false, false, true,
            nonce, decode(md5(n::text), 'hex'), decode(md5(n::text), 'hex'), requested_at, confirmed_at, 1
        from signature, generate_series(1, %(rows)s) n where id = %(id)s""",
        rows=ROWS, id=signed,
    )  # fmt: skip
    world.sql(
        """
        insert into message (signature_id, petition_id, kind, lane, state, due_at, settled_at)
        select id, petition_id, 'confirmation', 'urgent', 'accepted', requested_at, requested_at from signature
        where id > 1000000"""
    )
    world.sql(
        """
        insert into message (signature_id, petition_id, kind, lane, due_at)
        select id, petition_id, 'update', 'bulk', requested_at from signature where id > 1000000 and mod(id, 2) = 0"""
    )
    world.signature(slug, "new@example.org", confirmed=True)
    for table in ("signature", "message"):
        world.sql(f"analyze {table}")
    return world


def indexes_used(world, act):
    """The indexes in the plans of the statements that ``act`` runs, and the tables that are read whole."""
    statements = []

    def note(_connection, _cursor, statement, parameters, _context, _many):
        if statement.lstrip().lower().startswith(("select", "with", "update", "set local")):
            statements.append((statement, dict(parameters) if isinstance(parameters, dict) else {}))

    event.listen(world.runtime.store.engine, "before_cursor_execute", note)
    try:
        act()
    finally:
        event.remove(world.runtime.store.engine, "before_cursor_execute", note)
    indexes, whole = set(), set()
    for plan in world.read(lambda tx: [_plan(tx, *statement) for statement in statements]):
        for node in _nodes(plan):
            indexes.add(node.get("Index Name"))
            if node["Node Type"] == "Seq Scan":
                whole.add(node["Relation Name"])
    return indexes - {None}, whole & {"signature", "message"}


def _plan(tx, statement, parameters):
    if statement.startswith("set local"):
        tx.connection.exec_driver_sql(statement)
        return {"Node Type": "setting"}
    [(found,)] = tx.connection.exec_driver_sql(f"explain (format json) {statement}", parameters).all()
    return found[0]["Plan"]


def _nodes(plan):
    yield plan
    for child in plan.get("Plans", []):
        yield from _nodes(child)


@pytest.mark.parametrize(("suspects", "index"), [(False, "ix_message_due"), (True, "ix_message_suspect")])
def test_a_claim_from_a_long_queue_reads_an_index(full, suspects, index):
    now = full.clock.now

    indexes, whole = indexes_used(
        full,
        lambda: full.read(
            lambda tx: ledger.claim(tx, Lane.BULK, owner_id=1, limit=100, lease_until=now, now=now, suspects=suspects)
        ),
    )

    assert index in indexes
    assert whole == set()


def test_the_ticker_s_look_reads_the_index_of_what_is_due(full):
    indexes, whole = indexes_used(
        full, lambda: full.read(lambda tx: ledger.has_due(tx, Lane.URGENT, now=full.clock.now))
    )

    assert "ix_message_due" in indexes
    assert whole == set()


def test_the_counter_reads_the_index_of_what_is_uncounted(full):
    indexes, whole = indexes_used(full, lambda: milestones.count_signatures(full.runtime))

    assert "ix_signature_uncounted" in indexes
    assert whole == set()


def test_recovering_reads_the_index_of_leases(full):
    now = full.clock.now

    indexes, whole = indexes_used(
        full, lambda: full.read(lambda tx: (leases.recover_claimed(tx, now=now), leases.lose_submitting(tx, now=now)))
    )

    assert "ix_message_lease" in indexes
    assert whole == set()


def test_signing_reads_no_table_whole(full):
    _, whole = indexes_used(full, lambda: full.sign("a-petition", "another@example.org", network="203.0.113.1"))

    assert whole == set()


def test_metrics_read_their_counters_and_neither_messages_nor_signatures(full):
    indexes, whole = indexes_used(full, lambda: metrics.read_counts(full.runtime))

    assert {name for name in indexes if name.startswith(("ix_", "uq_", "pk_message", "pk_signature"))} == set()
    assert whole == set()


def test_whether_a_confirmation_is_the_only_one_of_its_form_is_read_from_an_index(full):
    signed = [row[0] for row in full.sql("select id from signature where id > 1000000 limit 20")]

    indexes, whole = indexes_used(full, lambda: full.read(lambda tx: counted.with_one_confirmation(tx, signed)))

    assert "ix_message_signature" in indexes
    assert whole == set()
