"""Migrations: bring a database to the schema of this release, and check that the two agree."""

import sys
from enum import StrEnum
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from campaign.database.connection import open_engine, told_apart
from campaign.database.schema import metadata
from campaign.settings import load_settings

SCRIPTS = Path(__file__).with_name("migrations")
LOCK = 0x_C0_57_16
"""Advisory lock: two hosts that start together migrate one after the other."""


def _alembic(database_url: str) -> Config:
    settings = Config()
    settings.set_main_option("script_location", str(SCRIPTS))
    settings.attributes["database_url"] = database_url
    return settings


def head() -> str:
    """The revision that this release wants."""
    return ScriptDirectory.from_config(_alembic("")).get_current_head() or ""


def current(database_url: str) -> str | None:
    """The revision a database has; None for an empty one.

    Raises:
        StoreUnavailableError: the server refuses to tell; ``cause`` says why.
    """
    engine = open_engine(database_url, pool_size=0)
    with told_apart(), engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


class Schema(StrEnum):
    """How the schema of a database compares with that of this release."""

    SAME = "same"
    OLDER = "older"
    NEWER = "newer"
    """Of a later release: migrations add, so that this one still works."""
    EMPTY = "empty"


def compare(database_url: str) -> Schema:
    """Compare the revision of a database with that of this release."""
    found = current(database_url)
    if found is None:
        return Schema.EMPTY
    if found == head():
        return Schema.SAME
    known = {script.revision for script in ScriptDirectory.from_config(_alembic("")).walk_revisions()}
    return Schema.OLDER if found in known else Schema.NEWER


def upgrade(database_url: str, *, revision: str = "head") -> None:
    """Migrate a database; harmless if it is up to date. Other hosts wait for the one that came first.

    Raises:
        StoreUnavailableError: the server refuses; ``cause`` says why.
    """
    engine = open_engine(database_url, pool_size=0)
    with told_apart(), engine.connect() as connection:
        connection.execute(text("select pg_advisory_lock(:lock)"), {"lock": LOCK})
        settings = _alembic(database_url)
        settings.attributes["connection"] = connection
        command.upgrade(settings, revision)
        connection.commit()
        connection.execute(text("select pg_advisory_unlock(:lock)"), {"lock": LOCK})


def differences(database_url: str) -> list[str]:
    """What a migrated database and the schema in code do not have in common; empty if all is well."""
    engine = open_engine(database_url, pool_size=0)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        return [repr(difference) for difference in compare_metadata(context, metadata)]


def new_revision(database_url: str, message: str) -> None:
    """Write a new revision with what the schema has and the database lacks (for developers)."""
    command.revision(_alembic(database_url), message=message, autogenerate=True)


def main(arguments: list[str]) -> int:
    """``python -m campaign.database.migrate upgrade|check|revision <message>`` on DATABASE_URL."""
    url = load_settings().database_url
    if not url:
        sys.stderr.write("DATABASE_URL is not set: name the database to migrate.\n")
        return 2
    match arguments:
        case ["upgrade"]:
            upgrade(url)
        case ["check"]:
            upgrade(url)
            found = differences(url)
            sys.stdout.writelines(f"{line}\n" for line in found)
            return 1 if found else 0
        case ["revision", message]:
            new_revision(url, message)
        case _:
            sys.stderr.write("usage: python -m campaign.database.migrate upgrade|check|revision <message>\n")
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
