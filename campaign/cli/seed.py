"""``countersign seed``: invented signers for demonstrations, tests and load."""

import random
import sys
import time
from datetime import timedelta

import click

from campaign.cli.opening import open_runtime
from campaign.local.seed import seed as seeding


@click.command(
    short_help="Add invented signers, for demonstrations",
    epilog="Example: countersign seed --petition stop-hazara-genocide --signatures 1000 --confirmed",
)
@click.option("--petition", "slug", required=True, help="Slug of a live petition.")
@click.option("--signatures", type=click.IntRange(1, 10_000_000), required=True, help="How many to add.")
@click.option("--confirmed", is_flag=True, help="They have confirmed, and count. Default: they have not.")
@click.option(
    "--updates", type=click.FloatRange(0, 1), default=0.5, show_default=True, help="Share that wants updates by mail."
)
@click.option(
    "--hours",
    type=click.FloatRange(0, 24 * 365),
    default=12.0,
    show_default=True,
    help="They signed within so many hours before now, more of them lately.",
)
@click.option(
    "--messages",
    type=click.IntRange(0, 100_000_000),
    default=0,
    show_default=True,
    help="Settled messages that they got: confirmations, thank-yous, updates.",
)
@click.option("--random-seed", type=int, help="Names, times and outcomes are drawn from it. Default: by chance.")
@click.option("--yes-on-a-public-site", is_flag=True, help="Do it although COUNTERSIGN_BASE_URL is public.")
def seed(
    *,
    slug: str,
    signatures: int,
    confirmed: bool,
    updates: float,
    hours: float,
    messages: int,
    random_seed: int | None,
    yes_on_a_public_site: bool,
) -> None:
    """Add invented signers to a petition, for demonstrations, tests and load.

    Their names come from all four languages; their addresses end in example.org, .com, .net or .test, where no mail
    arrives. No mail is planned for them; updates and milestones go to those who want them. The count follows
    within seconds, if a bulk worker runs.

    With --messages, they also have a history: mail that was accepted, refused, cancelled, is uncertain or came back, of
    as many updates as it takes. All of it is settled, so that nothing of it is ever sent. To see how pages behave with
    much data: --signatures 1000000 --confirmed --hours 8760 --messages 10000000.

    Exit status: 0 added; 1 failed, e.g. the petition is not live, or the site is public; 2 used wrongly.
    """
    wanted = seeding.SeedPlan(
        signatures=signatures,
        confirmed=confirmed,
        updates=updates,
        span=timedelta(hours=hours),
        public_site_agreed=yes_on_a_public_site,
        messages=messages,
    )
    begun, written = time.monotonic(), 0
    # Progress is for a terminal; a pipe or log gets the result alone.
    watched = sys.stderr.isatty()
    with (
        open_runtime() as runtime,
        click.progressbar(length=signatures + messages, label="Seeding", file=sys.stderr, hidden=not watched) as bar,
    ):

        def watch(done: int) -> None:
            nonlocal written
            written = done
            bar.update(done - bar.pos)

        added = seeding.sow(
            runtime,
            slug,
            wanted,
            progress=watch,
            chance=random.Random(random_seed),  # noqa: S311 - invented people are no secret
        )
    seconds = time.monotonic() - begun
    kind = "confirmed" if confirmed else "unconfirmed"
    mail = f" and {written - added:,} messages" if messages else ""
    rate = f" ({written / max(seconds, 0.001):,.0f} rows/s)" if messages else ""
    click.echo(f"Added {added:,} {kind} signatures{mail} to {slug} in {seconds:.1f} s{rate}.")
