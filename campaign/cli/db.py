"""``countersign db …``: the schema of the database."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from campaign.cli.account import sign_in_links
from campaign.cli.opening import open_runtime
from campaign.database import migrate
from campaign.errors import EngineError
from campaign.local.servers import postgres
from campaign.local.servers.attach import attach_database
from campaign.operations.backup_and_keys import declare_restored
from campaign.settings import Settings, load_settings


@click.group(short_help="Migrate and check the database schema")
def db() -> None:
    """The schema of the database."""


@db.command(
    short_help="Migrate the database to this release",
    epilog="Example: DATABASE_URL=postgresql://countersign@db/countersign countersign db upgrade",
)
def upgrade() -> None:
    """Bring the database to the schema of this release.

    Works on DATABASE_URL, else on the embedded server that `countersign up` runs. Harmless when there is nothing to
    do; hosts that do it at once wait for each other.
    """
    url = attach_database(load_settings()).database_url
    before = migrate.current(url)
    migrate.upgrade(url)
    after = migrate.current(url)
    click.echo(f"The database is at {after}." if before == after else f"Migrated from {before or 'empty'} to {after}.")


@db.command(short_help="Check that migrations match the code", epilog="Example: countersign db check")
def check() -> None:
    """Check that the migrations lead to the schema in the code (for developers).

    Migrates an empty database of a PostgreSQL that is started for this alone, or of DATABASE_URL if it is set.
    """
    with _empty_database(load_settings()) as url:
        migrate.upgrade(url)
        found = migrate.differences(url)
    for difference in found:
        click.echo(difference)
    if found:
        raise EngineError("The migrations do not lead to the schema in campaign/database/tables/ (see above).")
    click.echo("The migrations lead to the schema in the code.")


@db.command(short_help="Declare that a backup was restored", epilog="Example: countersign db restored")
def restored() -> None:
    """Declare that a backup was restored, before anything is started on it.

    The installation gets a new epoch: updates scheduled before the backup are held instead of being mailed
    by themselves. Both lanes and all running updates are paused, since it is unknown what went out after the backup was
    taken, and everybody is signed out; links for the admins to sign in are printed. Stop web and workers first, start
    them afterwards; docs/operations.md says how to go on.
    """
    with open_runtime() as runtime:
        done = declare_restored(runtime.store, now=runtime.clock())
        links = sign_in_links(runtime)
    click.echo(
        f"New epoch. Paused: {done.lanes} lanes, {done.blasts} updates. Signed out: {done.sessions} sessions. "
        "Start web and workers, look at the monitor, then resume."
    )
    for line in links:
        click.echo(line)


@contextmanager
def _empty_database(settings: Settings) -> Iterator[str]:
    if settings.database_url:
        yield settings.database_url
        return
    with tempfile.TemporaryDirectory(prefix="countersign-") as folder:
        throw_away = load_settings({"COUNTERSIGN_DATA": str(Path(folder) / "data")})
        try:
            yield postgres.start(throw_away, durable=False)
        finally:
            postgres.discard(throw_away)
