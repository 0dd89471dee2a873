"""What a database holds before a restore, how to empty it, and how PostgreSQL's programs reach it."""

from dataclasses import dataclass

from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import text

from campaign.database.connection import Store, Transaction

OURS = "n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_'"


@dataclass(frozen=True)
class Contents:
    """What a restore must know first."""

    tables: int
    others: int
    """Connections of other programs to this database."""
    version: int
    """Major version of the server."""


def look(store: Store) -> Contents:
    """Count tables and connections of others.

    Raises:
        StoreUnavailableError: the database does not do its work.
    """

    def ask(tx: Transaction) -> Contents:
        row = tx.execute(
            text(f"""
            select (select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace
                    where c.relkind in ('r', 'p') and {OURS}) as tables,
                (select count(*) from pg_stat_activity
                    where datname = current_database() and pid <> pg_backend_pid()
                        and backend_type = 'client backend') as others,
                current_setting('server_version_num')::int / 10000 as version""")
        ).one()
        return Contents(row.tables, row.others, row.version)

    return store.transact(ask)


def empty(store: Store) -> None:
    """Drop all tables, views, sequences, types and functions, in one transaction; the schemas stay.

    Raises:
        StoreUnavailableError: the database does not do its work.
    """
    kinds = {"r": "table", "p": "table", "f": "foreign table", "v": "view", "m": "materialized view", "S": "sequence"}

    def drop(tx: Transaction) -> None:
        for kind, word in kinds.items():
            _drop_all(
                tx, word, f"select c.oid::regclass::text as name from pg_class c "
                f"join pg_namespace n on n.oid = c.relnamespace where c.relkind = '{kind}' and {OURS}"
            )  # fmt: skip
        _drop_all(
            tx, "type", f"select t.oid::regtype::text as name from pg_type t "
            f"join pg_namespace n on n.oid = t.typnamespace where t.typtype in ('e', 'd', 'r') and {OURS}"
        )  # fmt: skip
        _drop_all(
            tx, "routine", f"select p.oid::regprocedure::text as name from pg_proc p "
            f"join pg_namespace n on n.oid = p.pronamespace where {OURS} and not exists "
            "(select 1 from pg_depend d where d.objid = p.oid and d.deptype = 'e')"
        )  # fmt: skip

    store.transact(drop)


def _drop_all(tx: Transaction, word: str, names: str) -> None:
    """The names come from the server, quoted where that is needed."""
    for name in tx.execute(text(names)).scalars().all():
        tx.connection.exec_driver_sql(f"drop {word} if exists {name} cascade")


def without_password(url: str) -> tuple[str, str | None]:
    """A DATABASE_URL as libpq's connection string without the password, and the password if there is one.

    Every user of the host can read command lines.
    """
    options = conninfo_to_dict(url)
    password = options.pop("password", None)
    return make_conninfo("", **options), None if password is None else str(password)
