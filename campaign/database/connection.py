"""One transaction at a time: commit, retry what PostgreSQL asks to retry, and wake the workers only afterwards."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Connection, CursorResult, Engine, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import NullPool
from sqlalchemy.sql.elements import TextClause

from campaign.database import counters
from campaign.database.causes import CAUSES, cause_of, is_refused
from campaign.database.clock import SharedClock
from campaign.database.counters import Sums
from campaign.database.group_commit import GroupCommit
from campaign.errors import SettingsError, StoreUnavailableError
from campaign.states import WakeUp

T = TypeVar("T")
Row = TypeVar("Row")
log = logging.getLogger(__name__)

RETRY_STATES = frozenset({"40001", "40P01"})
"""Serialisation failure and deadlock: the server rolled back and asks for another try."""

ATTEMPTS = 4

LARGEST_ID = 2**63 - 1
"""Of a column of type bigint."""

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
    wake_ups: set[WakeUp] = field(default_factory=set)
    counts: Sums = field(default_factory=Sums)
    """What /metrics counts of this transaction; stored with it. Not inside a savepoint, which may be undone."""

    def execute(self, statement: TextClause | Any, **values: object) -> CursorResult[Any]:  # noqa: ANN401 - any Core
        """Run one statement with its named values."""
        result: CursorResult[Any] = self.connection.execute(statement, values or None)
        return result

    def nudge(self, work: WakeUp) -> None:
        """Wake the workers for a lane, or for requests, once this transaction has committed; never before."""
        self.wake_ups.add(work)

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
        self._groups: dict[Callable[..., object], GroupCommit[Any]] = {}

    def transact(self, work: Callable[[Transaction], T]) -> T:
        """Run a unit of work in one transaction and commit; afterwards wake the lanes it planned mail for.

        ``work`` may run more than once (deadlock, serialisation failure, a connection that died before the commit),
        so it must not touch anything but the transaction.

        Raises:
            DuplicateError: a unique constraint forbids the row.
            StoreUnavailableError: the database does not do its work, or was lost at the commit; ``cause`` says why.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                result, wake_ups = self._once(work)
            except (DBAPIError, PoolTimeoutError) as error:
                if not is_refused(error):
                    raise
                if attempt == ATTEMPTS or not _may_retry(error):
                    raise StoreUnavailableError(cause=cause_of(error)) from error
                log.warning("transaction tried again: %s", _state(error) or type(error).__name__)
                time.sleep(0.01 * 4**attempt if _state(error) not in RETRY_STATES else 0.005 * attempt)
            else:
                if wake_ups:
                    self.nudge(frozenset(wake_ups))
                return result
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _once(self, work: Callable[[Transaction], T]) -> tuple[T, set[WakeUp]]:
        with self.engine.connect() as connection:
            self._compare_clocks(connection)
            try:
                transaction = Transaction(connection)
                result = work(transaction)
                if transaction.counts:
                    counters.write(connection, transaction.counts)
            except IntegrityError as error:
                raise _duplicate(error) from None
            try:
                connection.commit()
            except DBAPIError as error:
                if _state(error) in RETRY_STATES:
                    raise
                # The outcome of the commit is unknown: do not run it again.
                raise StoreUnavailableError(
                    "the database was lost while saving; please try again", cause=cause_of(error)
                ) from error
            return result, transaction.wake_ups

    def transact_in_group(self, work: Callable[[Transaction, Sequence[Row]], object], row: Row) -> None:
        """Store a row as :meth:`transact` does, in one transaction with the rows that other threads store meanwhile.

        Args:
            work: stores rows; a function of a module, the same one for all rows of a kind.
            row: the row.

        Raises:
            DuplicateError, StoreUnavailableError: as :meth:`transact`.
        """
        group = self._groups.get(work)
        if group is None:
            # Two threads may make one at the same time; both get the one that is stored.
            made = GroupCommit[Any](lambda rows: self.transact(lambda tx: work(tx, rows)), (DuplicateError, DBAPIError))
            group = self._groups.setdefault(work, made)
        group.add(row)

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


def array_of(keys: Iterable[bytes | None]) -> str:
    """Byte strings as PostgreSQL writes an array of bytea: far quicker to hand over than one by one."""
    return "{" + ",".join(["null" if key is None else f'"\\\\x{key.hex()}"' for key in keys]) + "}"


def open_engine(url: str, *, pool_size: int = 5) -> Engine:
    """An engine for a DATABASE_URL.

    Args:
        url: the database.
        pool_size: connections kept open; 0 opens a connection per use (migrations, tests).

    Raises:
        SettingsError: it can't be read as a URL.
    """
    try:
        target = make_url(url).set(drivername="postgresql+psycopg")
    except (ArgumentError, ValueError):
        # Its words may repeat the URL with its password.
        raise SettingsError([CAUSES["url"].sentence]) from None
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
        # Errors and logs quote statements, never their values: those are keys and sealed data of signers.
        hide_parameters=True,
        connect_args={
            "connect_timeout": 3,
            # A host whose link was cut learns of it in seconds, not after the quarter of an hour that TCP would try.
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": LINK_TIMEOUT,
            "application_name": "countersign",
            # Else text of a database in SQL_ASCII comes as bytes, which nothing here expects.
            "client_encoding": "utf8",
            # A lost client must not hold its locks; a runaway query must not hold a worker.
            "options": "-c idle_in_transaction_session_timeout=60000 -c statement_timeout=120000 -c timezone=UTC",
        },
        **options,
    )


@contextmanager
def told_apart() -> Iterator[None]:
    """Turn what the server refuses inside into :class:`StoreUnavailableError` with its cause."""
    try:
        yield
    except (DBAPIError, PoolTimeoutError) as error:
        if not is_refused(error):
            raise
        raise StoreUnavailableError(cause=cause_of(error)) from error


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
