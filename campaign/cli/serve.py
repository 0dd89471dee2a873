"""``countersign web|worker|mailserver``: the programs that ``countersign up`` runs, one by one for other hosts."""

import os
import resource
import socket
import sys
from pathlib import Path
from typing import Any

import click
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels

from campaign import log_lines
from campaign.cli.starting import await_worker, check_web, start_log
from campaign.local.mailserver.mailbox import serve
from campaign.local.servers.attach import attach
from campaign.settings import Settings, child_environment, export, load_settings
from campaign.variables import ROOT, SOCKET

QUEUES = {"urgent": "urgent", "bulk": "upkeep,bulk"}
"""What the worker of a lane listens to, the first before the second (queue_order_strategy "priority").

Upkeep is short and comes first: while a large update is sent, the queue of bulk mail is never empty, and behind it
nothing would be counted, recovered or started for as long as that takes.
"""

SOCKET_MODE = 0o660
"""Of a Unix socket: the reverse proxy is a member of our group; others on the host could invent visitors' addresses."""

STOP_WITHIN = 25
"""Seconds a web process may take to answer what it has begun; the supervisor waits longer."""

HEAD_WITHIN = 10_000
"""Milliseconds in which the head of a request must have come; campaign/views/gateway.py has the time for its body."""

HEAD = 32 * 1024
"""Bytes of a head; a longer one gets 431. Nothing downstream meets an address or a header of hundreds of kilobytes."""

CONNECTIONS = 4096
"""Connections that a web process holds open: many idle and slow ones are no reason to refuse the next."""


@click.command(short_help="Serve the pages", epilog="Example: COUNTERSIGN_WEB_WORKERS=4 countersign web")
def web() -> None:
    """Serve the pages until SIGTERM or Ctrl-C.

    Listens on COUNTERSIGN_BIND and COUNTERSIGN_PORT. Without DATABASE_URL it uses the servers that `countersign up`
    runs. What can't work ends it at once with exit status 78, and one sentence for each trouble.
    """
    settings = start_log(attach(load_settings()))
    check_web(settings)
    export(settings)
    # Inherited by the server's processes: the usual 1,024 open files are fewer than the connections they may hold.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 2 * CONNECTIONS)), hard))
    server = Granian(
        "web:create_server",
        factory=True,
        interface=Interfaces.RSGI,
        # Browsers speak HTTP/2 over TLS alone, which ends at the reverse proxy.
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=HEAD_WITHIN, max_buffer_size=HEAD),
        backlog=CONNECTIONS,
        backpressure=CONNECTIONS,
        **_place(settings),
        workers=settings.web_workers,
        # A process that has begun to stop must not hold up the stop of all.
        workers_kill_timeout=STOP_WITHIN,
        respawn_failed_workers=True,
        websockets=False,
        working_dir=ROOT,
        # An access log would hold the addresses of signers.
        log_access=False,
        log_level=LogLevels(settings.log_level),
        log_dictconfig=log_lines.dict_config(level=settings.log_level) if log_lines.is_json() else None,
    )
    server.serve()


def _place(settings: Settings) -> dict[str, Any]:
    """Where to listen, in granian's words."""
    if settings.bind.startswith(SOCKET):
        return {"uds": Path(settings.bind.removeprefix(SOCKET)), "uds_permissions": SOCKET_MODE}
    return {"address": settings.bind, "port": settings.port}


@click.command(
    short_help="Send the email of one lane",
    epilog="Example: COUNTERSIGN_BULK_PROCESSES=4 countersign worker --lane bulk",
)
@click.option(
    "--lane", type=click.Choice(sorted(QUEUES)), required=True, help="urgent: confirmations and such; bulk: the rest."
)
def worker(lane: str) -> None:
    """Send the email of one lane until SIGTERM or Ctrl-C.

    The worker of the bulk lane also does the upkeep: counting, expiry, retention. Any number of workers may run, on
    any host. Without DATABASE_URL and REDIS_URL they use the servers that `countersign up` runs. What can't work ends
    it at once with exit status 78, and one sentence for each trouble; for a database that is not up yet it waits.
    """
    settings = start_log(attach(load_settings()))
    await_worker(settings)
    os.chdir(ROOT)
    if log_lines.is_json():
        # Celery prints there what it does at the end, past all logging; what it logs goes to standard error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    os.execve(sys.executable, worker_arguments(settings, lane), worker_environment(settings, lane))  # noqa: S606


def worker_arguments(settings: Settings, lane: str) -> list[str]:
    """The command line of Celery's own program for one lane."""
    processes = settings.urgent_processes if lane == "urgent" else settings.bulk_processes
    return [
        sys.executable,
        *("-m", "celery", "-A", "worker"),
        # The banner is no line of a log.
        *(("--quiet",) if log_lines.asks_for_json(settings.log_format) else ()),
        "worker",
        *("--queues", QUEUES[lane]),
        *("--hostname", f"{lane}@{socket.gethostname()}"),
        *("--concurrency", str(processes)),
        *("--pool", "prefork"),
        *("--loglevel", settings.log_level),
        # Workers need not know each other: work is found in the database.
        *("--without-gossip", "--without-mingle"),
    ]


def worker_environment(settings: Settings, lane: str) -> dict[str, str]:
    """The environment of Celery's program for one lane."""
    return child_environment(settings) | {
        "COUNTERSIGN_LANE": lane,
        # SIGTERM begins the soft shutdown: finish what is on the wire, give back the rest (Celery 5.5 and newer).
        "REMAP_SIGTERM": "SIGQUIT",
        "PYTHONUNBUFFERED": "1",
    }


@click.command(
    short_help="Test mail server with a mailbox to look at", epilog="Example: countersign mailserver --port 2525"
)
@click.option("--port", type=click.IntRange(1, 65535), required=True, help="TCP port on the loopback address.")
def mailserver(port: int) -> None:
    """Receive email and show it at /mailbox.

    It delivers nothing. `countersign up` runs it when SMTP_URL is not set.
    """
    serve(load_settings().mailbox_folder, host="127.0.0.1", port=port)
