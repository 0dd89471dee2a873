"""A return mailbox that the mail server delivers to by LMTP (RFC 2033); served by aiosmtpd."""

import asyncio
import fcntl
import logging
import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from aiosmtpd.controller import BaseThreadedController, Controller, UnixSocketController
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import Envelope, Session

from campaign.errors import StoreUnavailableError
from campaign.feedback.mailboxes import Receipt, receive
from campaign.feedback.maildir import MailboxError
from campaign.feedback.returned import MAX_MAIL
from campaign.mail.verp import Names
from campaign.runtime import Runtime
from campaign.variables import LOCAL_HOSTS

log = logging.getLogger(__name__)

# It logs each command with the addresses in it.
logging.getLogger("mail.log").setLevel(logging.CRITICAL + 1)

MAX_SIZE: Final = 4 * MAX_MAIL
"""Octets that are taken over the wire; what is larger than a mail that is read goes to quarantine."""

MAX_LINE: Final = 64 * 1024
"""Octets of a line. RFC 5321 section 4.5.3.1.6 allows 1,000, but a reply with a longer one would be lost."""

REPORTS: Final = frozenset({"abuse", "fbl", "complaints", "postmaster"})
"""Local parts to which providers send complaint reports; they name the message by the return address they quote."""

TIMEOUT: Final = 60.0
"""Seconds without a command after which a connection is closed."""

ROUNDS: Final = 500
"""Looks, one each hundredth of a second, until all connections have ended when the listener stops."""

STEPS: Final = 10
"""Steps of the loop in which a connection that was accepted gets its session; it needs four."""

OPTIONS: Final[dict[str, Any]] = {
    "data_size_limit": MAX_SIZE,
    "enable_SMTPUTF8": True,
    "timeout": TIMEOUT,
    "ident": "Countersign",
}
"""Of aiosmtpd."""


class ReturnedMailHandler:
    """Takes one mail to one return address at a time, and answers once it is stored."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._names = Names.by(runtime)
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="returned")

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's
        self, _server: LMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Take addresses that we signed, and those for complaint reports."""
        if envelope.rcpt_tos:
            # One reply is given for all recipients of a mail; the mail server brings the others in a next transaction.
            return "452 4.5.3 One recipient at a time"
        local, _, domain = address.lower().rpartition("@")
        is_report = local in REPORTS and domain == self._names.return_domain
        if not self._is_signed(address) and not is_report:
            return "550 5.1.1 No such return address"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, _server: LMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        """Store, then answer."""
        content = envelope.original_content or b""
        [address] = envelope.rcpt_tos
        sender = envelope.mail_from or ""
        loop = asyncio.get_running_loop()
        try:
            receipt = await loop.run_in_executor(self._threads, self._store, content[: MAX_MAIL + 1], address, sender)
        except StoreUnavailableError:
            return "451 4.3.0 The database does not answer; please try again"
        if receipt is Receipt.FOREIGN:
            return "550 5.6.0 This address takes reports only"
        return f"250 2.0.0 Ok: {receipt}"

    async def handle_exception(self, error: Exception) -> str:
        """Ask the mail server to bring it again, whatever went wrong: what it gives up on is lost."""
        log.error("returned mail could not be taken: %s", type(error).__name__)
        return "451 4.3.0 Please try again"

    def _store(self, raw: bytes, address: str, sender: str) -> Receipt:
        is_signed = self._is_signed(address)
        receipt, is_ours = receive(self._runtime, raw, recipient=address if is_signed else "", sender=sender)
        return Receipt.KNOWN if receipt is Receipt.FOREIGN and is_ours else receipt

    def _is_signed(self, address: str) -> bool:
        return self._names.message_of(address) is not None or self._names.replied(address) is not None

    def close(self) -> None:
        """Wait for what is being stored."""
        self._threads.shutdown()


