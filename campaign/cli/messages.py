"""``countersign messages list|retry|accept|cancel``: mail that did not get through."""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import click

from campaign import i18n
from campaign.cli import tables
from campaign.cli.opening import open_runtime
from campaign.operations import failures
from campaign.operations.health import FailureGroup
from campaign.operations.rules import Action
from campaign.runtime import Runtime, now

LOCALE = "en"
HOURS = click.IntRange(1, 24 * 366)


@click.group(short_help="Undelivered email, by cause")
def messages() -> None:
    """Undelivered email, by cause, and what to do about it."""


def _hours(command: Callable[..., None]) -> Callable[..., None]:
    return click.option(
        "--hours", type=HOURS, default=24, show_default=True, help="How far back rejected messages are looked at."
    )(command)


def _which(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--group", help="The key of a cause, from `countersign messages list`."),
        click.option("--id", "message_ids", type=click.IntRange(1, 2**63 - 1), multiple=True, help="One message."),
    ):
        command = option(command)
    return _hours(command)


@messages.command(
    "list",
    short_help="List undelivered email by cause",
    epilog="Example: countersign messages list --hours 72 --json | jq '.[].key'",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_hours
def list_groups(*, as_json: bool, hours: int) -> None:
    """List what is uncertain, rejected or deferred, by cause: the most frequent first. No address, no name."""
    with open_runtime() as runtime:
        found = failures.groups(runtime, window=timedelta(hours=hours))
    if as_json:
        click.echo(json.dumps([_plain(group) for group in found], ensure_ascii=False, indent=2))
    elif not found:
        click.echo("No delivery problems.", err=True)
    else:
        heads = ("KEY", "EMAILS", "LANE", "KIND", "STATE", "PHASE", "CODE", "OLDEST", "REASON")
        for line in tables.render(heads, [_row(group) for group in found]):
            click.echo(line)


def _plain(group: FailureGroup) -> dict[str, Any]:
    return {"key": group.key} | asdict(group) | {"oldest_at": group.oldest_at.isoformat()}


def _row(group: FailureGroup) -> tuple[str | int, ...]:
    age = i18n.format_duration(now() - group.oldest_at, LOCALE)
    return (
        group.key,
        group.messages,
        str(group.lane),
        str(group.kind),
        group.state,
        group.phase or "-",
        str(group.enhanced or group.code or "-"),
        age,
        group.reason or "-",
    )


@messages.command(short_help="Send messages again", epilog="Example: countersign messages retry --group 3f9a01c2d4e5")
@_which
def retry(*, group: str | None, message_ids: tuple[int, ...], hours: int) -> None:
    """Send messages again; deferred ones are tried now instead of later.

    An uncertain message may arrive twice: its outcome is unknown. People who withdrew or unsubscribed,
    and addresses that bounced meanwhile, get nothing.

    Exit status: 0 done; 1 nothing like that is left, or a message does not allow it; 2 used wrongly.
    """
    _press(Action.RETRY, "Queued for another try", group=group, message_ids=message_ids, hours=hours)


@messages.command(
    short_help="Mark uncertain messages as delivered", epilog="Example: countersign messages accept --id 4711 --id 4712"
)
@_which
def accept(*, group: str | None, message_ids: tuple[int, ...], hours: int) -> None:
    """Mark uncertain messages as delivered: they are not sent again.

    Exit status: 0 done; 1 nothing like that is left, or a message is not uncertain; 2 used wrongly.
    """
    _press(Action.ACCEPT, "Marked as delivered", group=group, message_ids=message_ids, hours=hours)


@messages.command(short_help="Never send messages", epilog="Example: countersign messages cancel --group 3f9a01c2d4e5")
@_which
def cancel(*, group: str | None, message_ids: tuple[int, ...], hours: int) -> None:
    """Never send messages that are deferred, rejected, uncertain or still planned.

    Exit status: 0 done; 1 nothing like that is left, or a message does not allow it; 2 used wrongly.
    """
    _press(Action.CANCEL, "Cancelled", group=group, message_ids=message_ids, hours=hours)


def _press(press: Action, said: str, *, group: str | None, message_ids: tuple[int, ...], hours: int) -> None:
    if (group is None) == (not message_ids):
        raise click.UsageError("name either a cause with --group, or messages with --id")
    with open_runtime() as runtime:
        if group is not None:
            window = timedelta(hours=hours)
            wanted = failures.group(runtime, group, window=window)
            changed = failures.PRESSES[press](runtime, wanted, by=None, window=window)
        else:
            changed = _each(runtime, press, dict.fromkeys(message_ids))
    click.echo(f"{said}: {changed:,}")


def _each(runtime: Runtime, press: Action, message_ids: Iterable[int]) -> int:
    changed = 0
    for message_id in message_ids:
        failures.press_message(runtime, message_id, press, by=None)
        changed += 1
    return changed
