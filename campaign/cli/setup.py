"""``countersign setup``: from an empty host to an installation that can be started."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from campaign.cli import env_file as env_files
from campaign.cli import setup_steps
from campaign.cli.setup_answers import QUESTIONS, ask, ask_for, fixed, problem_of, problem_of_admin
from campaign.cli.setup_steps import Outcome, Plan
from campaign.errors import CountersignError
from campaign.settings import VARIABLES, load_settings

SETTINGS = Path("/etc/countersign/countersign.env")
COLOURS = {Outcome.DONE: "green", Outcome.THERE: "cyan", Outcome.FAILED: "red", Outcome.LEFT: "yellow"}


def _asked(command: Any) -> Any:  # noqa: ANN401 - a decorator of click
    """Add an option for each question; variables answer as well, and keep passwords out of the list of processes."""
    for question in reversed(QUESTIONS):
        about = f"{question.text}." if question.text.count("such as") == 0 else question.text
        command = click.option(
            question.option, question.field, envvar=question.variable, show_envvar=True, metavar="VALUE", help=about
        )(command)
    return command


@click.command(
    short_help="Set up an installation",
    epilog="Example: countersign setup --base-url https://petitions.example.org --admin-email ada@example.org",
)
@_asked
@click.option("--admin-email", default="", metavar="ADDRESS", help="Address of the first admin.")
@click.option("--admin-name", default="", metavar="NAME", help="Name of the first admin.")
@click.option("--set", "more", multiple=True, metavar="NAME=VALUE", help="Any other setting; may be repeated.")
@click.option("--ed25519", is_flag=True, help="Also sign email with an Ed25519 key (RFC 8463).")
@click.option("--overwrite", is_flag=True, help="Replace values that the file of settings has.")
@click.option("-y", "--yes", is_flag=True, help="Ask nothing: take what is given, and the usual values for the rest.")
@click.pass_context
def setup(
    context: click.Context,
    /,
    *,
    admin_email: str,
    admin_name: str,
    more: tuple[str, ...],
    ed25519: bool,
    overwrite: bool,
    yes: bool,
    **answers: str | None,
) -> None:
    """Write the settings, make the keys, the tables and the first admin, and print the DNS records.

    Asks for what no option, no variable and no file gives; without a terminal, or with --yes, it asks nothing. The
    settings go to /etc/countersign/countersign.env, or where `countersign --env-file` says, with the DKIM keys beside
    it. What is there stays; --overwrite replaces settings by what is given, and never replaces a key. It may be run
    again at any time: it shows what is there, and takes up what has failed.

    Exit status: 0 all is set up; 1 a step failed, and is named; 2 an answer is missing or must be corrected; 78 the
    file of settings can't be read.
    """
    path = context.parent.params.get("env_file") if context.parent is not None else None
    path = (path or SETTINGS).absolute()
    present = {name: value for name, value in _read(path).items() if value}
    asks = not yes and sys.stdin.isatty()
    given = {VARIABLES[field].name: value for field, value in answers.items() if value} | _pairs(more)
    given = {name: value.strip() for name, value in given.items()}
    other = [name for name in given if present.get(name, given[name]) != given[name]]
    kept = [name for name in other if not overwrite or name == "COUNTERSIGN_KEYS"]
    known = present | {name: value for name, value in given.items() if name not in kept}
    _check(known, admin_email, admin_name)
    known |= {name: value for name, value in fixed(path.parent, ed25519=ed25519).items() if name not in known}
    known = _complete(known, asks=asks, needs_admin=not present and not (admin_email and admin_name))
    for name in kept:
        how = "`countersign keys rotate` adds a key" if name == "COUNTERSIGN_KEYS" else "--overwrite replaces it"
        click.echo(f"{name} stays as the file has it; {how}.", err=True)
    changed = {name: value for name, value in known.items() if present.get(name) != value}

    def admin() -> tuple[str, str] | None:
        if admin_email and admin_name:
            return admin_email, admin_name
        if not asks:
            return None
        email = admin_email or ask_for("Address of the first admin", problem_of_admin)
        return email, ask_for("Name of the first admin", lambda typed: problem_of_admin(email, typed))

    if not _do(Plan(path, present, changed, admin, admin_email)):
        context.exit(1)


def _read(path: Path) -> dict[str, str]:
    return env_files.read(path) if path.exists() else {}


def _pairs(more: tuple[str, ...]) -> dict[str, str]:
    pairs = {name: value for name, _, value in (one.partition("=") for one in more)}
    if wrong := [one for one in more if "=" not in one]:
        raise click.BadParameter(f"{wrong[0].split()[0]} must be NAME=VALUE", param_hint="--set")
    return pairs


def _check(known: Mapping[str, str], admin_email: str, admin_name: str) -> None:
    """Check what is given by options, variables and the file; names all that is wrong at once."""
    usable: dict[str, str] = {}
    problems = []
    # Files that setup makes itself are not there yet.
    for name, value in known.items():
        if name in setup_steps.DKIM_FILES:
            continue
        if problem := problem_of(name, value, usable):
            problems.append(problem)
        else:
            usable[name] = value
    if admin_email and (problem := problem_of_admin(admin_email, admin_name or None)):
        problems.append(f"First admin: {problem}")
    if problems:
        raise click.UsageError("\n  ".join(["Correct these:", *problems]))


def _complete(known: dict[str, str], *, asks: bool, needs_admin: bool) -> dict[str, str]:
    """Ask for what is missing, or take the usual values; names all that has none at once."""
    missing = [question for question in QUESTIONS if not known.get(question.variable)]
    if not asks:
        names = [f"{question.option} ({question.text})" for question in missing if question.example is None]
        names += ["--admin-email and --admin-name (of the first admin)"] if needs_admin else []
        if names:
            raise click.UsageError("\n  ".join(["Without a terminal these must be given:", *names]))
    for question in missing:
        # The files of keys are not there yet.
        checked = {name: value for name, value in known.items() if name not in setup_steps.DKIM_FILES}
        known[question.variable] = ask(question, checked) if asks else question.usual(checked)
    return known


def _do(plan: Plan) -> bool:
    """Do the steps, show each, then the DNS records; True if all went well."""
    failed = []
    for step in setup_steps.run(plan):
        click.echo(click.style(f"{step.outcome:<8}", fg=COLOURS[step.outcome], bold=True) + f"{step.name}: {step.what}")
        failed += [step.name] if step.outcome in {Outcome.FAILED, Outcome.LEFT} else []
    try:
        lines = setup_steps.zone_of(load_settings(_read(plan.path)))
    except CountersignError:
        lines = []
    if lines:
        click.echo("\nDNS records, for the zone file or the page of your provider:\n")
        for line in lines:
            click.echo(line)
    if failed:
        click.echo(
            f"\nNot done: {', '.join(failed)}. The rest is kept. Mend it, then run `countersign setup` again.", err=True
        )
        return False
    click.echo(
        "\nKeep copies of COUNTERSIGN_KEYS and the DKIM keys, apart from the backups of the database. "
        "Next: publish the records, then `countersign doctor`.",
        err=True,
    )
    return True
