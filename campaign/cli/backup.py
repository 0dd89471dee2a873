"""``countersign backup|restore``: the database in a file, and back; a restored copy sends no mail until told to."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkstemp
from typing import BinaryIO

import click

from campaign.cli.account import sign_in_links
from campaign.cli.opening import find_settings, open_runtime
from campaign.database import contents, migrate
from campaign.database.connection import Store
from campaign.errors import ConflictError, CountersignError
from campaign.local.servers import dump
from campaign.operations.backup_and_keys import declare_restored
from campaign.settings import Settings

SET_ASIDE = ".before-restore"
"""Ending of journals that speak of rows which the restored database does not have."""

PATIENCE = 5.0
"""Seconds to wait for the last connections of programs that were just stopped."""


@click.command(
    short_help="Write the database into a file", epilog="Example: countersign backup /srv/backups/2026-11-29.dump"
)
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
def backup(file: Path) -> None:
    """Write the database into FILE, in pg_dump's custom format; `-` is standard output.

    Web and workers may run meanwhile. FILE appears when it is whole, with mode 0600; one that is there is not replaced.
    The keys are never in it: standard error says what else must be kept, and docs/operations.md where.

    Exit status: 0 written; 1 not written, and why.
    """
    settings = find_settings()
    program = dump.find("pg_dump", version=_look(settings).version)
    if str(file) == "-":
        dump.dump(settings, program, sys.stdout.buffer)
        size = None
    else:
        with _whole(file) as draft:
            dump.dump(settings, program, draft)
        size = file.stat().st_size
    click.echo(f"The database is in {file} ({size / 1e6:,.1f} MB)." if size else "The database is written.", err=True)
    click.echo("It can't be read without the keys, which are not in it. Keep, apart from it:", err=True)
    for line in _also(settings):
        click.echo(f"  {line}", err=True)


@contextmanager
def _whole(path: Path) -> Iterator[BinaryIO]:
    """A file of mode 0600 that gets its name when it is whole and on disk; without it, nothing is left.

    Raises:
        ConflictError: there is one of this name.
    """
    if path.exists():
        raise ConflictError(f"{path} is there already, and is kept. Choose another name.")
    descriptor, name = mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(descriptor, "wb") as file:
        try:
            yield file
            file.flush()
            os.fsync(descriptor)
            Path(name).rename(path)
        finally:
            Path(name).unlink(missing_ok=True)


def _also(settings: Settings) -> list[str]:
    lines = ["COUNTERSIGN_KEYS and the other settings: /etc/countersign/countersign.env, or where yours are"]
    if settings.retention_keys is not None and settings.retention_keys.exists():
        lines.append(f"{settings.retention_keys}: the retention keys; replace older copies of this file")
    names = [path for path in (settings.dkim_key_file, settings.dkim_ed25519_key_file) if path is not None]
    return lines + [f"{path}: a DKIM key" for path in names]


@click.command(
    short_help="Bring the database back from a file",
    epilog="Example: countersign restore /srv/backups/2026-11-29.dump",
)
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--replace", is_flag=True, help="Delete first what the database holds.")
def restore(file: Path, *, replace: bool) -> None:
    """Bring the database back from FILE, which `countersign backup` or `pg_dump --format=custom` wrote.

    Stop web and workers on all hosts first. The database must be empty, or --replace deletes what it holds. Then it is
    migrated to this release, and held back as `countersign db restored` does: both lanes and all running updates are
    paused and all accounts are signed out, since it is unknown what was mailed after the backup. Links for the
    admins to sign in are printed.

    Exit status: 0 restored; 1 refused or failed, and why; 78 a setting is wrong.
    """
    settings = find_settings()
    found = _look(settings)
    program = dump.find("pg_restore", version=found.version)
    dump.check_archive(program, file)
    _refuse_connections(settings, found.others)
    if found.tables and not replace:
        raise ConflictError(
            f"The database has {found.tables} tables. Name an empty one in DATABASE_URL, or delete them with --replace."
        )
    store = Store(settings.database_url, pool_size=1)
    try:
        if found.tables:
            contents.empty(store)
        dump.restore(settings, program, file)
        migrate.upgrade(settings.database_url)
        done = declare_restored(store, now=store.clock())
    finally:
        store.close()
    click.echo(f"Restored. Nothing is mailed until you resume it; paused: {done.lanes} lanes, {done.blasts} updates.")
    for line in [*_set_journals_aside(settings), *_links()]:
        click.echo(line)
    click.echo(
        "Next: start web and workers, look at the monitor, then resume (docs/operations.md, Restoring).", err=True
    )


def _refuse_connections(settings: Settings, others: int) -> None:
    """Wait a moment for connections to end: PostgreSQL counts one a little longer than the process that had it.

    Raises:
        ConflictError: some are still open.
    """
    until = time.monotonic() + PATIENCE
    while others and time.monotonic() < until:
        time.sleep(0.1)
        others = _look(settings).others
    if others:
        counted = "1 connection to this database is" if others == 1 else f"{others} connections to this database are"
        raise ConflictError(
            f"{counted} open. Stop web and workers on all hosts, then try again: "
            "systemctl stop countersign.target countersign-web 'countersign-worker@*'"
        )


def _look(settings: Settings) -> contents.Contents:
    store = Store(settings.database_url, pool_size=1)
    try:
        return contents.look(store)
    finally:
        store.close()


def _set_journals_aside(settings: Settings) -> Iterator[str]:
    """Journals of this host tell of messages that the restored database does not know, or knows otherwise."""
    journals = sorted((settings.data / "journal").glob("[0-9]*.journal"))
    for journal in journals:
        journal.rename(journal.with_name(journal.name + SET_ASIDE))
    if journals:
        yield f"{len(journals)} journals in {settings.data / 'journal'} are set aside; do so on each host that sends."


def _links() -> list[str]:
    """Links to sign in; the database stays restored and held back if the keys do not open it."""
    try:
        with open_runtime() as runtime:
            return sign_in_links(runtime)
    except CountersignError as error:
        raise CountersignError(
            f"The database is restored and held back, but can't be opened: {error}. Bring back the COUNTERSIGN_KEYS "
            "that it was made with, then: countersign account sign-in-link <address>"
        ) from None
