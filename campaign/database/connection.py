"""One transaction at a time: commit, retry what PostgreSQL asks to retry, and wake the workers only afterwards."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import psycopg
from sqlalchemy import Connection, CursorResult, Engine, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import NullPool
from sqlalchemy.sql.elements import TextClause

from campaign.database.clock import SharedClock
from campaign.database.prepared import Prepared
from campaign.errors import StoreUnavailableError
from campaign.states import Lane, WakeUp

T = TypeVar("T")
log = logging.getLogger(__name__)

RETRY_STATES = frozenset({"40001", "40P01"})
"""Serialisation failure and deadlock: the server rolled back and asks for another try."""

ATTEMPTS = 4

LINK_TIMEOUT = 20_000
"""Milliseconds without an acknowledgement by the database's host after which a connection counts as lost."""

Nudge = Callable[[frozenset[WakeUp]], None]


class DuplicateError(Exception):
    """Raised when a unique constraint forbids a row; ``constraint`` names it. Use cases turn it into a named error."""

    def __init__(self, constraint: str) -> None:
        self.constraint = constraint
        super().__init__(constraint)


@dataclass
class Transaction:
    """An open transaction; named queries take it as their first argument."""

    connection: Connection
    lanes: set[Lane] = field(default_factory=set)

    def execute(self, statement: TextClause | Any, **values: object) -> CursorResult[Any]:  # noqa: ANN401 - any Core
        """Run one statement with its named values."""
        result: CursorResult[Any] = self.connection.execute(statement, values or None)
        return result

    def nudge(self, lane: Lane) -> None:
        """Wake the workers of a lane once this transaction has committed; never before."""
        self.lanes.add(lane)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """A nested transaction: a :class:`DuplicateError` inside undoes only what was inside."""
        try:
            with self.connection.begin_nested():
                yield
        except IntegrityError as error:
            raise _duplicate(error) from None


def no_nudge(_work: frozenset[WakeUp]) -> None:
    """Wake no worker: the ticker finds due rows within a second."""


