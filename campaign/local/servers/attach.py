"""Find the servers that `countersign up` runs, for a command in another shell."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from campaign.errors import EngineError
from campaign.local.servers import places, postgres, redis
from campaign.security.keys import read_local_keys
from campaign.settings import Settings

_ABSENT = "{name} is not running for {data}. Start Countersign with `make run`, or set {variable}."


def attach(settings: Settings) -> Settings:
    """Fill in what settings do not name from the live embedded servers and the key folder; start nothing.

    Raises:
        EngineError: PostgreSQL or Redis does not run, or belongs to another user.
    """
    with _plain_refusal():
        settings = attach_database(settings)
        redis_url = settings.redis_url or redis.live_url(settings)
        if not redis_url:
            raise EngineError(_ABSENT.format(name="Redis", data=settings.data, variable="REDIS_URL"))
        smtp_url = settings.smtp_url or _mail_server(settings)
        is_ours = settings.local_mailbox or (bool(smtp_url) and not settings.smtp_url)
        return settings.replace(redis_url=redis_url, smtp_url=smtp_url, local_mailbox=is_ours)


def attach_database(settings: Settings) -> Settings:
    """Fill in the database and the keys alone: for commands that put nothing on a queue.

    Raises:
        EngineError: PostgreSQL does not run, or belongs to another user.
    """
    with _plain_refusal():
        url = settings.database_url or postgres.live_url(settings)
        if not url:
            raise EngineError(_ABSENT.format(name="PostgreSQL", data=settings.data, variable="DATABASE_URL"))
        found = read_local_keys(settings).replace(database_url=url)
        return found if settings.database_url else _at_noted_address(found)


@contextmanager
def _plain_refusal() -> Iterator[None]:
    try:
        yield
    except PermissionError as problem:
        raise EngineError(
            f"{problem.filename} belongs to another user. Run this as the user who ran `make run`."
        ) from problem


def _mail_server(settings: Settings) -> str:
    """Return the URL of the local mail server, if one answers at the port that was noted; else empty."""
    port = noted_port(settings)
    if port is None:
        return ""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2):
            return f"smtp://127.0.0.1:{port}"
    except OSError:
        return ""


def _at_noted_address(settings: Settings) -> Settings:
    """Settings with the address that `countersign up` serves, unless COUNTERSIGN_BASE_URL names another one.

    A shell that does not know COUNTERSIGN_PORT would otherwise print links to a port without a listener.
    """
    note = places.state(settings.data) / "web.port"
    if not note.is_file() or settings.base_url != f"http://localhost:{settings.port}":
        return settings
    port = int(note.read_text())
    return settings.replace(port=port, base_url=f"http://localhost:{port}")


def note_web_port(settings: Settings) -> None:
    """Note the port of the web server, so that commands in other shells print links that work."""
    (places.make_private(places.state(settings.data)) / "web.port").write_text(f"{settings.port}\n")


def noted_port(settings: Settings) -> int | None:
    """Return the port that the local mail server was last given."""
    try:
        return int((places.state(settings.data) / "mailserver.port").read_text())
    except (FileNotFoundError, ValueError):
        return None


def note_port(settings: Settings, port: int) -> None:
    """Note the port of the local mail server, so that it stays the same and commands find it."""
    (places.make_private(places.state(settings.data)) / "mailserver.port").write_text(f"{port}\n")
