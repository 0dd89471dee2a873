"""``countersign site …``: settings and switches of the whole site, as at /admin/site."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from campaign.cli import tables
from campaign.cli.opening import open_runtime
from campaign.cli.petition import RefusedInputError
from campaign.errors import InvalidInputError, WrongValueError
from campaign.operations import site as operations_site
from campaign.operations.lanes import MAX_REASON
from campaign.operations.site import LowContrastError, Value
from campaign.site.current import LIVE, LOGO, NAMES, Switch, SwitchName
from campaign.site.values import parsed

SENTENCES: Final = {
    "missing": "it is empty",
    "too_large": "a logo has 200 KB at most",
    "no_picture": "this is no PNG, JPEG or WebP picture, whatever its name says",
    "too_long": "it is too long",
    "text": "the Markdown can't be shown: look for wrong links or placeholders in it",
}
"""What to do about each problem that the use case names."""

WIDEST: Final = 60
"""Characters of a value in the table."""


@click.group(short_help="Settings and switches of the whole site.")
def site() -> None:
    """Settings and switches of the whole site, as at /admin/site; they are stronger than the environment.

    A change takes effect within five seconds, without a restart, and is in the audit log.
    """


@site.command(
    short_help="Show what is in force, and from where.", epilog="Example: countersign site show --json | jq .switches"
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(*, as_json: bool) -> None:
    """Show what is in force, where each value comes from, and what is stopped."""
    with open_runtime() as runtime:
        values = operations_site.values(operations_site.current(runtime), runtime)
        on = operations_site.switches(runtime)
    if as_json:
        click.echo(json.dumps(_document(values, on), ensure_ascii=False, indent=2))
        return
    rows = [(one.name, _short(one.text), one.source, one.variable or "-") for one in values.values()]
    for line in tables.render(("SETTING", "VALUE", "FROM", "VARIABLE"), rows):
        click.echo(line)
    click.echo()
    states = [
        (str(name), "stopped" if name in on else "running", on[name].reason if name in on else "-")
        for name in SwitchName
    ]
    for line in tables.render(("SWITCH", "STATE", "REASON"), states):
        click.echo(line)


def _short(text: str) -> str:
    line = text.partition("\n")[0]
    return (line if len(text) <= WIDEST and line == text else f"{line[: WIDEST - 1]}…") or "-"


def _document(values: Mapping[str, Value], on: Mapping[SwitchName, Switch]) -> dict[str, object]:
    return {
        "settings": {
            one.name: {"value": one.text, "from": one.source, "variable": one.variable or None}
            for one in values.values()
        },
        "switches": {str(name): _switch(on.get(name)) for name in SwitchName},
    }


def _switch(one: Switch | None) -> dict[str, object]:
    if one is None:
        return {"stopped": False}
    return {"stopped": True, "since": one.since.isoformat(), "reason": one.reason, "by": one.by}


@site.command("set", short_help="Set one value.", epilog="Example: countersign site set site_name 'Free Rivers'")
@click.argument("name", type=click.Choice(NAMES), metavar="SETTING")
@click.argument("value", required=False)
@click.option("--default", "to_default", is_flag=True, help="Use the default, or the environment, again.")
def set_value(name: str, value: str | None, *, to_default: bool) -> None:
    """Set one value; of "logo" the file with the picture.

    Exit status: 0 set, or it was so already; 2 the value is wrong, and nothing was changed.
    """
    if to_default == (value is not None):
        raise click.UsageError("give a value, or --default")
    with open_runtime() as runtime:
        try:
            if value is None:
                operations_site.reset(runtime, name, by=None)
            elif name == LOGO:
                operations_site.set_logo(runtime, Path(value).read_bytes(), by=None)
            else:
                operations_site.save(runtime, {name: value}, by=None)
        except InvalidInputError as error:
            raise RefusedInputError(f"{name}: {_why(name, value or '', error)}") from None
        now = operations_site.values(operations_site.current(runtime), runtime)[name]
    click.echo(f"{name}: {_short(now.text)} ({now.source})")


def _why(name: str, value: str, error: InvalidInputError) -> str:
    if isinstance(error, LowContrastError):
        return f"white text on this colour has a contrast of {error.ratio:.1f} to 1; 4.5 is needed: choose a darker one"
    code = error.problems[name]
    if code == "invalid" and name in LIVE:
        try:
            parsed(name, value)
        except WrongValueError as wrong:
            return str(wrong)
    return SENTENCES.get(code, "it must be a colour like #1f3bb3" if name == "accent" else "it can't be used")


@site.command(
    short_help="Stop or resume something on the site.",
    epilog="Example: countersign site switch signing stop --reason 'forged sign-ups'",
)
@click.argument("name", type=click.Choice([str(one) for one in SwitchName]), metavar="SWITCH")
@click.argument("wanted", type=click.Choice(["stop", "resume"]), metavar="stop|resume")
@click.option("--reason", required=True, help="Reason, for the audit log and the monitor.")
def switch(name: str, wanted: str, reason: str) -> None:
    """Stop signing, counting, names or sending for the whole site, or let it go on.

    signing: forms are replaced by a sentence; links to confirm still work. counting: counts are frozen. names: public
    lists of names are hidden. sending: both lanes of mail are paused.

    Exit status: 0 done; 1 it was so already; 2 no reason, or one of more than 200 characters.
    """
    with open_runtime() as runtime:
        try:
            operations_site.switch(runtime, SwitchName(name), stop=wanted == "stop", reason=reason, by=None)
        except InvalidInputError:
            raise RefusedInputError(f"--reason: say why, in 1 to {MAX_REASON} characters") from None
    other = "resume" if wanted == "stop" else "stop"
    done = "stopped" if wanted == "stop" else "running"
    click.echo(f"{name}: {done}. The way back: countersign site switch {name} {other} --reason …")
