"""What a check of an installation asks PostgreSQL: it only reads, and what it tries is rolled back."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from campaign.database.connection import Store, Transaction
from campaign.database.schema import metadata
from campaign.security.encryption import Sealed


@dataclass(frozen=True)
class Server:
    """A PostgreSQL that lets us in."""

    version: int
    """``server_version_num``, e.g. 150018."""
    encoding: str
    """Of the database, ``UTF8`` as it should be."""
    time: datetime
    is_encrypted: bool
    """True if this connection has TLS."""
    connections: int
    """``max_connections`` without those kept for superusers."""


@dataclass(frozen=True)
class PetitionKey:
    """The wrapped data key of a petition."""

    petition_id: int
    sealed: Sealed


def server(store: Store) -> Server:
    """Log in and ask what the server is.

    Raises:
        StoreUnavailableError: it does not let us in; ``cause`` says why.
    """

    def ask(tx: Transaction) -> Server:
        row = tx.execute(
            text("""
            select current_setting('server_version_num')::int as version, pg_encoding_to_char(encoding) as encoding,
                clock_timestamp() as time, coalesce((select ssl from pg_stat_ssl where pid = pg_backend_pid()), false)
                as ssl, current_setting('max_connections')::int
                    - current_setting('superuser_reserved_connections')::int as connections
            from pg_database where datname = current_database()""")
        ).one()
        return Server(row.version, row.encoding, row.time, row.ssl, row.connections)

    return store.transact(ask)


def missing_rights(store: Store) -> list[str]:
    """Tables that are there and that our user may not read, fill, change and empty.

    Raises:
        StoreUnavailableError: it does not do its work.
    """
    rights = "select", "insert", "update", "delete"
    asked = " and ".join(f"has_table_privilege(c.oid, '{right}')" for right in rights)

    def ask(tx: Transaction) -> list[str]:
        rows = tx.execute(
            text(f"""
            select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where c.relkind in ('r', 'p') and n.nspname = current_schema() and c.relname = any(:names)
                and not ({asked})
            order by c.relname"""),
            names=list(metadata.tables),
        )
        return [row.name for row in rows]

    return store.transact(ask)


class _UndoneError(Exception):
    """Raised to end a transaction without its changes."""


def try_to_write(store: Store) -> None:
    """Write into a temporary table and into a table of ours, and take it back: nothing changes.

    Raises:
        StoreUnavailableError: the server refuses; ``cause`` says why: read-only, disk full, no right.
    """

    def write(tx: Transaction) -> None:
        tx.execute(text("create temporary table doctor (id int) on commit drop"))
        tx.execute(text("insert into doctor values (1)"))
        tx.execute(text("insert into periodic_job (name, next_at) values ('doctor', 'infinity')"))
        raise _UndoneError

    try:
        store.transact(write)
    except _UndoneError:
        return


def sample_of_keys(store: Store, *, limit: int) -> list[PetitionKey]:
    """The wrapped data keys of the newest and the oldest petitions, up to ``limit`` of each.

    Raises:
        StoreUnavailableError: the database does not do its work.
    """

    def ask(tx: Transaction) -> list[PetitionKey]:
        rows = tx.execute(
            text("""
            (select id, data_key_id, data_key from petition where data_key is not null order by id limit :limit)
            union
            (select id, data_key_id, data_key from petition where data_key is not null order by id desc limit :limit)
            order by id"""),
            limit=limit,
        )
        return [PetitionKey(row.id, Sealed(row.data_key_id, bytes(row.data_key))) for row in rows]

    return store.transact(ask)
