"""``countersign doctor``: is this installation as it should be, and if not, what is to be done."""

import contextlib
import json
from dataclasses import asdict
from functools import partial

import click

from campaign.checks import doctor as all_checks
from campaign.checks import mail
from campaign.checks.findings import Finding, Level, fine
from campaign.checks.names import NameServer
from campaign.errors import EngineError, MailValueError
from campaign.local.servers import ports, redis
from campaign.local.servers.attach import attach, attach_database
from campaign.security.keys import read_local_keys
from campaign.settings import Settings, load_settings

COLOURS = {Level.FINE: "green", Level.LOOK: "yellow", Level.STOP: "red", Level.UNKNOWN: "cyan"}


@click.command(short_help="Check the installation, and say what to do", epilog="Example: countersign doctor --json")
@click.option("--send", "address", metavar="ADDRESS", help="Also send a test email through each mail server.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON; its keys do not change.")
@click.option("--nameserver", default="", metavar="HOST[:PORT]", help="Ask this name server instead of the system’s.")
@click.pass_context
def doctor(context: click.Context, *, address: str | None, as_json: bool, nameserver: str) -> None:
    """Check settings, database, Redis, mail servers, DNS, keys, data folder, proxies and clock.

    It changes nothing, and sends email only with --send. Each finding is fine, look (it works, and can be better), stop
    (it can't work), or unknown (it can't be checked here).

    Exit status: 0 nothing to stop for; 1 at least one stop; 78 the settings can't be read.
    """
    settings = _settings()
    found = all_checks.examine(settings, server=NameServer(nameserver), more=[partial(_port, settings)])
    if address is not None:
        try:
            found += mail.send_all(settings, address)
        except MailValueError:
            raise click.BadParameter("must be an address that can be mailed", param_hint="--send") from None
    if as_json:
        click.echo(json.dumps([_document(finding) for finding in found], ensure_ascii=False, indent=2))
    else:
        for finding in found:
            _show(finding)
    if any(finding.level is Level.STOP for finding in found):
        context.exit(1)


def _settings() -> Settings:
    """The settings, with the embedded servers as far as they run."""
    settings = read_local_keys(load_settings())
    with contextlib.suppress(EngineError):
        return attach(settings)
    with contextlib.suppress(EngineError):
        settings = attach_database(settings)
    return settings.replace(redis_url=settings.redis_url or redis.live_url(settings) or "")


def _port(settings: Settings) -> list[Finding]:
    """Whether `countersign web` could listen; a web server that answers as ours is as good."""
    check, place = "host.port", ports.named(settings.bind, settings.port)
    name = settings.base_url.partition("://")[2]
    if ports.serves_http(ports.reachable(settings.bind), settings.port, path="/healthz", name=name):
        return [fine(check, f"Countersign serves at {place}.")]
    try:
        ports.check_free(settings.bind, settings.port)
    except EngineError as error:
        return [Finding(check, Level.STOP, str(error), "`countersign web` can't listen.")]
    return [fine(check, f"{place}, is free for `countersign web`.")]


def _document(finding: Finding) -> dict[str, str]:
    return {name: value for name, value in asdict(finding).items() if name != "passes"}


def _show(finding: Finding) -> None:
    click.echo(click.style(f"{finding.level:<8}", fg=COLOURS[finding.level], bold=True) + finding.what)
    for words in filter(None, [finding.why, finding.remedy]):
        click.echo(f"{'':<8}{words}")
