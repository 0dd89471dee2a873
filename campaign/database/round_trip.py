"""Prepared statements in one round trip, as one implicit transaction, for the few places where a person waits.

psycopg's cursors convert, look up and await each statement by itself, which costs more than all the rest of a sign-up.
Here libpq (through psycopg's own binding, ``psycopg.pq``) gets the values of statements that the connection has
prepared once, and sends them together. PostgreSQL takes everything up to the next Sync as one transaction.
"""

import re
import select
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from psycopg import Connection
from psycopg.pq import DiagnosticField, ExecStatus
from psycopg.pq.abc import PGconn, PGresult

_NAMED = re.compile(r"%\((\w+)\)s")
_GOOD = frozenset({ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK})
_TEXT, _BINARY = 0, 1


class RefusedError(Exception):
    """Raised when PostgreSQL refused a statement and rolled back all of them; ``sqlstate`` says why."""

    def __init__(self, sqlstate: str) -> None:
        self.sqlstate = sqlstate
        super().__init__(sqlstate)


class Prepared:
    """A statement with named values (``%(name)s``, each with its type at first mention), prepared per connection."""

    def __init__(self, name: str, statement: str) -> None:
        self.name: Final = name.encode()
        self.values: Final = tuple(dict.fromkeys(_NAMED.findall(statement)))
        places = {value: f"${place}" for place, value in enumerate(self.values, start=1)}
        self.command: Final = _NAMED.sub(lambda found: places[found[1]], statement).encode()


def run(
    connection: Connection, known: set[bytes], statements: Sequence[Prepared], values: Mapping[str, object]
) -> bytes | None:
    """Run the statements and return the first value of the last one, as PostgreSQL writes it.

    Args:
        connection: idle, and nobody else's meanwhile.
        known: names of what this connection has prepared; grows.
        statements: in the order in which they run.
        values: by name, for all statements; whole numbers, booleans, texts, bytes, times or None.

    Raises:
        RefusedError: nothing was done.
        psycopg.Error: the connection is lost; nobody can know what was done.
    """
    raw = connection.pgconn
    for statement in statements:
        if statement.name not in known:
            _check(raw.prepare(statement.name, statement.command))
            known.add(statement.name)
    raw.enter_pipeline_mode()
    for statement in statements:
        given = [values[name] for name in statement.values]
        formats = [_BINARY if type(value) is bytes else _TEXT for value in given]
        raw.send_query_prepared(statement.name, [_written(value) for value in given], formats)
    raw.pipeline_sync()
    results = _await(raw)
    raw.exit_pipeline_mode()
    for result in results:
        _check(result)
    return results[-1].get_value(0, 0)


def _written(value: object) -> bytes | None:
    """A value as PostgreSQL reads it."""
    match value:
        case None | bytes():
            return value
        case bool():
            return b"t" if value else b"f"
        case int():
            return b"%d" % value
        case datetime():
            return value.isoformat().encode()
        case str():
            return value.encode()
    raise TypeError(f"no way to write {type(value).__name__} for the database")


def _await(raw: PGconn) -> list[PGresult]:
    """The results up to the Sync; the thread waits without holding up others."""
    wait = select.poll()
    wait.register(raw.socket, select.POLLIN | select.POLLOUT)
    while raw.flush():
        wait.poll()
        raw.consume_input()
    wait.modify(raw.socket, select.POLLIN)
    results: list[PGresult] = []
    while True:
        while raw.is_busy():
            wait.poll()
            raw.consume_input()
        result = raw.get_result()
        if result is None:  # The end of one statement's results.
            continue
        if result.status == ExecStatus.PIPELINE_SYNC:
            return results
        results.append(result)


def _check(result: PGresult) -> None:
    if result.status not in _GOOD:
        state = result.error_field(DiagnosticField.SQLSTATE)
        raise RefusedError(state.decode() if state else ExecStatus(result.status).name)
