"""Find the servers that `countersign up` runs, for a command in another shell."""

import socket
from dataclasses import replace

from campaign.config import Settings
from campaign.engines import places, postgres, redis
from campaign.errors import EngineError
from campaign.keys import read_local_keys


def attach(settings: Settings) -> Settings:
    """Fill in what settings do not name from the live embedded servers and the key folder; start nothing.

    Raises:
        EngineError: they do not run, or belong to another user.
    """
    try:
        found = _attach(settings)
    except PermissionError as problem:
        raise EngineError(
            f"{problem.filename} belongs to another user. Run this as the user who ran `make run`."
        ) from problem
    missing = [name for name, url in (("PostgreSQL", found.database_url), ("Redis", found.redis_url)) if not url]
    if missing:
        raise EngineError(
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not running for {settings.data}. "
            "Start Countersign with `make run`, or set DATABASE_URL and REDIS_URL."
        )
    return found


def _attach(settings: Settings) -> Settings:
    smtp_url = settings.smtp_url or _mail_server(settings)
    return replace(
        read_local_keys(settings),
        database_url=settings.database_url or postgres.live_url(settings) or "",
        redis_url=settings.redis_url or redis.live_url(settings) or "",
        smtp_url=smtp_url,
        local_mailbox=settings.local_mailbox or (bool(smtp_url) and not settings.smtp_url),
    )


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


def noted_port(settings: Settings) -> int | None:
    """Return the port that the local mail server was last given."""
    try:
        return int((places.state(settings.data) / "mailserver.port").read_text())
    except (FileNotFoundError, ValueError):
        return None


def note_port(settings: Settings, port: int) -> None:
    """Note the port of the local mail server, so that it stays the same and commands find it."""
    (places.make_private(places.state(settings.data)) / "mailserver.port").write_text(f"{port}\n")
