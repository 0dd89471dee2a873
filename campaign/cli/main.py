"""The group of all commands, and what they have in common: messages, exit statuses, settings."""

import errno
import logging
import os
from pathlib import Path

import click
from redis.exceptions import RedisError

from campaign import __version__, log_lines, redis_causes
from campaign.cli import env_file as env_files
from campaign.cli.account import account
from campaign.cli.backup import backup, restore
from campaign.cli.bounces import bounces
from campaign.cli.db import db
from campaign.cli.doctor import doctor
from campaign.cli.drill import drill
from campaign.cli.faults import faults
from campaign.cli.healthy import healthy
from campaign.cli.keys import keys
from campaign.cli.messages import messages
from campaign.cli.monitor import lane, monitor
from campaign.cli.petition import petition
from campaign.cli.pipes import drop_output
from campaign.cli.seed import seed
from campaign.cli.serve import mailserver, web, worker
from campaign.cli.settings import settings
from campaign.cli.setup import setup
from campaign.cli.site import site
from campaign.cli.up import up
from campaign.cli.update import update
from campaign.cli.verify import verify
from campaign.database import causes
from campaign.errors import CountersignError, SettingsError, StoreUnavailableError
from campaign.security.encryption import DecryptionError
from campaign.security.keys import KeyFileError
from campaign.settings import add_to_environment, asks_for_json

FAILURE = 1
INTERRUPTED = 130
MISCONFIGURED = os.EX_CONFIG


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Settings come from the environment and the file .env; docs/settings.md lists them. "
    "Exit status: 0 done, 1 failed, 2 used wrongly, 78 a setting is wrong.",
)
@click.option(
    "--env-file",
    type=click.Path(path_type=Path),
    help="Settings by the rules of systemd's EnvironmentFile; the environment is stronger.",
)
@click.version_option(__version__, prog_name="countersign")
@click.pass_context
def countersign(context: click.Context, env_file: Path | None) -> None:
    """Petitions with real signatures, and email that is sent once."""
    # setup writes this file, and reads it by itself.
    if env_file is not None and context.invoked_subcommand != setup.name:
        add_to_environment(env_files.read(env_file))
    if asks_for_json():
        # What is wrong in the settings themselves is told as JSON too.
        log_lines.configure()


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
    setup,
    backup,
    restore,
    doctor,
    healthy,
    monitor,
    lane,
    site,
    messages,
    bounces,
    update,
    verify,
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
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        return INTERRUPTED
    except SystemExit:
        # `countersign … | head`: the reader has closed the pipe, and Click ends with 1. No command ends this way.
        drop_output()
        return 0
    except (CountersignError, RedisError, OSError, *causes.ERRORS) as problem:
        sentence, lasting = _explained(problem)
        if not log_lines.say(sentence, level=logging.ERROR):
            click.echo(sentence, err=True)
        return MISCONFIGURED if lasting else FAILURE
    return status if isinstance(status, int) else 0


def _explained(problem: Exception) -> tuple[str, bool]:
    """A sentence for what an admin can get wrong, and whether it stays so until settings or a server are changed."""
    if isinstance(problem, StoreUnavailableError):
        return str(problem), problem.cause is not None and problem.cause.lasting
    if isinstance(problem, CountersignError):
        return str(problem), isinstance(problem, (SettingsError, KeyFileError, DecryptionError))
    if isinstance(problem, OSError):
        return _words_of(problem), False
    cause = redis_causes.cause_of(problem) if isinstance(problem, RedisError) else causes.cause_of(problem)
    return cause.sentence, cause.lasting


def _words_of(problem: OSError) -> str:
    """One sentence for what the system refuses; files and addresses are those that the command was given."""
    place = f"{problem.filename} can't be used" if problem.filename else "The system refuses what the command needs"
    hints = {
        errno.EACCES: "Run the command as the user who may, or change the rights.",
        errno.EPERM: "Run the command as the user who may, or change the rights.",
        errno.EADDRINUSE: "Another program listens at that address: end it, or choose another port.",
        errno.EADDRNOTAVAIL: "This host has no such address.",
        errno.ENOSPC: "Free space on that disk.",
        errno.EROFS: "That disk is read-only.",
        errno.ENOENT: "Look at its name.",
    }
    hint = hints.get(problem.errno or 0, "")
    return f"{place}: {problem.strerror or type(problem).__name__}. {hint}".rstrip()
