"""``countersign drill``: the promises of delivery, proved on a throw-away installation under the axe."""

import json
import logging
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click

from campaign.cli.opening import termination_as_interrupt
from campaign.local.drill.plan import LEAST, PER_KILL, Order
from campaign.local.drill.running import run_drill
from campaign.local.drill.verdict import PROMISES, DrillResult, Finding

QUIET = 5.0
"""Seconds between two lines of progress in a log."""

SHOWN = 10
"""Findings of one kind that are printed one by one."""


@click.command(
    short_help="Crash test: prove no email is lost or doubled",
    epilog="Examples: countersign drill; countersign drill --kills 100 --seed 7; "
    "countersign drill --recipients 5000 --kills 20 --json | jq .promises. Example: countersign drill",
)
@click.option(
    "--recipients",
    type=click.IntRange(1, 1_000_000),
    help=f"Recipients of the blast. Default: {PER_KILL} for each kill, and {LEAST} at least.",
)
@click.option(
    "--kills",
    type=click.IntRange(0, 1_000),
    default=10,
    show_default=True,
    help="SIGKILLs in all: workers mostly, some of PostgreSQL and Redis.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32),
    default=1,
    show_default=True,
    help="Which process is killed, and when.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the verdict as JSON.")
def drill(*, recipients: int | None, kills: int, seed: int, as_json: bool) -> int:
    """Prove that no email is lost or sent twice, whatever is killed.

    Starts a throw-away installation of its own (data, PostgreSQL, Redis, web server, four workers), and a mail server
    with faults. Sends a blast, while people sign, confirm, unsubscribe, withdraw and erase, workers are killed, and
    PostgreSQL and Redis are killed, restarted and flushed. When all is settled, the promises P1 to P8 are checked
    against the database and what the mail server counted. Nothing of it is left afterwards; your own data, DATABASE_URL
    and all other settings are not looked at. It takes about a minute with 10 kills, and 3 seconds more for each more.

    "accepted" counts recipients whose email the server took; lost, repeated and uncertain count all email.

    Exit status: 0 every promise was kept; 1 one was broken, or the drill could not be run; 2 used wrongly.
    """
    order = Order(recipients=recipients or max(LEAST, PER_KILL * kills), kills=kills, seed=seed)
    begun = time.monotonic()
    with termination_as_interrupt(), _progress() as say:
        verdict = run_drill(order, say=say)
    if as_json:
        click.echo(json.dumps(verdict.as_json()))
    else:
        for line in describe(verdict, seed=seed, seconds=time.monotonic() - begun):
            click.echo(line)
    return 0 if verdict.kept else 1


@contextmanager
def _progress() -> Iterator["Progress"]:
    progress = Progress(watched=sys.stderr.isatty())
    # That the database is away at times is what is drilled; warnings about it would tear the line of progress.
    logging.getLogger("campaign").addHandler(logging.NullHandler())
    try:
        yield progress
    finally:
        progress.clear()


class Progress:
    """Where the drill is, on standard error: a line that changes for who looks on; in a log, a line now and then."""

    def __init__(self, *, watched: bool) -> None:
        self._watched = watched
        self._said_at = float("-inf")

    def __call__(self, line: str) -> None:
        """Say where the drill is."""
        now = time.monotonic()
        if self._watched:
            click.echo(f"\r\033[K{line}", nl=False, err=True)
        elif now - self._said_at >= QUIET:
            click.echo(line, err=True)
            self._said_at = now

    def clear(self) -> None:
        """Leave an empty line for what follows."""
        if self._watched:
            click.echo("\r\033[K", nl=False, err=True)


def describe(verdict: DrillResult, *, seed: int, seconds: float) -> list[str]:
    """The verdict in plain words."""
    open_at_kills = verdict.uncertain_limit - verdict.scripted
    uncertain = f"limit {verdict.uncertain_limit:,}: {open_at_kills:,} connections open at kills"
    lines = [
        f"Drill with seed {seed}: {verdict.kills} kills and {verdict.restarts} restarts in {seconds:.0f} s.",
        f"  Recipients   {verdict.recipients:>7,}   {verdict.accepted:,} got it; {verdict.all_accepted:,} mails in all",
        f"  Lost         {len(verdict.lost):>7,}",
        f"  Repeated     {len(verdict.repeated):>7,}",
        f"  Uncertain    {len(verdict.uncertain):>7,}   {uncertain}, {verdict.scripted:,} scripted",
        f"  Recovered    {verdict.recovered_s_max:>7.1f} s at the longest until email flowed again",
    ]
    if verdict.uncertain:
        lines += ["", "Uncertain, listed and not sent again:", *_listed(verdict.uncertain)]
    lines += ["", "Promises:"]
    for name, sentence in PROMISES.items():
        findings = verdict.broken[name]
        lines.append(f"  {name}  {'BROKEN' if findings else 'kept  '}  {sentence}")
        lines += [f"      {line}" for line in _listed(findings)]
    return [*lines, "", "Every promise was kept." if verdict.kept else "A promise was BROKEN."]


def _listed(findings: Sequence[Finding]) -> list[str]:
    if len(findings) > SHOWN:
        numbers = Counter(finding.why for finding in findings)
        return [f"  {number:,} times: {why}" for why, number in numbers.most_common(SHOWN)]
    return [f"  {finding.what}: {finding.why}" for finding in findings]
