"""One protocol core for all our SMTP servers (RFC 5321), with the answers left to :class:`Rules`.

For loopback and tests: it checks syntax as far as a test of our client needs, and no more. Data ends at CRLF dot CRLF
and nowhere else (a bare LF does not count, as that is how messages are smuggled).
"""

import asyncio
import base64
import binascii
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, cast

MAX_COMMAND: Final = 16 * 1024
MAX_DATA: Final = 26_214_400
EXTENSIONS: Final = ("PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", f"SIZE {MAX_DATA}")


class ConnectionFault(StrEnum):
    """What a server may do instead of answering."""

    DROP = "drop"
    """Close the connection."""
    HANG = "hang"
    """Say nothing more, keep the connection open, accept nothing."""
    STALL = "stall"
    """In answer to DATA: say 354 and read nothing of what comes, so that the wire fills up."""


@dataclass(frozen=True)
class DelayedReply:
    """A whole reply that is said after a while; what the client sends meanwhile waits."""

    seconds: float
    reply: bytes


@dataclass(frozen=True)
class DrippedReply:
    """A reply that is said byte by byte, with a pause before each; what the client sends meanwhile waits."""

    seconds: float
    reply: bytes


Answer = bytes | ConnectionFault | DelayedReply | DrippedReply
"""A whole reply with its CRLF, at once, late or in drops, or a break."""


@dataclass
class SessionLog:
    """What a connection has carried."""

    messages: int = 0
    """Messages whose final dot was answered with 2xx."""


@dataclass
class Transaction:
    """What the client has said since MAIL."""

    mail_from: str = ""
    recipients: list[str] = field(default_factory=list)
    started: bool = False
    session: SessionLog = field(default_factory=SessionLog)


class Rules:
    """How a server answers. These accept everything; subclasses override what they care for."""

    extensions: Sequence[str] = EXTENSIONS
    tls: ssl.SSLContext | None = None
    """Offered through STARTTLS if given."""
    credentials: tuple[str, str] | None = None
    """User and password that AUTH must give; AUTH is offered if given."""
    silent: Sequence[str] = ()
    """Other loopback addresses where connections to the same port are made and nothing is said."""
    auth_lines: Sequence[str] = ("AUTH PLAIN LOGIN XOAUTH2",)
    """How AUTH is offered: some servers say it twice, or as ``AUTH=PLAIN``."""

    def opened(self, session: SessionLog) -> None:
        """A connection was made."""

    def closed(self, session: SessionLog) -> None:
        """A connection ended."""

    def answer(self, phase: str, transaction: Transaction, argument: str) -> Answer | None:
        """The answer in a phase (banner, ehlo, starttls, auth, mail, rcpt, data); None for the usual one."""

    def message(self, transaction: Transaction, data: bytes) -> Answer:  # noqa: ARG002 - for those who override it
        """Take a whole message, dots unstuffed, and answer the final dot."""
        return b"250 2.0.0 Ok\r\n"


