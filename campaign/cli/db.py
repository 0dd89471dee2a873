"""``countersign db …``: the schema of the database."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from campaign import config
from campaign.cli.opening import open_runtime
from campaign.engines import postgres
from campaign.engines.attach import attach_database
from campaign.errors import EngineError
from campaign.store import instance, migrate


@click.group()
def db() -> None:
    """The schema of the database."""


@db.command(epilog="Example: DATABASE_URL=postgresql://countersign@db/countersign countersign db upgrade")
def upgrade() -> None:
    """Bring the database to the schema of this release.

    Works on DATABASE_URL, else on the embedded server that `countersign up` runs. Harmless when there is nothing to
    do; hosts that do it at once wait for each other.
    """
    url = attach_database(config.load()).database_url
    before = migrate.current(url)
    migrate.upgrade(url)
    after = migrate.current(url)
    click.echo(f"The database is at {after}." if before == after else f"Migrated from {before or 'empty'} to {after}.")


@db.command(epilog="Example: countersign db check")
def check() -> None:
    """Check that the migrations lead to the schema in the code (for developers).

    Migrates an empty database of a PostgreSQL that is started for this alone, or of DATABASE_URL if it is set.
    """
    with _empty_database(config.load()) as url:
        migrate.upgrade(url)
        found = migrate.differences(url)
    for difference in found:
        click.echo(difference)
    if found:
        raise EngineError("The migrations do not lead to the schema in campaign/store/schema.py (see above).")
    click.echo("The migrations lead to the schema in the code.")


@db.command("new-epoch", epilog="Example: countersign db new-epoch")
def new_epoch() -> None:
    """Give a restored installation a new epoch, so that what its backup had scheduled mails nobody by itself.

    Stop the workers before; afterwards those updates are held for a person. Restart web and workers.
    """
    with open_runtime() as runtime:
        epoch = runtime.store.transact(instance.new_epoch)
        click.echo(f"The new epoch is {epoch}. Updates scheduled before are held: schedule them anew if they shall go.")


@contextmanager
def _empty_database(settings: config.Settings) -> Iterator[str]:
    if settings.database_url:
        yield settings.database_url
        return
    with tempfile.TemporaryDirectory(prefix="countersign-") as folder:
        throw_away = config.load({"COUNTERSIGN_DATA": str(Path(folder) / "data")})
        try:
            yield postgres.start(throw_away, durable=False)
        finally:
            postgres.discard(throw_away)
