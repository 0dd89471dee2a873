"""``countersign lane pause|resume``: hold the mail of one lane, and let it go on."""

import click

from campaign.cli.opening import open_runtime
from campaign.cli.petition import RefusedInputError
from campaign.errors import InvalidInputError
from campaign.operations import lanes
from campaign.states import Lane

LANES = click.Choice([str(name) for name in Lane])


@click.group()
def lane() -> None:
    """The two lanes of mail: urgent (what a person waits for) and bulk (mail to many)."""


@lane.command(epilog="Example: countersign lane pause bulk --reason 'the provider is being changed'")
@click.argument("name", type=LANES, metavar="urgent|bulk")
@click.option("--reason", required=True, help="Why, in a sentence for whoever looks at the monitor next.")
def pause(name: str, reason: str) -> None:
    """Stop claiming mail of a lane. What is on the wire goes out; what waits stays, and new mail joins it.

    Exit status: 0 paused; 1 it was paused already; 2 no reason, or one of more than 200 characters.
    """
    with open_runtime() as runtime:
        try:
            lanes.pause(runtime, Lane(name), reason=reason, by=None)
        except InvalidInputError:
            raise RefusedInputError(f"--reason: say why, in 1 to {lanes.MAX_REASON} characters") from None
    click.echo(f"The {name} lane is paused. Let it go on with: countersign lane resume {name}")


@lane.command(epilog="Example: countersign lane resume bulk")
@click.argument("name", type=LANES, metavar="urgent|bulk")
def resume(name: str) -> None:
    """Let a lane flow at once, whether a person, its own trouble or a mail server that was away held it.

    Exit status: 0 it flows; 1 nothing held it.
    """
    with open_runtime() as runtime:
        lanes.resume(runtime, Lane(name), by=None)
    click.echo(f"The {name} lane flows.")
