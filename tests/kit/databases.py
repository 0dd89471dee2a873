"""Databases of a test's own on the server of the tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg

from tests.kit.engines import with_database


@contextmanager
def own_database(database_url: str, kind: str) -> Iterator[str]:
    """The URL of an empty database; dropped afterwards with all connections to it."""
    name = f"{urlsplit(database_url).path.removeprefix('/')}_{kind}"
    run(database_url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    run(database_url, f"CREATE DATABASE {name} TEMPLATE template0")
    try:
        yield with_database(database_url, name)
    finally:
        run(database_url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def run(database_url: str, statement: str) -> None:
    """One statement, outside of a transaction."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(statement)
