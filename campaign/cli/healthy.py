"""``countersign healthy``: does the program of this container, or of this host, work? For health checks."""

import platform

import click

from campaign.cli.opening import find_settings, open_runtime
from campaign.local.servers import ports
from campaign.operations import presence
from campaign.settings import Settings
from campaign.states import Lane


@click.group(short_help="Is the web, or a worker, working here?")
def healthy() -> None:
    """Health checks for containers and supervisors: one sentence, and exit status 0 or 1.

    They tell whether a program does its work, a database that is away included; that is no reason to start it anew,
    which mends nothing.
    """


@healthy.command(short_help="Ask the web server of this host", epilog="Example: countersign healthy web")
@click.pass_context
def web(context: click.Context) -> None:
    """Ask /healthz of the web server that listens at COUNTERSIGN_BIND and COUNTERSIGN_PORT.

    Exit status: 0 it answers, and the database takes writes; 1 it does not; 78 a setting is wrong.
    """
    settings = find_settings()
    sentence, is_well = _web(settings)
    click.echo(sentence)
    context.exit(0 if is_well else 1)


def _web(settings: Settings) -> tuple[str, bool]:
    name = settings.base_url.partition("://")[2]
    place = ports.named(settings.bind, settings.port)
    answer = ports.ask(ports.reachable(settings.bind), settings.port, path="/healthz", name=name)
    if answer is None:
        return f"No web server answers at {place}.", False
    if answer.status != 200:
        return f"The web server at {place} answers with {answer.status}: {answer.problem}", False
    return f"The web server at {place} serves, and the database takes writes.", True


@healthy.command(
    short_help="Was a worker of this host seen lately?", epilog="Example: countersign healthy worker --lane urgent"
)
@click.option("--lane", type=click.Choice([str(lane) for lane in Lane]), required=True, help="Which lane.")
@click.pass_context
def worker(context: click.Context, *, lane: str) -> None:
    """Look in the database whether a worker of this host and lane was seen within the last 15 seconds.

    In a container, the host is the container. Exit status: 0 one was, and its data folder can be used; 1 none was, or
    the database is away; 78 a setting is wrong.
    """
    with open_runtime() as runtime:
        found = presence.of_host(runtime, platform.node(), Lane(lane))
    click.echo(found.sentence)
    context.exit(0 if found.is_well else 1)
