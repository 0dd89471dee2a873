"""One non-blocking connection to a mail server: bytes out, replies in, TLS, deadlines. It knows no mail.

The owner writes commands and says which handler takes each reply, in order; several may be under way (RFC 2920).
"""

import errno
import selectors
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from campaign.smtp.replies import BrokenReplyError, Reply, ReplyReader
from campaign.smtp.settings import SmtpSettings
from campaign.smtp.transport import Phase

READ: Final = selectors.EVENT_READ
WRITE: Final = selectors.EVENT_WRITE
_CHUNK: Final = 8192

NEXT_ADDRESS: Final = 1.2
"""Seconds for which an address may stay silent, until its banner, before the next one of the name is tried.

RFC 8305 section 5 proposes to begin sooner, for readers who wait. The last address has the whole deadline.
"""

_answered: dict[tuple[str, int], tuple[str, int]] = {}
"""The address that answered last, by host and port: later connections begin with it."""

_IN_PROGRESS = {errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EAGAIN}

Handler = Callable[[Reply], None]


@dataclass(frozen=True)
class Loss:
    """How a connection ended without being closed by us."""

    phase: Phase
    text: str
    silent: bool = False
    """True if a deadline passed."""
    permanent: bool = False
    """True for a certificate or protocol failure that will not mend itself."""


