"""``countersign update list|pause|resume|cancel|again``: updates that are being sent, and those who did not get one."""

import json
from collections.abc import Callable

import click

from campaign import i18n
from campaign.blasts import blasts
from campaign.blasts import reports as blast_reports
from campaign.blasts.reports import Report
from campaign.cli import tables
from campaign.cli.opening import open_runtime
from campaign.petitions import petitions
from campaign.states import MessageState

LOCALE = "en"
BLAST = click.argument("update_id", type=click.IntRange(1, 2**31 - 1), metavar="ID")


@click.group(short_help="Follow, pause and cancel updates")
def update() -> None:
    """Updates to signers: how far they are, pause, resume, cancel, and send to those who did not get one."""


@update.command("list", epilog="Example: countersign update list our-river --json")
@click.argument("slug")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_updates(slug: str, *, as_json: bool) -> None:
    """List the updates of a petition, newest first."""
    with open_runtime() as runtime:
        petition_id = petitions.by_slug(runtime, slug, fresh=True).petition.id
        ids = [report.blast.id for report in blast_reports.reports(runtime, petition_id)]
        found = [(blast_reports.report(runtime, id_, petition_id), blasts.missing(runtime, id_)) for id_ in ids]
    if as_json:
        click.echo(json.dumps([_plain(*each) for each in found], ensure_ascii=False, indent=2))
        return
    heads = ("ID", "STAGE", "PLANNED", "ACCEPTED", "OPEN", "UNCERTAIN", "DID NOT GET IT", "A SECOND", "SUBJECT")
    for line in tables.render(heads, [_row(*each) for each in found]):
        click.echo(line)


def _plain(report: Report, missing: int) -> dict[str, object]:
    return {
        "id": report.blast.id,
        "stage": str(report.stage),
        "planned": report.planned,
        "open": report.open,
        "states": {str(state): number for state, number in report.states.items()},
        "missing": missing,
        "rate": report.rate,
        "finish_at": report.finish_at.isoformat() if report.finish_at else None,
        "subject": report.subject,
    }


def _row(report: Report, missing: int) -> tuple[str | int, ...]:
    states = report.states
    return (
        report.blast.id,
        str(report.stage),
        report.planned,
        states.get(MessageState.ACCEPTED, 0),
        report.open,
        states.get(MessageState.UNCERTAIN, 0),
        missing,
        i18n.format_rate(report.rate, LOCALE),
        report.subject,
    )


def _press(update_id: int, press: Callable[..., object]) -> object:
    with open_runtime() as runtime:
        return press(runtime, update_id, blast_reports.petition_of(runtime, update_id), by=None)


@update.command(short_help="Pause an update that is being sent", epilog="Example: countersign update pause 12")
@BLAST
def pause(update_id: int) -> None:
    """Pause an update that is being sent; within five seconds no further email of it leaves.

    Exit status: 0 paused; 1 there is none, or it is not being sent.
    """
    _press(update_id, blasts.pause)
    click.echo(f"Paused. Resume it with: countersign update resume {update_id}")


@update.command(short_help="Resume a paused update", epilog="Example: countersign update resume 12")
@BLAST
def resume(update_id: int) -> None:
    """Resume a paused update where it stopped.

    Exit status: 0 resumed; 1 there is none, or it is not paused.
    """
    _press(update_id, blasts.resume)
    click.echo("Resumed.")


@update.command(short_help="Stop an update for good", epilog="Example: countersign update cancel 12")
@BLAST
def cancel(update_id: int) -> None:
    """Stop an update for good: recipients not reached yet get nothing.

    Exit status: 0 cancelled; 1 there is none, or it was cancelled already.
    """
    _press(update_id, blasts.cancel)
    click.echo("Stopped. Emails already sent can't be recalled.")


@update.command(short_help="Send to those who did not get it", epilog="Example: countersign update again 12")
@BLAST
def again(update_id: int) -> None:
    """Send an update again to recipients whose email was refused, expired or cancelled.

    People who unsubscribed or withdrew, and addresses that no longer exist, are left out. Nothing that may have
    arrived is sent again. A cancelled update is resumed.

    Exit status: 0 done, also if no recipient is left; 1 there is no such update, or it has not started.
    """
    planned = _press(update_id, blasts.send_missing)
    click.echo(f"Queued for {planned:,} recipient{'' if planned == 1 else 's'}.")
