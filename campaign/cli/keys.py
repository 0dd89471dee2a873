"""``countersign keys …``: the instance keys that wrap all others."""

import click

from campaign.cli.opening import open_runtime
from campaign.operations import backup_and_keys
from campaign.security import keys as security_keys
from campaign.settings import load_settings
from campaign.variables import format_keys


@click.group()
def keys() -> None:
    """The keys that open what is encrypted.

    Keep them safe, and apart from the backups of the database: without them a backup can't be read.
    """


@keys.command(epilog="Example: countersign keys generate >> .env")
def generate() -> None:
    """Print a line COUNTERSIGN_KEYS=… with a new key, for the environment or the file .env.

    For a new installation. `countersign keys rotate` adds a key to one that has data.
    """
    click.echo(f"COUNTERSIGN_KEYS={format_keys([security_keys.new_key()])}")


@keys.command(epilog="Example: countersign keys rotate")
def rotate() -> None:
    """Put a new key in front of the present ones.

    The old ones stay behind it, for they open what is not wrapped anew yet, and the links in mails already sent.
    Keys in <data>/keys are written there; for keys from the environment the new line is printed, to be put there.
    """
    settings = load_settings()
    rotated = security_keys.rotate(settings)
    if settings.keys:
        click.echo(f"COUNTERSIGN_KEYS={format_keys(rotated)}")
        click.echo(
            "Put this line where the old one is, on every host, restart web and workers, "
            "then run `countersign keys rewrap`.",
            err=True,
        )
    else:
        click.echo(
            f"{security_keys.instance_file(settings)} begins with the new key {rotated[0].id}. "
            "Restart Countersign (Ctrl-C, then `make run`), then run `countersign keys rewrap`."
        )


@keys.command(epilog="Example: countersign keys rewrap")
def rewrap() -> None:
    """Put every stored data key under the newest instance key, after `keys rotate` and a restart.

    What the data keys encrypt stays as it is. It may be stopped and run again. The old instance key then opens no data
    any more; keep it on the list all the same, for the links in mails that were sent with it.
    """
    with open_runtime() as runtime:
        changed = backup_and_keys.rewrap(runtime)
        click.echo(f"{changed} data keys are under the newest instance key now.")
