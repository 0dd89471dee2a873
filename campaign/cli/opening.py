"""What a command works on: the database that settings name, or the one that ``countersign up`` runs."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import click

from campaign.cli.starting import start_log
from campaign.local.servers import redis
from campaign.local.servers.attach import attach_database
from campaign.runtime import Runtime, build
from campaign.security.keys import ensure_local_keys
from campaign.settings import Settings, load_settings


def find_settings() -> Settings:
    """The settings, filled in with the embedded servers that run and the keys of the key folder.

    The database must be there; Redis may be away, for no command but the workers' needs it.

    Raises:
        SettingsError: a setting is wrong.
        EngineError: no database is set, and the embedded one does not run.
    """
    settings = attach_database(start_log(load_settings()))
    return settings.replace(redis_url=settings.redis_url or redis.live_url(settings) or "")


@contextmanager
def termination_as_interrupt() -> Iterator[None]:
    """Let SIGTERM end a command as Ctrl-C does: in order, with all that it started."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def until_interrupted() -> Iterator[None]:
    """Run until SIGTERM or Ctrl-C, which is the usual end: exit status 0."""
    try:
        with termination_as_interrupt():
            yield
    except KeyboardInterrupt:
        click.echo("Stopped.", err=True)


@contextmanager
def open_runtime() -> Iterator[Runtime]:
    """A runtime for the length of one command.

    Raises:
        CountersignError: as :func:`find_settings`, or the database does not answer, or belongs to other keys.
    """
    runtime = build(ensure_local_keys(find_settings()), pool_size=1)
    try:
        yield runtime
    finally:
        runtime.close()