class SmtpProtocol(asyncio.Protocol):
    """One connection. Not for untrusted networks."""

    def __init__(self, rules: Rules, *, encrypted: bool = False) -> None:
        self._rules = rules
        self._encrypted = encrypted
        self._buffer = bytearray()
        self._session = SessionLog()
        self._transaction = Transaction(session=self._session)
        self._in_data = False
        self._searched = 0
        self._stopped = False
        self._is_gone = False
        self._waiting = False
        self._login: list[str] | None = None
        self._transport: asyncio.Transport | None = None
        self._upgrade: asyncio.Task[None] | None = None
        self._verbs = {
            b"EHLO": self._ehlo,
            b"HELO": self._helo,
            b"STARTTLS": self._starttls,
            b"AUTH": self._auth,
            b"MAIL": self._mail,
            b"RCPT": self._rcpt,
            b"DATA": self._data,
            b"RSET": self._rset,
            b"NOOP": lambda _: self._say(b"250 2.0.0 Ok\r\n"),
            b"VRFY": lambda _: self._say(b"252 2.1.5 Send it and see\r\n"),
            b"QUIT": self._quit,
        }

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self._transport = cast("asyncio.Transport", transport)
        self._rules.opened(self._session)
        self._say(self._rules.answer("banner", self._transaction, "") or b"220 countersign.test ESMTP\r\n")

    def abort(self) -> None:
        """Cut the connection."""
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, _: Exception | None) -> None:
        """Forget what was not finished."""
        self._stopped = True
        self._leave()

    def _leave(self) -> None:
        if not self._is_gone:
            self._is_gone = True
            self._rules.closed(self._session)

    def data_received(self, data: bytes) -> None:
        """Take bytes as they come; commands may be pipelined (RFC 2920)."""
        self._buffer += data
        self._work()

    def _work(self) -> None:
        if self._upgrade is not None:
            # The first bytes under TLS can come before we hold the encrypted transport to answer on.
            return
        while not (self._stopped or self._waiting) and self._buffer:
            if not (self._take_message() if self._in_data else self._take_command()):
                break

    def _take_command(self) -> bool:
        end = self._buffer.find(b"\n")
        if end < 0:
            if len(self._buffer) > MAX_COMMAND:
                self._say(b"500 5.5.2 Line too long\r\n")
                self._break(ConnectionFault.DROP)
            return False
        line = bytes(self._buffer[: end + 1]).rstrip(b"\r\n")
        del self._buffer[: end + 1]
        if self._login is not None:
            self._login_line(line)
            return True
        verb, _, argument = line.partition(b" ")
        take = self._verbs.get(verb.upper())
        if take is None:
            self._say(b"502 5.5.1 Unknown command\r\n")
        else:
            take(argument.decode("utf-8", "replace").strip())
        return not self._upgrade

    def _take_message(self) -> bool:
        if self._buffer.startswith(b".\r\n"):
            data, rest = b"", 3
        else:
            found = self._buffer.find(b"\r\n.\r\n", self._searched)
            if found < 0:
                self._searched = max(0, len(self._buffer) - 4)
                if len(self._buffer) > MAX_DATA:
                    self._say(b"552 5.3.4 Message too big\r\n")
                    self._break(ConnectionFault.DROP)
                return False
            data, rest = bytes(self._buffer[: found + 2]), found + 5
        del self._buffer[:rest]
        self._in_data, self._searched = False, 0
        transaction, self._transaction = self._transaction, Transaction(session=self._session)
        if not transaction.recipients:
            self._say(b"554 5.5.1 No valid recipients\r\n")
        else:
            self._say(self._rules.message(transaction, _unstuffed(data)))
        return True

    def _say(self, answer: Answer) -> None:
        if isinstance(answer, ConnectionFault):
            self._break(answer)
        elif isinstance(answer, DelayedReply):
            self._waiting = True
            asyncio.get_running_loop().call_later(answer.seconds, self._say_at_last, answer.reply)
        elif isinstance(answer, DrippedReply):
            self._waiting = True
            asyncio.get_running_loop().call_later(answer.seconds, self._drip, answer)
        elif self._transport is not None and not self._transport.is_closing():
            self._transport.write(answer)
            if answer.startswith(b"421"):
                self._break(ConnectionFault.DROP)

    def _say_at_last(self, reply: bytes) -> None:
        self._waiting = False
        self._say(reply)
        self._work()

    def _drip(self, answer: DrippedReply) -> None:
        if len(answer.reply) <= 1 or self._stopped or self._transport is None:
            self._say_at_last(answer.reply)
            return
        self._transport.write(answer.reply[:1])
        rest = DrippedReply(answer.seconds, answer.reply[1:])
        asyncio.get_running_loop().call_later(answer.seconds, self._drip, rest)

    def _break(self, how: ConnectionFault) -> None:
        self._stopped = True
        self._buffer.clear()
        if self._transport is None:
            return
        if how is ConnectionFault.DROP:
            self._leave()
            self._transport.close()
        elif how is ConnectionFault.STALL:
            self._transport.pause_reading()
            self._transport.write(b"354 End with a dot\r\n")

    def _ruled(self, phase: str, argument: str) -> bool:
        """True if the rules gave an answer of their own, which is then said."""
        answer = self._rules.answer(phase, self._transaction, argument)
        if answer is None:
            return False
        self._say(answer)
        return True

    def _ehlo(self, argument: str) -> None:
        if self._ruled("ehlo", argument):
            return
        offered = list(self._rules.extensions)
        if self._rules.tls is not None and not self._encrypted:
            offered.append("STARTTLS")
        if self._rules.credentials is not None:
            offered += self._rules.auth_lines
        lines = ["countersign.test", *offered]
        marks = ["-"] * (len(lines) - 1) + [" "]
        self._say("".join(f"250{mark}{line}\r\n" for mark, line in zip(marks, lines, strict=True)).encode())

    def _helo(self, argument: str) -> None:
        if not self._ruled("helo", argument):
            self._say(b"250 countersign.test\r\n")

    def _starttls(self, argument: str) -> None:
        if self._ruled("starttls", argument):
            return
        if self._rules.tls is None or self._encrypted or self._transport is None:
            self._say(b"502 5.5.1 Not offered\r\n")
            return
        # What was pipelined in clear text behind STARTTLS must not be taken as said under TLS (RFC 3207 section 4.2).
        self._buffer.clear()
        self._transport.write(b"220 2.0.0 Go ahead\r\n")
        self._upgrade = asyncio.get_running_loop().create_task(self._encrypt(self._transport, self._rules.tls))

    async def _encrypt(self, plain: asyncio.Transport, context: ssl.SSLContext) -> None:
        try:
            upgraded = await asyncio.get_running_loop().start_tls(plain, self, context, server_side=True)
        except OSError:
            # The client refused our certificate or went away.
            plain.abort()
            return
        self._transport, self._encrypted, self._upgrade = upgraded, True, None
        self._transaction = Transaction(session=self._session)
        self._work()

    def _auth(self, argument: str) -> None:
        if self._ruled("auth", argument):
            return
        mechanism, _, initial = argument.partition(" ")
        if self._rules.credentials is None:
            self._say(b"502 5.5.1 Not offered\r\n")
        elif mechanism.upper() == "LOGIN":
            self._login = []
            self._say(b"334 VXNlcm5hbWU6\r\n")
        elif mechanism.upper() in {"PLAIN", "XOAUTH2"} and initial:
            user, secret = self._rules.credentials
            expected = (
                f"\0{user}\0{secret}" if mechanism.upper() == "PLAIN" else f"user={user}\1auth=Bearer {secret}\1\1"
            )
            self._admit(_decoded(initial) == expected)
        else:
            self._say(b"504 5.5.4 Unknown mechanism\r\n")

    def _login_line(self, line: bytes) -> None:
        said = [*(self._login or []), _decoded(line.decode("ascii", "replace"))]
        if len(said) == 1:
            self._login = said
            self._say(b"334 UGFzc3dvcmQ6\r\n")
        else:
            self._login = None
            self._admit((said[0], said[1]) == self._rules.credentials)

    def _admit(self, right: bool) -> None:  # noqa: FBT001 - a private verdict
        self._say(b"235 2.7.0 Welcome\r\n" if right else b"535 5.7.8 Wrong credentials\r\n")

    def _mail(self, argument: str) -> None:
        if self._transaction.started:
            self._say(b"503 5.5.1 One sender at a time\r\n")
        elif not self._ruled("mail", argument):
            self._transaction = Transaction(_path(argument), started=True, session=self._session)
            self._say(b"250 2.1.0 Ok\r\n")

    def _rcpt(self, argument: str) -> None:
        if not self._transaction.started:
            self._say(b"503 5.5.1 MAIL first\r\n")
        elif not self._ruled("rcpt", _path(argument)):
            self._transaction.recipients.append(_path(argument))
            self._say(b"250 2.1.5 Ok\r\n")

    def _data(self, argument: str) -> None:
        if not self._transaction.recipients:
            self._say(b"554 5.5.1 No valid recipients\r\n")
        elif not self._ruled("data", argument):
            self._in_data = True
            self._say(b"354 End with a dot\r\n")

    def _rset(self, _: str) -> None:
        if self._ruled("rset", ""):
            return
        self._transaction = Transaction(session=self._session)
        self._say(b"250 2.0.0 Ok\r\n")

    def _quit(self, _: str) -> None:
        self._say(b"221 2.0.0 Bye\r\n")
        self._break(ConnectionFault.DROP)


def _path(argument: str) -> str:
    """The address between angle brackets in ``FROM:<…> …`` or ``TO:<…> …``."""
    return argument.partition("<")[2].rpartition(">")[0]


def _unstuffed(data: bytes) -> bytes:
    """RFC 5321 section 4.5.2."""
    if data.startswith(b"."):
        data = data[1:]
    return data.replace(b"\r\n.", b"\r\n") if b"\r\n." in data else data


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""