class Connection:
    """A socket registered in ``selector`` while it is open. Used by one thread."""

    def __init__(
        self,
        settings: SmtpSettings,
        selector: selectors.BaseSelector,
        *,
        tls: ssl.SSLContext | None,
        on_lost: Callable[[Loss], None],
    ) -> None:
        self.settings = settings
        self._tls = tls
        self.deadline: float | None = None
        self.is_open = False
        self.encrypted = False
        self.expected: deque[tuple[Phase, Handler]] = deque()
        self.unsent_until_mark = 0
        self.shortcut: Callable[[bytes], bool] | None = None
        """Gets whole chunks before they are cut into replies, while nothing is left over; True if it took one."""
        self._selector = selector
        self._on_lost = on_lost
        self._reader = ReplyReader()
        self._unsent: bytes | memoryview = b""
        self._wants_write = False
        self._socket: socket.socket | None = None
        self._addresses: list[tuple[socket.AddressFamily, tuple[str, int]]] = []
        self._address: tuple[str, int] = ("", 0)
        self._address_until: float | None = None
        self._advance: Callable[[], None] | None = None
        self._on_secure: Callable[[], None] | None = None

    @property
    def phase(self) -> Phase:
        """The phase whose answer is awaited."""
        if self.expected:
            return self.expected[0][0]
        return Phase.STARTTLS if self._advance == self._shake_hands else Phase.CONNECT

    def open(self, on_connected: Callable[[], None]) -> None:
        """Begin to connect; failures come through ``on_lost``."""
        self.is_open = True
        self._on_connected = on_connected
        self._set_deadline(Phase.CONNECT)
        try:
            found = socket.getaddrinfo(self.settings.host, self.settings.port, type=socket.SOCK_STREAM)
        except OSError as error:
            self._lose(Phase.CONNECT, f"the name of the mail server is not known: {error.strerror}")
            return
        self._addresses = [(family, address[:2]) for family, _, _, _, address in found]  # type: ignore[misc]
        preferred = _answered.get((self.settings.host, self.settings.port))
        self._addresses.sort(key=lambda each: each[1] != preferred)
        self._try_next_address("no address")

    def expect(self, phase: Phase, handler: Handler) -> None:
        """Set the receiver of the next unassigned reply."""
        if not self.expected:
            self._set_deadline(phase)
        self.expected.append((phase, handler))

    def expect_all(self, expected: Iterable[tuple[Phase, Handler]]) -> None:
        """Say who takes the next replies, as :meth:`expect` for each of them."""
        if not self.expected:
            self._set_deadline(Phase.MAIL)
        self.expected.extend(expected)

    def write(self, data: bytes, *, mark: int = 0) -> None:
        """Send ``data``, later if the wire is full; ``unsent_until_mark`` counts down its first ``mark`` bytes."""
        if self._unsent:
            mark = len(self._unsent) + mark if mark else 0
            data = bytes(self._unsent) + data
        self.unsent_until_mark = mark or self.unsent_until_mark
        self._unsent = data
        self._flush()

    def start_tls(self, on_secure: Callable[[], None]) -> None:
        """Encrypt the open connection. What the server sent in clear text behind its answer is an attack: refused."""
        if not self._reader.is_empty or self._socket is None or self._tls is None:
            self._lose(Phase.STARTTLS, "the server sent more before TLS began", permanent=True)
            return
        self._set_deadline(Phase.STARTTLS)
        self._on_secure = on_secure
        self._selector.unregister(self._socket)
        self._socket = self._tls.wrap_socket(
            self._socket, server_hostname=self.settings.host, do_handshake_on_connect=False
        )
        self._selector.register(self._socket, READ, self)
        self._advance = self._shake_hands
        self._shake_hands()

    def on_ready(self, mask: int) -> None:
        """The selector says that the socket can be read or written."""
        if self._advance is not None:
            self._advance()
            return
        if mask & WRITE:
            self._flush()
        if mask & READ:
            self._read()

    def on_time(self, now: float) -> None:
        """Give up if the deadline has passed."""
        if self.is_open and self.deadline is not None and now >= self.deadline:
            if self._address_until is not None and self._addresses:
                self._try_next_address("the mail server said nothing in time")
                return
            self.give_up(self.phase, "the mail server said nothing in time")

    def give_up(self, phase: Phase, reason: str) -> None:
        """End the connection because the server takes too long."""
        self._lose(phase, reason, silent=True)

    def rest(self) -> None:
        """No answer is awaited: no deadline."""
        self.deadline = None

    def close(self, *, farewell: bytes = b"", patience: float = 0.0) -> None:
        """Close, saying ``farewell`` first and waiting up to ``patience`` seconds for its answer."""
        if self._socket is None:
            self.is_open = False
            return
        self._selector.unregister(self._socket)
        self.is_open = False
        if farewell and not self._unsent:
            try:
                self._socket.settimeout(patience)
                self._socket.send(farewell)
                if patience:
                    self._socket.recv(512)
            except OSError:
                # The other side left first; no QUIT is needed.
                pass
        self._socket.close()
        self._socket = None

    def _try_next_address(self, reason: str) -> None:
        self._release()
        if not self._addresses:
            self._lose(Phase.CONNECT, f"no connection: {reason}")
            return
        family, address = self._addresses.pop(0)
        self._address = address
        self._address_until = time.monotonic() + NEXT_ADDRESS if self._addresses else None
        self.expected.clear()
        self._reader.clear()
        self._unsent, self._wants_write, self.encrypted = b"", False, False
        self._set_deadline(Phase.CONNECT)
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code = self._socket.connect_ex(address)
        self._selector.register(self._socket, WRITE, self)
        self._advance = self._finish_connecting
        if code not in _IN_PROGRESS:
            self._finish_connecting(code)

    def _finish_connecting(self, code: int | None = None) -> None:
        if self._socket is None:
            return
        code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) if code is None else code
        if code:
            self._try_next_address(errno.errorcode.get(code, "failed"))
            return
        self._advance = None
        self._selector.modify(self._socket, READ, self)
        self._on_connected()

    def _shake_hands(self) -> None:
        if not isinstance(self._socket, ssl.SSLSocket):
            return
        try:
            self._socket.do_handshake()
        except ssl.SSLWantReadError:
            self._selector.modify(self._socket, READ, self)
            return
        except ssl.SSLWantWriteError:
            self._selector.modify(self._socket, WRITE, self)
            return
        except OSError as error:
            self._lose(Phase.STARTTLS, *_tls_trouble(error))
            return
        self._advance, self.encrypted = None, True
        self._selector.modify(self._socket, READ, self)
        if self._on_secure is not None:
            self._on_secure()

    def _flush(self) -> None:
        if self._socket is None:
            return
        waiting = len(self._unsent)
        try:
            sent = self._socket.send(self._unsent)
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            sent = 0
        except OSError as error:
            self._read_last_words(error)
            return
        if self.unsent_until_mark:
            # Once TLS has taken bytes, part of them may be on the wire whatever it reports: count them as sent.
            self.unsent_until_mark = 0 if self.encrypted else max(0, self.unsent_until_mark - sent)
        done = sent == waiting
        self._unsent = b"" if done else memoryview(self._unsent)[sent:]
        if self._wants_write is done:
            self._wants_write = not done
            self._selector.modify(self._socket, READ if done else READ | WRITE, self)

    def _read_last_words(self, error: OSError) -> None:
        """A failed write: the server may have said why before it left."""
        self._unsent = b""
        self._read()
        if self.is_open:
            self._lose(self.phase, f"the connection was lost: {error.strerror}")

    def _read(self) -> None:
        while self._socket is not None:
            try:
                data = self._socket.recv(_CHUNK)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            except OSError as error:
                self._lose(self.phase, f"the connection was lost: {error.strerror}")
                return
            if not data:
                self._lose(self.phase, "the mail server closed the connection")
                return
            self._take(data)
            if not self.encrypted:
                return

    def _take(self, data: bytes) -> None:
        if self.shortcut is not None and self._reader.is_empty and self.shortcut(data):
            return
        try:
            replies = self._reader.feed(data)
        except BrokenReplyError as error:
            self._lose(self.phase, str(error))
            return
        if self._addresses or self._address_until is not None:
            self._greeted()
        for reply in replies:
            if not self.is_open:
                return
            if not self.expected:
                self._lose(Phase.CONNECT, f"the mail server said out of turn: {reply.code} {reply.text}")
                return
            phase, handler = self.expected.popleft()
            if phase is Phase.STARTTLS and reply is not replies[-1]:
                self._lose(Phase.STARTTLS, "the server sent more before TLS began", permanent=True)
                return
            handler(reply)
        # Only a whole reply earns the server more time; bytes of one do not.
        if replies and self.expected:
            self._set_deadline(self.expected[0][0])

    def _greeted(self) -> None:
        """This address answers: no other is needed, and later connections begin with it."""
        self._addresses, self._address_until = [], None
        _answered[self.settings.host, self.settings.port] = self._address

    def _set_deadline(self, phase: Phase) -> None:
        self.deadline = time.monotonic() + self.settings.deadlines[phase]
        if self._address_until is not None:
            self.deadline = min(self.deadline, self._address_until)

    def _lose(self, phase: Phase, text: str, permanent: bool = False, *, silent: bool = False) -> None:  # noqa: FBT001, FBT002 - private
        self.is_open = False
        self._release()
        self._on_lost(Loss(phase, text, silent=silent, permanent=permanent))

    def _release(self) -> None:
        if self._socket is not None:
            self._selector.unregister(self._socket)
            self._socket.close()
            self._socket = None


def _tls_trouble(error: OSError) -> tuple[str, bool]:
    """What failed when TLS began, and whether it will fail again."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is refused: {error.verify_message}", True
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
        return f"TLS failed: {error.reason}", True
    return "the connection was lost while TLS began", False
