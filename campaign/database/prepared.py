"""One statement that a connection prepares once and then runs by a single call of libpq.

psycopg's cursors wait in several steps, after each of which the thread must get Python's global lock again; under load
that costs a sign-up more than the statement. ``PQexecPrepared`` sends the statement and waits for its result in one.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

import psycopg
from psycopg import Connection
from psycopg.pq import ExecStatus

_NAMED = re.compile(r"%\((\w+)\)s")
_GOOD = frozenset({ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK})
_TEXT, _BINARY = 0, 1


class Prepared:
    """A statement with psycopg's named values."""

    def __init__(self, name: str, statement: str) -> None:
        self.name: Final = name.encode()
        self.statement: Final = statement
        self._values: Final = tuple(dict.fromkeys(_NAMED.findall(statement)))
        places = {value: f"${place}" for place, value in enumerate(self._values, start=1)}
        self._command: Final = _NAMED.sub(lambda found: places[found[1]], statement).encode()

    def run(self, connection: Connection, values: Mapping[str, object], *, is_known: bool) -> None:
        """Run the statement on a connection in autocommit mode, and prepare it before if it is not known there.

        Args:
            connection: idle, and used by no other thread meanwhile.
            values: by name: whole numbers, texts, bytes, moments or None.
            is_known: this connection has prepared the statement.

        Raises:
            psycopg.Error: the server refused it, or the connection is lost.
        """
        raw = connection.pgconn
        if not is_known:
            _check(raw.prepare(self.name, self._command))
        given = [_written(values[name]) for name in self._values]
        formats = [_BINARY if type(values[name]) is bytes else _TEXT for name in self._values]
        _check(raw.exec_prepared(self.name, given, formats))  # type: ignore[arg-type]  # its stub forgets NULL


def _written(value: object) -> bytes | None:
    """A value as PostgreSQL reads it."""
    match value:
        case None | bytes():
            return value
        case int():
            return b"%d" % value
        case datetime():
            return value.isoformat().encode()
        case str():
            return value.encode()
    raise TypeError(f"{type(value).__name__} can't be written for the database")


def _check(result: "psycopg.pq.abc.PGresult") -> None:
    if result.status not in _GOOD:
        raise psycopg.errors.error_from_result(result)
