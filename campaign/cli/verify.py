"""``countersign verify``: is a hand-over pack what was made? Needs no server and no settings."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from campaign.handover.verifying import Verdict
from campaign.handover.verifying import verify as look


@click.command(short_help="Check a hand-over pack", epilog="Example: countersign verify clean-rivers-2026-12-03.zip")
@click.argument("pack", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--fingerprint", default="", metavar="HEX", help="The fingerprint that the desk shows for this pack.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON; its keys do not change.")
@click.pass_context
def verify(context: click.Context, pack: Path, *, fingerprint: str, as_json: bool) -> None:
    """Check that each file of a pack is unchanged and that its numbers add up.

    Without --fingerprint a pack that was made anew by someone else passes too: ask the organisers for the fingerprint.

    Exit status: 0 all is right, 1 something is not, 2 used wrongly.
    """
    verdict = look(pack, expected=fingerprint)
    if as_json:
        click.echo(json.dumps(_document(verdict), ensure_ascii=False, indent=2))
    else:
        _show(verdict, is_compared=bool(fingerprint))
    if verdict.problems:
        context.exit(1)


def _document(verdict: Verdict) -> dict[str, object]:
    manifest = None if verdict.manifest is None else asdict(verdict.manifest)
    return {
        "is_right": not verdict.problems,
        "problems": verdict.problems,
        "fingerprint": verdict.fingerprint,
        "manifest": manifest,
    }


def _show(verdict: Verdict, *, is_compared: bool) -> None:
    for problem in verdict.problems:
        click.echo(f"{click.style('wrong', fg='red', bold=True)}  {problem}")
    if verdict.problems or verdict.manifest is None:
        return
    manifest = verdict.manifest
    click.echo(f"{click.style('right', fg='green', bold=True)}  {manifest.count:,} signatures: {manifest.title}")
    click.echo(f"       {manifest.url}, as of {manifest.made_at}")
    click.echo(
        f"       {manifest.named:,} with their name, {manifest.anonymous:,} anonymous; {len(manifest.files)} files"
    )
    compared = "It is the one you gave." if is_compared else "Compare it with the one that the organisers see."
    click.echo(f"       fingerprint {verdict.fingerprint}")
    click.echo(f"       {compared}")
