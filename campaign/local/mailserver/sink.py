"""A mail server that takes everything as fast as it can and keeps nothing: for benchmarks.

``python -m campaign.local.mailserver.sink --port 2525`` prints its port, and on SIGTERM how many messages it took.
It is the same dialogue as our other servers with a short cut: the group that a pipelining client sends again and again
(data, final dot, MAIL, RCPT, DATA) is answered in one write without being parsed or copied.
"""

import argparse
import re
import selectors
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from campaign.local.mailserver.protocol import Answer, Rules, SmtpProtocol, Transaction

_TAKEN: Final = b"250 2.0.0 Ok\r\n"
_GROUP = re.compile(rb"MAIL FROM:<[^\r\n]*\r\nRCPT TO:<[^\r\n]*\r\nDATA\r\n")
_ANSWERS: Final = b"250 2.0.0 Ok\r\n250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 Go on\r\n"
_END: Final = b"\r\n.\r\n"
_LONGEST_GROUP: Final = 600
_BUFFER: Final = 256 * 1024
_TICK: Final = 0.2
"""Seconds between two looks for a signal."""


class SinkRules(Rules):
    """Counts."""

    taken = 0

    def message(self, transaction: Transaction, data: bytes) -> Answer:  # noqa: ARG002 - it keeps nothing
        """Take one message on the long way."""
        self.taken += 1
        return _TAKEN


class _Wire:
    """What the dialogue needs of a transport. The socket blocks: answers are short and always fit."""

    def __init__(self, client: socket.socket) -> None:
        self.socket = client
        self.is_over = False

    def write(self, data: bytes) -> None:
        with suppress(OSError):
            self.socket.sendall(data)

    def is_closing(self) -> bool:
        return self.is_over

    def get_extra_info(self, name: str) -> object:
        return self.socket.getpeername() if name == "peername" else None

    def close(self) -> None:
        self.is_over = True

    abort = close


class SinkProtocol(SmtpProtocol):
    """A dialogue with the short cut."""

    def __init__(self, rules: SinkRules, client: socket.socket) -> None:
        super().__init__(rules)
        self._sink = rules
        self._wire = _Wire(client)
        wire: Any = self._wire
        self.connection_made(wire)

    def read(self, buffer: bytearray) -> bool:
        """Take what has come, by way of ``buffer``; False if the client has gone, or is to go."""
        try:
            size = self._wire.socket.recv_into(buffer)
        except OSError:
            size = 0
        if not size:
            return False
        if self._in_data and not self._buffer:
            # A client waits for 354 before it sends data, so no other message can end further in front.
            end = buffer.rfind(_END, max(0, size - _LONGEST_GROUP), size)
            if end >= 0 and _GROUP.fullmatch(buffer, end + 5, size):
                self._sink.taken += 1
                self._wire.write(_ANSWERS)
                return True
        self.data_received(bytes(memoryview(buffer)[:size]))
        return not self._wire.is_over


class _Sink:
    def __init__(self, host: str, port: int) -> None:
        # Several sinks may share a port, so that more than one core can take mail.
        self._listener = socket.create_server((host, port), reuse_port=hasattr(socket, "SO_REUSEPORT"), backlog=256)
        self.port = self._listener.getsockname()[1]
        self._rules = SinkRules()
        self._stopping = False

    def stop(self, *_: object) -> None:
        self._stopping = True

    def run(self) -> int:
        """Serve until :meth:`stop`; returns how many messages were taken."""
        buffer = bytearray(_BUFFER)
        with selectors.DefaultSelector() as selector, self._listener:
            selector.register(self._listener, selectors.EVENT_READ)
            while not self._stopping:
                for key, _ in selector.select(_TICK):
                    if key.data is None:
                        self._welcome(selector)
                    elif not key.data.read(buffer):
                        selector.unregister(key.fileobj)
                        key.data.connection_lost(None)
                        key.fileobj.close()  # type: ignore[union-attr]
        return self._rules.taken

    def _welcome(self, selector: selectors.BaseSelector) -> None:
        client, _ = self._listener.accept()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(client, selectors.EVENT_READ, SinkProtocol(self._rules, client))


def main(arguments: Sequence[str] | None = None) -> int:
    """The process: see the module."""
    parser = argparse.ArgumentParser(prog="python -m campaign.local.mailserver.sink", description="A fast mail sink.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 (the default) takes a free one")
    options = parser.parse_args(arguments)
    sink = _Sink(options.host, options.port)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, sink.stop)
    with suppress(BrokenPipeError):
        sys.stdout.write(f"{sink.port}\n")
        sys.stdout.flush()
        sys.stdout.write(f"{sink.run()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
