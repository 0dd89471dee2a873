"""``countersign faults``: a mail server that goes wrong on purpose, for rehearsals; it delivers nothing."""

import json
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import click

from campaign.cli import tables
from campaign.errors import SettingsError
from campaign.local.mailserver.faults import FaultRules, serve
from campaign.local.mailserver.provider_profiles import EVERYBODY, MIXES, script_of
from campaign.local.mailserver.returns import Return
from campaign.local.mailserver.script import Fault, Script

MIX_LINES = "\n".join(
    f"  {name}: {about}"
    for name, about in {
        **{name: mix.about for name, mix in MIXES.items()},
        EVERYBODY: "those with a domain, each at its own, e.g. gmail.test",
    }.items()
)

HELP = f"""Receive email on this machine and misbehave as a script or a mix tells it. It delivers nothing.

Without --script and --mix everything is accepted. Point SMTP_URL at it: smtp://127.0.0.1:PORT. At the end (Ctrl-C or
SIGTERM) it says what it accepted and how often each fault happened. A script is JSON; docs/faults.md has its words.

\b
Mixes, for recipients of any domain unless they say otherwise:
{MIX_LINES}

Exit status: 0 ended, and no message was accepted twice for a recipient; 1 it can't listen or a file can't be read or
written, or a message was accepted twice; 2 used wrongly, or the script makes no sense.
"""

EXAMPLES = """\b
Examples:
  countersign faults --mix greylisting
  countersign faults --port 2526 --script script.json --accepted accepted.log --json
\b
Example: a script.json in which one domain is slow and one email in a hundred is uncertain:
  {"seed": 7, "faults": [
    {"phase": "rcpt", "does": "421 4.7.0 Too fast", "domain": "slow.test", "above": 5},
    {"phase": "accepted", "does": "drop", "odds": 0.01}]}
"""


@click.command(short_help="Test mail server that misbehaves on request", help=HELP, epilog=EXAMPLES)
@click.option(
    "--port", type=click.IntRange(1, 65535), default=2525, show_default=True, help="TCP port on the loopback address."
)
@click.option("--script", "file", type=click.Path(dir_okay=False, path_type=Path), help="What goes wrong, as JSON.")
@click.option("--mix", type=click.Choice([*MIXES, EVERYBODY]), help="What goes wrong, as a kind of receiver.")
@click.option("--return-to", default="", help="Where reports go: maildir:/path or lmtp://127.0.0.1:2424.")
@click.option("--seed", type=int, help="The dice: the same seed gives the same faults for the same dialogue.")
@click.option(
    "--accepted",
    "log",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Append a line, Message-ID and recipient, for each email taken.",
)
@click.option(
    "--certificates",
    "ca_folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="A folder for the certificates of a script that offers TLS; clients trust its ca.pem.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON; its keys do not change.")
@click.pass_context
def faults(
    context: click.Context,
    *,
    port: int,
    file: Path | None,
    mix: str | None,
    seed: int | None,
    return_to: str,
    log: Path | None,
    ca_folder: Path | None,
    as_json: bool,
) -> None:
    """See :data:`HELP`."""
    if file is not None and mix is not None:
        raise click.UsageError("Give --script or --mix, not both.")
    script = _script(file, mix, seed)
    if return_to:
        # Without a list of its own, one message in twenty comes back.
        script = replace(script, return_to=return_to, returns=script.returns or (Return(odds=0.05, delay=1.0),))
    if script.certificate is not None and ca_folder is None:
        raise click.UsageError("The script offers TLS: say with --certificates where certificates may go.")
    listening = f"Listening on 127.0.0.1 port {port}. Stop with Ctrl-C."
    try:
        if ca_folder is not None:
            ca_folder.mkdir(parents=True, exist_ok=True)
        rules = serve(
            script,
            host="127.0.0.1",
            port=port,
            log=log,
            ca_folder=ca_folder,
            on_ready=lambda: click.echo(listening, err=True),
        )
    except SettingsError as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        raise click.FileError(str(error.filename), error.strerror or "") from error
    result = report(rules)
    if as_json:
        click.echo(json.dumps(result, ensure_ascii=False, indent=2))
    else:
        for line in _lines(rules):
            click.echo(line)
    if rules.repeated():
        context.exit(1)


def _script(file: Path | None, mix: str | None, seed: int | None) -> Script:
    if mix is not None:
        return script_of(mix, seed=seed or 0)
    if file is None:
        return Script(seed=seed or 0)
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise click.FileError(str(file), error.strerror or "") from error
    except UnicodeDecodeError:
        raise click.BadParameter("it is no text", param_hint="--script") from None
    found = _read(text)
    return found if seed is None else replace(found, seed=seed)


def _read(text: str) -> Script:
    try:
        return Script.from_json(text)
    except SettingsError as error:
        raise click.BadParameter(str(error), param_hint="--script") from None


def report(rules: FaultRules) -> dict[str, object]:
    """What happened, with names for programs: no address, but domains."""
    return {
        "accepted": rules.accepted.total(),
        "distinct": len(rules.accepted),
        "repeated": len(rules.repeated()),
        "domains": _by_domain(rules),
        "phases": dict(rules.chances),
        "returned": dict(sorted(rules.returner.sent.items())),
        "faults": [{**_named(fault), "happened": number} for fault, number in rules.happened()],
    }


def _by_domain(rules: FaultRules) -> dict[str, int]:
    found: Counter[str] = Counter()
    for (_, recipient), number in rules.accepted.items():
        found[recipient.rpartition("@")[2].lower()] += number
    return dict(sorted(found.items()))


def _named(fault: Fault) -> dict[str, object]:
    """The fields of a fault that say something."""
    return {name: value for name, value in asdict(fault).items() if value is not None}


def _lines(rules: FaultRules) -> list[str]:
    repeated = len(rules.repeated())
    lines = [f"Accepted {rules.accepted.total():,} mails; {repeated:,} were accepted more than once."]
    if domains := _by_domain(rules):
        lines += ["", *tables.render(("Accepted", "Domain"), [(number, name) for name, number in domains.items()])]
    if sent := rules.returner.sent:
        lines += [
            "",
            *tables.render(("Came back", "As"), [(number, action) for action, number in sorted(sent.items())]),
        ]
    happened = [(number, fault.phase, fault.domain or "any", fault.does) for fault, number in rules.happened()]
    if happened:
        lines += ["", *tables.render(("Happened", "Phase", "Domain", "What"), happened)]
    return lines
