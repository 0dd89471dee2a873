"""Run a server: in the foreground until a signal, or in a thread of a test."""

import asyncio
import signal
import ssl
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from campaign.errors import EngineError
from campaign.local.mailserver.protocol import Rules, SmtpProtocol


async def listen(
    make: Callable[[], SmtpProtocol], *, host: str, port: int, tls: ssl.SSLContext | None = None
) -> asyncio.Server:
    """Open the port; ``tls`` for implicit TLS.

    Raises:
        EngineError: when the port is taken or not ours to open.
    """
    loop = asyncio.get_running_loop()
    try:
        return await loop.create_server(make, host, port, ssl=tls, backlog=256)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise EngineError(f"The mail server can't listen on {host} port {port}: {reason}.") from error


class SilentProtocol(asyncio.Protocol):
    """Takes a connection and never says anything."""


async def listen_silently(addresses: Sequence[str], *, port: int) -> list[asyncio.Server]:
    """Open the same port at other addresses, where nothing is ever said.

    Raises:
        EngineError: when an address is not there or its port is taken.
    """
    loop = asyncio.get_running_loop()
    found = []
    for address in addresses:
        try:
            found.append(await loop.create_server(SilentProtocol, address, port))
        except OSError as error:
            raise EngineError(f"The mail server can't listen on {address} port {port}: {error.strerror}.") from error
    return found


def run(
    rules: Rules, *, host: str, port: int, tls: ssl.SSLContext | None = None, on_ready: Callable[[], None] | None = None
) -> None:
    """Serve until SIGTERM or SIGINT; ``tls`` for implicit TLS. ``on_ready`` is called when the port is open."""
    asyncio.run(_run(rules, host, port, tls=tls, on_ready=on_ready))


async def _run(
    rules: Rules, host: str, port: int, *, tls: ssl.SSLContext | None, on_ready: Callable[[], None] | None
) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = await listen(lambda: SmtpProtocol(rules, encrypted=tls is not None), host=host, port=port, tls=tls)
    others = await listen_silently(rules.silent, port=server.sockets[0].getsockname()[1])
    if on_ready is not None:
        on_ready()
    await stop.wait()
    for each in (server, *others):
        each.close()


class ServerThread:
    """A server in a thread, as a context manager; ``port`` is known inside, 0 takes a free one."""

    def __init__(
        self, rules: Rules, *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        self.rules = rules
        self.host = host
        self.port = port
        self._tls = tls
        self.dialogues: list[SmtpProtocol] = []
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="smtpd", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _serve(self) -> None:
        self._loop.run_until_complete(self._main())
        self._loop.close()

    def call(self, action: Callable[[], None]) -> None:
        """Let the server's thread do something, such as aborting a dialogue."""
        self._loop.call_soon_threadsafe(action)

    async def _main(self) -> None:
        server = await listen(self._begin_dialogue, host=self.host, port=self.port, tls=self._tls)
        self.port = server.sockets[0].getsockname()[1]
        others_here = await listen_silently(self.rules.silent, port=self.port)
        self._ready.set()
        await self._stop.wait()
        for each in (server, *others_here):
            each.close()
        for smtp_protocol in self.dialogues:
            smtp_protocol.abort()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        # One more turn, in which the loop closes the sockets.
        await asyncio.sleep(0)

    def _begin_dialogue(self) -> SmtpProtocol:
        smtp_protocol = SmtpProtocol(self.rules, encrypted=self._tls is not None)
        self.dialogues.append(smtp_protocol)
        return smtp_protocol
