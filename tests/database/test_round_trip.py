"""The quick way to the database says what happened, and leaves the connection as it found it."""

import threading
from datetime import UTC, datetime

import pytest

from campaign.database.round_trip import Prepared
from campaign.signatures.queries import IdBlocks

ECHO = Prepared(
    "test_echo",
    """select concat_ws('|', %(whole)s::bigint, %(yes)s::boolean, %(no)s::boolean, %(words)s::text,
        encode(%(raw)s::bytea, 'hex'), %(when)s::timestamptz at time zone 'UTC', %(nothing)s::int is null,
        %(whole)s + 1)""",
)
DIVIDE = Prepared("test_divide", "select 1 / %(whole)s::int")
NOTE = Prepared("test_note", "insert into test_notes values (%(words)s::text)")


def test_values_of_every_kind_arrive(world):
    values = {
        "whole": -(2**62), "yes": True, "no": False, "words": "Zoë 'quoted' \\x41", "raw": b"\x00\xff'",
        "when": datetime(2026, 1, 2, 3, 4, 5, 6, UTC), "nothing": None,
    }  # fmt: skip

    answers = [world.runtime.store.express([ECHO], values) for _ in range(2)]

    assert answers[0] == answers[1]
    assert answers[0].decode().split("|") == [
        str(-(2**62)), "t", "f", "Zoë 'quoted' \\x41", "00ff27", "2026-01-02 03:04:05.000006", "t", str(1 - 2**62),
    ]  # fmt: skip


def test_a_statement_that_fails_undoes_the_ones_before_it(world):
    world.sql("create table test_notes (words text)")
    store = world.runtime.store

    refused = [store.express([NOTE, DIVIDE], {"words": "never", "whole": 0}) for _ in range(2)]
    kept = store.express([NOTE, DIVIDE], {"words": "stays", "whole": 1})

    assert refused == [None, None]
    assert kept == b"1"
    assert world.sql("select words from test_notes") == [("stays",)]
    world.sql("drop table test_notes")


def test_a_connection_that_the_server_ends_is_replaced(world):
    store = world.runtime.store

    before = store.express([DIVIDE], {"whole": 1})
    lost = store.express([Prepared("test_end", "select pg_terminate_backend(pg_backend_pid())")], {})
    after = store.express([DIVIDE], {"whole": 1})

    assert (before, lost, after) == (b"1", None, b"1")


def test_a_value_of_a_strange_kind_is_an_error_and_costs_no_connection(world):
    store = world.runtime.store

    with pytest.raises(TypeError, match="float"):
        store.express([DIVIDE], {"whole": 1.5})

    assert store.express([DIVIDE], {"whole": 1}) == b"1"
    assert store.transact(lambda tx: tx.connection.exec_driver_sql("select 7").scalar_one()) == 7


def test_ids_that_threads_draw_at_once_are_all_different(world):
    blocks = [IdBlocks(world.runtime.store) for _ in range(2)]
    drawn: list[int] = []

    def draw(place: int) -> None:
        drawn.extend([blocks[place % 2].next() for _ in range(300)])

    threads = [threading.Thread(target=draw, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(drawn)) == 1_200
