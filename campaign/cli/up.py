"""``countersign up``: everything on one machine."""

import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import click

from campaign.accounts.accounts import Role
from campaign.accounts.sign_in import sign_in_link
from campaign.database import migrate
from campaign.local.seed.example import SLUG, create_accounts, create_example
from campaign.local.servers import places, ports
from campaign.local.servers.attach import note_port, note_web_port, noted_port
from campaign.local.servers.children import Child
from campaign.local.servers.supervisor import Plan, Step, Supervisor
from campaign.runtime import build
from campaign.security.keys import ensure_local_keys, read_local_keys
from campaign.settings import Settings, load_settings

LOOPBACK = "127.0.0.1"
WEB, WORKERS, MAIL = range(3)
"""Stages of the end: first no new sign-ups, then the mail that is on the wire goes out, then it is received."""


@click.command(short_help="Run everything on this machine", epilog="Example: COUNTERSIGN_PORT=9000 countersign up")
def up() -> int:
    """Run everything on this machine until Ctrl-C or SIGTERM: `make run`.

    PostgreSQL, Redis and a local mail server are started here for each of DATABASE_URL, REDIS_URL and SMTP_URL that
    is not set; then the database is migrated, and the web server and two workers run. What dies is started again.
    """
    settings = load_settings()
    places.make_data(settings.data)
    greeting = [f"Countersign starts, with its data in {_short(settings.data)} ..."]
    if not read_local_keys(settings).keys:
        greeting.append(
            f"  New keys are written to {_short(settings.key_folder)}. "
            "Without them encrypted data cannot be read: back them up."
        )
    settings = ensure_local_keys(settings)
    if not settings.smtp_url:
        port = ports.find_free(LOOPBACK, wanted=noted_port(settings))
        settings = settings.replace(smtp_url=f"smtp://{LOOPBACK}:{port}", local_mailbox=True)
    return Supervisor(settings, Plan(greeting, STEPS, _children, _welcome), say=_say).run()


def _say(line: str) -> None:
    click.echo(line)


def _short(path: Path) -> Path:
    """A path relative to the working directory."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _migrate(settings: Settings) -> str:
    before = migrate.current(settings.database_url)
    migrate.upgrade(settings.database_url)
    return "up to date" if before == migrate.current(settings.database_url) else "migrated"


def _example(settings: Settings) -> str:
    """A first page to look at; only on a local machine, never on a public site."""
    if not settings.is_local:
        return "left out on a public site"
    runtime = build(settings, pool_size=1)
    try:
        slug = create_example(runtime)
        create_accounts(runtime)
        return f"/p/{slug}"
    finally:
        runtime.close()


STEPS = (Step("Database", _migrate), Step("Example petition", _example))


def _children(settings: Settings) -> list[Child]:
    """The programs for these settings, each called as `countersign <command>` by this very Python."""
    children = [
        Child("web", _command("web"), _is_serving(settings), stage=WEB),
        Child("worker-urgent", _command("worker", "--lane", "urgent"), _is_consuming(settings), stage=WORKERS),
        Child("worker-bulk", _command("worker", "--lane", "bulk"), _is_consuming(settings), stage=WORKERS),
    ]
    note_web_port(settings)
    if settings.local_mailbox:
        port = urlsplit(settings.smtp_url).port or 0
        note_port(settings, port)
        command = _command("mailserver", "--port", str(port))
        children.append(Child("mailserver", command, _is_greeting(port), stage=MAIL))
    return children


def _command(*words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "campaign.cli", *words)


def _is_serving(settings: Settings) -> Callable[[str], bool]:
    host, name = ports.reachable(settings.bind), urlsplit(settings.base_url).netloc
    return lambda _: ports.serves_http(host, settings.port, path="/healthz", name=name)


def _is_consuming(settings: Settings) -> Callable[[str], bool]:
    """Celery says `urgent@host ready.` when it listens to its queues; a quieter log level leaves only that it runs."""
    says_so = settings.log_level in {"debug", "info"}
    return lambda written: not says_so or " ready." in written


def _is_greeting(port: int) -> Callable[[str], bool]:
    return lambda _: ports.greets(LOOPBACK, port, greeting=b"220")


def _welcome(settings: Settings) -> list[str]:
    """The addresses to open."""
    lines = ["", f"  Petitions        {settings.base_url}/"]
    if settings.is_local:
        lines.append(f"  Example          {settings.base_url}/p/{SLUG}")
    if settings.local_mailbox:
        lines.append(f"  Mailbox          {settings.base_url}/mailbox")
    lines.append(f"  Logs             {_short(settings.data)}/log")
    if settings.is_local:
        lines += ["", "Sign-in links (each works once, within twelve hours):", *_sign_in_links(settings)]
    return [*lines, "", "Stop with Ctrl-C."]


def _sign_in_links(settings: Settings) -> list[str]:
    """A way in for the example accounts, at each start: access to this terminal is access to the machine."""
    runtime = build(settings, pool_size=1)
    try:
        found = create_accounts(runtime)
        return [f"  {_ROLES[role]:<17}{sign_in_link(runtime, account_id)}" for role, account_id in found.items()]
    finally:
        runtime.close()


_ROLES = {Role.ORGANISER: "As organiser", Role.ADMIN: "As admin"}