class Store:
    """The database: hands transactions to units of work. ``clock`` tells its time."""

    def __init__(
        self, url: str, *, nudge: Nudge = no_nudge, pool_size: int = 5, clock: SharedClock | None = None
    ) -> None:
        self.nudge = nudge
        self.clock = clock or SharedClock()
        self.engine = open_engine(url, pool_size=pool_size)
        # Opened by the first write: only a web process has any.
        self._writers = open_engine(url, pool_size=pool_size, autocommit=True)

    def transact(self, work: Callable[[Transaction], T]) -> T:
        """Run a unit of work in one transaction and commit; afterwards wake the lanes it planned mail for.

        ``work`` may run more than once (deadlock, serialisation failure, a connection that died before the commit),
        so it must not touch anything but the transaction.

        Raises:
            DuplicateError: a unique constraint forbids the row.
            StoreUnavailableError: the database does not answer, or was lost at the commit.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                result, lanes = self._once(work)
            except (OperationalError, InterfaceError, PoolTimeoutError) as error:
                if attempt == ATTEMPTS or not _may_retry(error):
                    raise StoreUnavailableError("the database does not answer; please try again in a minute") from error
                log.warning("transaction tried again: %s", _state(error) or type(error).__name__)
                time.sleep(0.01 * 4**attempt if _state(error) not in RETRY_STATES else 0.005 * attempt)
            else:
                if lanes:
                    self.nudge(frozenset(lanes))
                return result
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _once(self, work: Callable[[Transaction], T]) -> tuple[T, set[Lane]]:
        with self.engine.connect() as connection:
            self._compare_clocks(connection)
            try:
                transaction = Transaction(connection)
                result = work(transaction)
            except IntegrityError as error:
                raise _duplicate(error) from None
            try:
                connection.commit()
            except DBAPIError as error:
                if _state(error) in RETRY_STATES:
                    raise
                # The outcome of the commit is unknown: do not run it again.
                raise StoreUnavailableError("the database was lost while saving; please try again") from error
            return result, transaction.lanes

    def write(self, statement: Prepared, values: Mapping[str, object], *, wake: WakeUp) -> None:
        """Run one statement as a transaction of its own, in one round trip, and wake workers afterwards.

        For requests that must answer quickly. It runs on a connection that does nothing else and is in autocommit
        mode: there is no BEGIN, COMMIT or ROLLBACK to wait for, and none that would discard what is prepared there.

        Args:
            statement: a second run must change nothing, for it is run again if the connection was lost and nothing
                tells whether the first run was committed.
            values: by name.
            wake: what the workers are woken for.

        Raises:
            StoreUnavailableError: the database does not answer.
        """
        if self.clock.is_due:
            self.transact(lambda _: None)
        if not self._write_at_once(statement, values):
            self.transact(lambda tx: tx.connection.exec_driver_sql(statement.statement, dict(values)))
        self.nudge(frozenset({wake}))

    def _write_at_once(self, statement: Prepared, values: Mapping[str, object]) -> bool:
        """Run a statement in autocommit mode; False if it failed, which costs the connection."""
        try:
            pooled = self._writers.raw_connection()
        except (psycopg.Error, DBAPIError, PoolTimeoutError) as error:
            log.info("no connection for a quick write: %s", type(error).__name__)
            return False
        raw: Any = pooled.driver_connection
        is_whole = False
        try:
            known: set[bytes] = pooled.info.setdefault("prepared", set())
            statement.run(raw, values, is_known=statement.name in known)
            known.add(statement.name)
            is_whole = True
        except psycopg.Error as error:
            log.info("a quick write failed: %s", error.sqlstate or type(error).__name__)
        finally:
            if not is_whole:
                pooled.invalidate()
            pooled.close()
        return is_whole

    def _compare_clocks(self, connection: Connection) -> None:
        if self.clock.is_due:
            self.clock.compare(lambda: connection.execute(text("select clock_timestamp()")).scalar_one())
            connection.rollback()

    def is_alive(self) -> bool:
        """True if the database answers now."""
        try:
            with self.engine.connect() as connection:
                connection.execute(text("select 1"))
        except (DBAPIError, PoolTimeoutError):
            return False
        return True

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()
        self._writers.dispose()


def array_of(keys: Sequence[bytes]) -> str:
    """Many short byte strings as PostgreSQL spells an array: far quicker to hand over than one by one."""
    return "{" + ",".join(['"\\\\x' + key.hex() + '"' for key in keys]) + "}"


def open_engine(url: str, *, pool_size: int = 5, autocommit: bool = False) -> Engine:
    """An engine for a DATABASE_URL.

    Args:
        url: the database.
        pool_size: connections kept open; 0 opens a connection per use (migrations, tests).
        autocommit: each statement is a transaction of its own, and nothing is rolled back.
    """
    target = make_url(url).set(drivername="postgresql+psycopg")
    options: dict[str, Any] = (
        {"poolclass": NullPool}
        if pool_size == 0
        else {
            "pool_size": pool_size,
            "max_overflow": pool_size,
            "pool_timeout": 5,
            "pool_use_lifo": True,
        }
    )
    return create_engine(
        target,
        connect_args={
            "connect_timeout": 3,
            # A host whose link was cut learns of it in seconds, not after the quarter of an hour that TCP would try.
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": LINK_TIMEOUT,
            "application_name": "countersign",
            "autocommit": autocommit,
            # A lost client must not hold its locks; a runaway query must not hold a worker.
            "options": "-c idle_in_transaction_session_timeout=60000 -c statement_timeout=120000 -c timezone=UTC",
        },
        pool_reset_on_return=None if autocommit else "rollback",
        **options,
    )


def _state(error: Exception) -> str | None:
    return getattr(getattr(error, "orig", None), "sqlstate", None)


def _may_retry(error: Exception) -> bool:
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return _state(error) in RETRY_STATES


def _duplicate(error: IntegrityError) -> Exception:
    diagnosis = getattr(error.orig, "diag", None)
    if _state(error) == "23505" and diagnosis is not None:
        return DuplicateError(diagnosis.constraint_name or "")
    return error
