"""The group of all commands, and what they have in common: messages, exit statuses, settings."""

import os
import sys

import click

from campaign import __version__
from campaign.cli.account import account
from campaign.cli.bounces import bounces
from campaign.cli.db import db
from campaign.cli.drill import drill
from campaign.cli.faults import faults
from campaign.cli.keys import keys
from campaign.cli.messages import messages
from campaign.cli.monitor import lane, monitor
from campaign.cli.petition import petition
from campaign.cli.seed import seed
from campaign.cli.serve import mailserver, web, worker
from campaign.cli.settings import settings
from campaign.cli.up import up
from campaign.cli.update import update
from campaign.errors import CountersignError, SettingsError

FAILURE = 1
INTERRUPTED = 130
MISCONFIGURED = os.EX_CONFIG


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Settings come from the environment and the file .env; docs/settings.md lists them. "
    "Exit status: 0 done, 1 failed, 2 used wrongly, 78 a setting is wrong.",
)
@click.version_option(__version__, prog_name="countersign")
def countersign() -> None:
    """Petitions whose signatures are real and whose mail arrives once."""


for command in (
    up,
    web,
    worker,
    mailserver,
    faults,
    db,
    keys,
    settings,
    account,
    petition,
    monitor,
    lane,
    messages,
    bounces,
    update,
    seed,
    drill,
):
    countersign.add_command(command)


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit status: as :func:`countersign` says, or 130 if interrupted."""
    try:
        status = countersign.main(arguments, prog_name="countersign", standalone_mode=False)
    except click.ClickException as problem:
        problem.show()
        return problem.exit_code
    except CountersignError as problem:
        click.echo(str(problem), err=True)
        return MISCONFIGURED if isinstance(problem, SettingsError) else FAILURE
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        # `countersign … | head`: the reader has closed the pipe; nothing more can be flushed.
        sys.stdout = None
        return 0
    return status if isinstance(status, int) else 0
