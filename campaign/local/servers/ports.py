"""TCP ports of this machine: is one free, does something answer there."""

import errno
import http.client
import socket

from campaign.errors import EngineError


def check_free(host: str, port: int) -> None:
    """Make sure that a server can listen on ``host`` and ``port``.

    Raises:
        EngineError: it can't; names the setting to change.
    """
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


def serves_http(host: str, port: int, *, path: str, name: str) -> bool:
    """Whether GET ``path`` is answered with 200.

    Args:
        host: the address to connect to.
        port: its port.
        path: such as ``/healthz``.
        name: the Host header; sites refuse others than their own.
    """
    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", path, headers={"Host": name})
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def greets(host: str, port: int, *, greeting: bytes) -> bool:
    """Whether a server there begins with ``greeting``, as mail servers do with ``220``."""
    try:
        with socket.create_connection((host, port), timeout=2) as connection:
            return connection.recv(512).startswith(greeting)
    except OSError:
        return False
