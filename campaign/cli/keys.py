"""``countersign keys …``: the instance keys that wrap all others, and the retention keys of petitions."""

import click

from campaign.cli.opening import open_runtime
from campaign.cli.tables import render
from campaign.operations import backup_and_keys
from campaign.petitions import retention
from campaign.security import keys as security_keys
from campaign.settings import load_settings
from campaign.variables import format_keys


@click.group(short_help="Manage the keys of encrypted data")
def keys() -> None:
    """The keys that open what is encrypted.

    Keep them safe, and apart from the backups of the database: without them a backup can't be read.
    """


@keys.command(short_help="Print a setting with a new key", epilog="Example: countersign keys generate >> .env")
def generate() -> None:
    """Print a line COUNTERSIGN_KEYS=… with a new key, for the environment or the file .env.

    For a new installation. `countersign keys rotate` adds a key to one that has data.
    """
    click.echo(f"COUNTERSIGN_KEYS={format_keys([security_keys.new_key()])}")


@keys.command(short_help="Put a new key in front", epilog="Example: countersign keys rotate")
def rotate() -> None:
    """Put a new key in front of the present ones.

    The old ones stay behind it, for they open what is not wrapped anew yet, and the links in emails already sent.
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


@keys.command(short_help="Put all data keys under the newest key", epilog="Example: countersign keys rewrap")
def rewrap() -> None:
    """Put every stored data key under the newest instance key, after `keys rotate` and a restart.

    Petitions go under the retention key of their quarter, if there is one.

    What the data keys encrypt stays as it is. It may be stopped and run again. The old instance key then opens no data
    any more; keep it on the list all the same, for the links in emails that were sent with it.
    """
    with open_runtime() as runtime:
        changed = backup_and_keys.rewrap(runtime)
        kept = retention.keep_wrapped(runtime)
        click.echo(f"{changed} data keys are under the newest instance key now.")
        if kept:
            click.echo(f"{kept} petitions are under the retention key of their quarter now.")


@keys.command(short_help="List the retention keys", epilog="Example: countersign keys status")
def status() -> None:
    """List the retention keys and what they open.

    A key that opens nothing can be destroyed: what its petitions held then is unreadable in every older backup.
    """
    with open_runtime() as runtime:
        found = retention.status(runtime)
    rows = [[one.key.name, f"{one.key.day}", _opens(one)] for one in found.keys]
    for line in render(["Key", "Since", "Opens"], rows) if rows else ["There are no retention keys yet."]:
        click.echo(line)
    if found.under_instance_keys:
        click.echo(f"{found.under_instance_keys} petitions are under an instance key alone: `countersign keys rewrap`.")
    if found.needs_key:
        click.echo(f"There is no key for petitions of {found.needs_key} yet: `countersign keys add`.")


def _opens(held: retention.Held) -> str:
    if held.key.is_retired:
        return "destroyed"
    if not held.petitions:
        return "nothing now; petitions of this quarter come under it" if held.is_newest else "nothing any more"
    return f"{_petitions(held.petitions)}, {held.live} of them live"


def _petitions(number: int) -> str:
    return "1 petition" if number == 1 else f"{number} petitions"


@keys.command(short_help="Make a retention key for this quarter", epilog="Example: countersign keys add")
def add() -> None:
    """Make a retention key for the petitions of this quarter.

    In <data>/keys this happens by itself. A file that COUNTERSIGN_RETENTION_KEYS names elsewhere is to be copied to
    every host afterwards; the new key is used from tomorrow on.
    """
    with open_runtime() as runtime:
        made = retention.add(runtime)
        path = runtime.settings.retention_keys
    click.echo(f"{path} has the new key {made.name}. Copy the file to every host and to the backup of your keys.")


@keys.command(short_help="Destroy a retention key for good", epilog="Example: countersign keys retire 2026q1.0a1b2c")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--force", is_flag=True, help="Also if it opens a live petition, which is closed for good.")
def retire(name: str, *, yes: bool, force: bool) -> None:
    """Destroy a retention key: what it opened is unreadable from then on, in every backup too.

    The data keys of its petitions are destroyed with it, and the audit log says so. Destroy copies of the file of keys
    as well, on every host and in the backup of your keys.
    """
    with open_runtime() as runtime:
        found = {one.key.name: one for one in retention.status(runtime).keys}
        held = found.get(name)
        if held is not None and not yes:
            click.confirm(f"{name} opens: {_opens(held)}. Destroy it for good?", abort=True)
        petitions = retention.retire(runtime, name, force=force)
    click.echo(f"{name} is destroyed, and with it the keys of {_petitions(petitions)}.")
