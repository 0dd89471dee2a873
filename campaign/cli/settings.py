"""``countersign settings``: every environment variable, and the table of docs/settings.md."""

import click

from campaign.settings import VARIABLES
from campaign.variables import ROOT, table, with_table


@click.command(short_help="List all settings and their defaults", epilog="Example: countersign settings | grep RATE")
@click.option("--write", is_flag=True, help="Update docs/settings.md instead, after a change in the code.")
def settings(*, write: bool) -> None:
    """List all settings: the environment variable, its default, and what it is, as a table in Markdown.

    No setting is read, so that it works when one is wrong.
    """
    if write:
        page = ROOT / "docs" / "settings.md"
        page.write_text(with_table(page.read_text(), VARIABLES.values()))
    else:
        click.echo(table(VARIABLES.values()), nl=False)
