"""TCP ports and Unix sockets of this machine: is one free, does something answer there."""

import errno
import http.client
import json
import os
import socket
import stat
from dataclasses import dataclass
from pathlib import Path

from campaign.errors import EngineError
from campaign.variables import SOCKET


def named(host: str, port: int) -> str:
    """Where a server listens, in words."""
    return f"the socket {host.removeprefix(SOCKET)}" if host.startswith(SOCKET) else f"{host}, port {port}"


def check_free(host: str, port: int) -> None:
    """Make sure that a server can listen on ``host`` and ``port``, or on the Unix socket that ``host`` names.

    Raises:
        EngineError: it can't; names the setting to change.
    """
    if host.startswith(SOCKET):
        _check_socket(Path(host.removeprefix(SOCKET)))
        return
    problem = _why_not(host, port)
    if problem is None:
        return
    if problem.errno == errno.EADDRINUSE:
        raise EngineError(
            f"Port {port} is taken by another program. End it, or set COUNTERSIGN_PORT to another port "
            f"(make run COUNTERSIGN_PORT={port + 1})."
        )
    if problem.errno == errno.EACCES:
        raise EngineError(f"Port {port} is for root alone. Set COUNTERSIGN_PORT to a number above 1023.")
    raise EngineError(f"No server can listen on {host}, port {port}: {problem.strerror}. See COUNTERSIGN_BIND.")


def _check_socket(path: Path) -> None:
    if not os.access(path.parent, os.W_OK | os.X_OK):
        why = "may not be written to" if path.parent.is_dir() else "does not exist"
        raise EngineError(f"The folder {path.parent} {why}: make it, or correct COUNTERSIGN_BIND.")
    if not path.exists():
        return
    if not stat.S_ISSOCK(path.stat().st_mode):
        raise EngineError(f"{path} is no socket but a file: remove it, or correct COUNTERSIGN_BIND.")
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            # Left by a server that was killed: the next one makes it anew.
            return
    raise EngineError(f"Another program listens on {path}. End it, or set COUNTERSIGN_BIND to another socket.")


def find_free(host: str, *, wanted: int | None = None) -> int:
    """Return ``wanted`` if it is free, else any free port."""
    if wanted is not None and _why_not(host, wanted) is None:
        return wanted
    with socket.socket(_family(host)) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
    return port


def _why_not(host: str, port: int) -> OSError | None:
    with socket.socket(_family(host)) as probe:
        # As servers do: a connection that was closed a moment ago does not block the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as problem:
            return problem
    return None


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def reachable(bind: str) -> str:
    """Return the address to reach a server at that listens on ``bind``, which may mean all addresses."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bind, bind)  # noqa: S104 - compared, not listened on


@dataclass(frozen=True)
class Answer:
    """What a web server answered."""

    status: int
    problem: str
    """The sentence of /healthz, if there is one."""


def ask(host: str, port: int, *, path: str, name: str) -> Answer | None:
    """What GET ``path`` is answered with; None if nothing answers within two seconds.

    Args:
        host: the address to connect to.
        port: its port.
        path: such as ``/healthz``.
        name: the Host header; sites refuse others than their own.
    """
    is_socket = host.startswith(SOCKET)
    connection = (
        _SocketConnection(host.removeprefix(SOCKET)) if is_socket else http.client.HTTPConnection(host, port, timeout=2)
    )
    try:
        connection.request("GET", path, headers={"Host": name})
        answer = connection.getresponse()
        return Answer(answer.status, _problem_in(answer.read(MOST)))
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


MOST = 64 * 1024
"""Bytes of an answer that are read."""


def _problem_in(body: bytes) -> str:
    try:
        found = json.loads(body)
    except ValueError:
        return ""
    return str(found.get("problem", "")) if isinstance(found, dict) else ""


def serves_http(host: str, port: int, *, path: str, name: str) -> bool:
    """Whether GET ``path`` is answered with 200; arguments as for :func:`ask`."""
    answer = ask(host, port, path=path, name=name)
    return answer is not None and answer.status == http.HTTPStatus.OK


class _SocketConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=2)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket instead of a port."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def greets(host: str, port: int, *, greeting: bytes) -> bool:
    """Whether a server there begins with ``greeting``, as mail servers do with ``220``."""
    try:
        with socket.create_connection((host, port), timeout=2) as connection:
            return connection.recv(512).startswith(greeting)
    except OSError:
        return False
