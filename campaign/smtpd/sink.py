"""A mail server that takes everything as fast as it can and keeps nothing: for benchmarks.

``python -m campaign.smtpd.sink --port 2525`` prints its port, and on SIGTERM how many messages it took. It is the same
dialogue as our other servers with a short cut: the group that a pipelining client sends again and again (data, final
dot, MAIL, RCPT, DATA) is answered in one write without being taken apart.
"""

import argparse
import asyncio
import re
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from campaign.smtpd.dialogue import Answer, Dialogue, Rules, Transaction

_TAKEN: Final = b"250 2.0.0 Ok\r\n"
_GROUP = re.compile(rb"MAIL FROM:<[^\r\n]*\r\nRCPT TO:<[^\r\n]*\r\nDATA\r\n")
_ANSWERS: Final = b"250 2.0.0 Ok\r\n250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 Go on\r\n"
_END: Final = b"\r\n.\r\n"
_SHORTEST: Final = 200


class SinkRules(Rules):
    """Counts."""

    taken = 0

    def message(self, transaction: Transaction, data: bytes) -> Answer:  # noqa: ARG002 - it keeps nothing
        """Take one message on the long way."""
        self.taken += 1
        return _TAKEN


class SinkDialogue(Dialogue):
    """A dialogue with the short cut."""

    def __init__(self, rules: SinkRules) -> None:
        super().__init__(rules)
        self._sink = rules

    def data_received(self, data: bytes) -> None:
        """Answer the usual group at once; hand all else to the long way."""
        if self._in_data and not self._buffer and self._transport is not None:
            end = data.rfind(_END, max(0, len(data) - _SHORTEST))
            # A client waits for 354 before it sends data, so no other message can end further in front.
            if end >= 0 and _GROUP.fullmatch(data, end + 5):
                self._sink.taken += 1
                self._transport.write(_ANSWERS)
                return
        super().data_received(data)


async def _serve(host: str, port: int) -> int:
    rules = SinkRules()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    # Several sinks may share a port, so that more than one core can take mail.
    server = await loop.create_server(
        lambda: SinkDialogue(rules), host, port, reuse_port=hasattr(socket, "SO_REUSEPORT"), backlog=256
    )
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await stop.wait()
    server.close()
    return rules.taken


def main(arguments: Sequence[str] | None = None) -> int:
    """The process: see the module."""
    parser = argparse.ArgumentParser(prog="python -m campaign.smtpd.sink", description="A fast mail sink.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 (the default) takes a free one")
    options = parser.parse_args(arguments)
    taken = asyncio.run(_serve(options.host, options.port))
    with suppress(BrokenPipeError):
        sys.stdout.write(f"{taken}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
