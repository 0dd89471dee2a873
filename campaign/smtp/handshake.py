"""The beginning of an SMTP session: banner, EHLO, TLS, AUTH. Whatever fails here blames no recipient."""

import base64
from collections.abc import Callable, Sequence
from typing import Final

from campaign.errors import SessionFailedError
from campaign.smtp.connection import Connection
from campaign.smtp.replies import Reply, judge
from campaign.smtp.settings import Mechanism, Security, is_loopback
from campaign.smtp.transport import Phase

_PREFERENCE: Final = (Mechanism.PLAIN, Mechanism.LOGIN)


class Handshake:
    """Leads a connection from the connect to the point where MAIL may be said.

    ``on_ready`` gets the server's capabilities: EHLO keywords with their parameters.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        on_ready: Callable[[dict[str, str]], None],
        on_failed: Callable[[SessionFailedError], None],
    ) -> None:
        self._connection = connection
        self._settings = connection.settings
        self._on_ready = on_ready
        self._on_failed = on_failed
        self._capabilities: dict[str, str] = {}

    def begin(self) -> None:
        """Connect."""
        self._connection.open(self._connected)

    def _connected(self) -> None:
        if self._settings.security is Security.IMPLICIT:
            self._connection.start_tls(self._await_banner)
        else:
            self._await_banner()

    def _await_banner(self) -> None:
        self._connection.expect(Phase.BANNER, self._banner)

    def _banner(self, reply: Reply) -> None:
        if reply.code == 220:
            self._say_ehlo()
        else:
            self._fail(Phase.BANNER, reply)

    def _say_ehlo(self) -> None:
        self._connection.expect(Phase.EHLO, self._ehlo)
        self._connection.write(f"EHLO {self._settings.ehlo_name}\r\n".encode("ascii"))

    def _ehlo(self, reply: Reply) -> None:
        if reply.code // 100 == 5 and judge(Phase.EHLO, reply.code, reply.enhanced, reply.text).limit is None:
            # RFC 5321 section 3.2: a server that does not know EHLO gets HELO, and offers nothing.
            self._connection.expect(Phase.EHLO, lambda plain: self._greeted(reply if plain.code != 250 else plain))
            self._connection.write(f"HELO {self._settings.ehlo_name}\r\n".encode("ascii"))
            return
        self._greeted(reply)

    def _greeted(self, reply: Reply) -> None:
        if reply.code != 250:
            self._fail(Phase.EHLO, reply)
            return
        self._capabilities = _capabilities(reply.lines[1:])
        if self._settings.security is Security.STARTTLS and not self._connection.encrypted:
            self._ask_for_tls()
        elif self._settings.username is not None:
            self._log_in()
        else:
            self._on_ready(self._capabilities)

    def _ask_for_tls(self) -> None:
        if "STARTTLS" not in self._capabilities:
            self._refuse(Phase.STARTTLS, "it does not offer STARTTLS, and mail is not sent in clear text")
            return
        self._connection.expect(Phase.STARTTLS, self._starttls)
        self._connection.write(b"STARTTLS\r\n")

    def _starttls(self, reply: Reply) -> None:
        if reply.code == 220:
            self._connection.start_tls(self._say_ehlo)
        else:
            self._fail(Phase.STARTTLS, reply)

    def _log_in(self) -> None:
        if not self._connection.encrypted and not is_loopback(self._settings.host):
            self._refuse(Phase.AUTH, "a password is not sent in clear text")
            return
        offered = self._capabilities.get("AUTH", "").upper().split()
        wanted = self._settings.mechanism
        choices = _PREFERENCE if wanted is Mechanism.AUTO else (wanted,)
        chosen = next((mechanism for mechanism in choices if mechanism.upper() in offered), None)
        if chosen is None:
            self._refuse(Phase.AUTH, f"it offers none of {', '.join(choices)}")
            return
        user, secret = self._settings.username or "", self._settings.password or ""
        if chosen is Mechanism.LOGIN:
            self._command("AUTH LOGIN", self._then(user, self._then(secret, self._admitted)))
        elif chosen is Mechanism.PLAIN:
            token = f"\0{user}\0{secret}"
            self._command(f"AUTH PLAIN {_encoded(token)}", self._admitted)
        else:
            token = f"user={user}\1auth=Bearer {secret}\1\1"
            self._command(f"AUTH XOAUTH2 {_encoded(token)}", self._admitted)

    def _command(self, line: str, handler: Callable[[Reply], None]) -> None:
        self._connection.expect(Phase.AUTH, handler)
        self._connection.write(f"{line}\r\n".encode("ascii"))

    def _then(self, secret: str, handler: Callable[[Reply], None]) -> Callable[[Reply], None]:
        def answer(reply: Reply) -> None:
            if reply.code == 334:
                self._command(_encoded(secret), handler)
            else:
                self._fail(Phase.AUTH, reply)

        return answer

    def _admitted(self, reply: Reply) -> None:
        if reply.code == 235:
            self._on_ready(self._capabilities)
        elif reply.code == 334:
            # XOAUTH2 puts the reason of a refusal into a challenge; an empty answer brings the real reply.
            self._command("", self._refused_token)
        else:
            self._fail(Phase.AUTH, reply)

    def _refused_token(self, reply: Reply) -> None:
        self._fail(Phase.AUTH, reply)

    def _fail(self, phase: Phase, reply: Reply) -> None:
        permanent = judge(phase, reply.code, reply.enhanced, reply.text).pauses_lane
        self._connection.close(farewell=b"" if reply.code == 421 else b"QUIT\r\n")
        self._on_failed(
            SessionFailedError(
                f"{reply.code} {reply.text}", phase=phase, permanent=permanent, code=reply.code, enhanced=reply.enhanced
            )
        )

    def _refuse(self, phase: Phase, reason: str) -> None:
        self._connection.close(farewell=b"QUIT\r\n")
        self._on_failed(SessionFailedError(reason, phase=phase, permanent=True))


def _capabilities(lines: Sequence[str]) -> dict[str, str]:
    """EHLO keywords with their parameters. Old servers say ``AUTH=PLAIN``, some AUTH twice: all of it counts."""
    found: dict[str, str] = {}
    for line in lines:
        keyword, _, parameters = line.strip().partition(" ")
        name, equals, more = keyword.partition("=")
        if equals and name.upper() == "AUTH":
            keyword, parameters = name, f"{more} {parameters}"
        known = found.get(keyword.upper())
        found[keyword.upper()] = parameters.strip() if known is None else f"{known} {parameters}".strip()
    return found


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")