class _Connection(LMTP):
    """One connection: takes longer lines than aiosmtpd does by itself, and is known until its socket is closed."""

    line_length_limit = MAX_LINE

    def __init__(self, handler: object, known: "set[_Connection]", **options: Any) -> None:  # noqa: ANN401 - aiosmtpd's
        super().__init__(handler, **options)
        self._known = known

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._known.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Called by the loop right before the socket is closed."""
        self._known.discard(self)
        super().connection_lost(error)


class _Closing(BaseThreadedController):
    """Ends open connections when it stops, which aiosmtpd leaves to their clients."""

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - aiosmtpd's
        super().__init__(*arguments, **options)
        self._known: set[_Connection] = set()

    def factory(self) -> LMTP:
        """The session of a connection that was just made."""
        return _Connection(self.handler, self._known, **self.SMTP_kwargs)

    def stop(self, no_assert: bool = False) -> None:  # noqa: FBT001, FBT002 - aiosmtpd's
        """Take no more connections, end those that are open, then stop; the mail server brings what was not stored."""
        if self.loop.is_running():
            asyncio.run_coroutine_threadsafe(self._end_all(), self.loop).result(timeout=TIMEOUT)
        super().stop(no_assert)

    async def _end_all(self) -> None:
        if isinstance(self.server, asyncio.Server):
            # A connection that was just accepted when its server closes is never closed by asyncio of Python 3.11: so
            # no more are accepted first, and those that are get their session.
            for listening in self.server.sockets:
                self.loop.remove_reader(listening.fileno())
            for _ in range(STEPS):
                await asyncio.sleep(0)
            self.server.close()
        for _ in range(ROUNDS):
            for connection in list(self._known):
                if isinstance(connection.transport, asyncio.WriteTransport):
                    connection.transport.abort()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            if not others and not self._known:
                break
            await asyncio.sleep(0.01)
        # A transport closes its socket in the next step of the loop.
        await asyncio.sleep(0.01)


class _OnPort(_Closing, Controller):
    """LMTP at a TCP port, in a thread of its own."""


class _OnSocket(_Closing, UnixSocketController):
    """LMTP at a socket in the file system, in a thread of its own."""


@contextmanager
def serve_lmtp(runtime: Runtime, url: str) -> Iterator[None]:
    """Listen, in a thread, as long as the context is open; what is being stored at its end is stored.

    Args:
        runtime: the runtime.
        url: ``lmtp://127.0.0.1:2424``, or ``lmtp:///run/countersign/lmtp.sock`` for a socket of this machine.

    Raises:
        MailboxError: the address is taken, or not of this machine.
    """
    parts = urlsplit(url)
    if parts.hostname:
        if parts.hostname not in LOCAL_HOSTS:
            raise MailboxError("LMTP knows no sign-in: it listens on this machine only, e.g. lmtp://127.0.0.1:2424")
        port = parts.port or 24
        _check_free(parts.hostname, port, url)
        handler = ReturnedMailHandler(runtime)
        with _serving(_OnPort(handler, hostname=parts.hostname, port=port, **OPTIONS), handler, url):
            yield
        return
    path = Path(unquote(parts.path))
    with _sole(path, url):
        handler = ReturnedMailHandler(runtime)
        with _serving(_OnSocket(handler, unix_socket=str(path), **OPTIONS), handler, url):
            # The mail server runs as another user; its folder says who may reach the socket.
            path.chmod(0o666)
            yield
        path.unlink(missing_ok=True)


def _check_free(host: str, port: int, url: str) -> None:
    """Fail at once where aiosmtpd would wait for seconds; if the port is taken in between, it does."""
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as error:
        raise MailboxError(f"LMTP can't listen at {url}: {os.strerror(error.errno or 0)}") from None


@contextmanager
def _serving(controller: _OnPort | _OnSocket, handler: ReturnedMailHandler, url: str) -> Iterator[None]:
    try:
        controller.start()
    except OSError as error:
        controller.stop()
        controller.loop.close()
        handler.close()
        raise MailboxError(f"LMTP can't listen at {url}: {error.strerror or error}") from None
    try:
        yield
    finally:
        controller.stop()
        handler.close()


@contextmanager
def _sole(path: Path, url: str) -> Iterator[None]:
    """Hold the lock of a socket: a second process would take its place in the file system, and none be reached then."""
    try:
        lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise MailboxError(f"LMTP can't listen at {url}: {error.strerror}") from None
    try:
        _take(lock, url)
        yield
    finally:
        os.close(lock)


def _take(lock: int, url: str) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise MailboxError(f"LMTP can't listen at {url}: another process does") from None
