"""A door of TCP, with or without TLS, before a server that listens on a unix socket alone."""

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Iterator

SSL_REQUEST = bytes.fromhex("00000008 04d2162f")
"""What a client of PostgreSQL sends before TLS begins (its documentation, "SSL session encryption")."""


class Door:
    """Takes connections on a port of 127.0.0.1 and hands on what comes, both ways."""

    def __init__(self, socket_path: str, context: ssl.SSLContext | None, *, postgres: bool) -> None:
        self._path = socket_path
        self._context = context
        self._postgres = postgres
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._start(self._take_all)

    def _start(self, work, *arguments) -> None:
        self._threads.append(threading.Thread(target=work, args=arguments, daemon=True))
        self._threads[-1].start()

    def _take_all(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                self._open.append(connection)
                self._start(self._take, connection)

    def _take(self, connection: socket.socket) -> None:
        # A client that trusts no certificate ends the connection: no error of the door.
        # A socket that `close` has closed meanwhile has the descriptor -1: ValueError.
        with contextlib.suppress(OSError, ValueError), contextlib.closing(connection):
            outer = connection
            if self._context is not None:
                if self._postgres:
                    assert connection.recv(8) == SSL_REQUEST
                    connection.sendall(b"S")
                outer = self._context.wrap_socket(connection, server_side=True)
                self._open.append(outer)
            with contextlib.closing(outer), socket.socket(socket.AF_UNIX) as inner:
                inner.connect(self._path)
                _pump(outer, inner)

    def close(self) -> None:
        """End all connections and wait until they have ended."""
        for one in (self._server, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join(timeout=30)


def _pump(outer: socket.socket, inner: socket.socket) -> None:
    while True:
        pending = isinstance(outer, ssl.SSLSocket) and outer.pending() > 0
        ready = [outer] if pending else select.select([outer, inner], [], [], 60)[0]
        for one in ready:
            data = one.recv(65536)
            if not data:
                return
            (inner if one is outer else outer).sendall(data)


@contextlib.contextmanager
def door(socket_path: str, *, context: ssl.SSLContext | None = None, postgres: bool = False) -> Iterator[int]:
    """Open a door before a unix socket; yields its port."""
    made = Door(socket_path, context, postgres=postgres)
    try:
        yield made.port
    finally:
        made.close()
