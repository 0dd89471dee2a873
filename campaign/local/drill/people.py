"""The people of a drill: they sign, read their mail, confirm, and change their minds, all through the web server.

Their names and addresses are markers for the leak scan: they occur only here, so wherever one
turns up, it came from here.
"""

import email.policy
import http.client
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode, urlsplit

from campaign.local.drill.evidence import Changed
from campaign.local.drill.plan import Change, SignUp
from campaign.local.drill.schedule import Schedule

DOMAIN: Final = "aviary.test"
FAMILY: Final = "Zitronengirlitz"
"""No other word of the product or of its libraries is like this one."""

PATIENCE: Final = 60.0
"""Seconds for which people press again when the site answers that it is busy."""

PAUSE: Final = 0.5
WAIT: Final = 20.0
"""Seconds to wait for one answer."""

ACCEPTED: Final = 303
"""Status of the answer to a sign-up that was written down."""

_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
_STAMP = re.compile(r'name="stamp"[^>]*value="([^"]+)"')
_ASSENT: Final = re.compile(r'name="assent" value="([^"]+)"')
_LINK = re.compile(r"https?://[^\s<>\"]+")


@dataclass(frozen=True)
class Answer:
    """What the site answered; status 0: nothing."""

    status: int
    text: str

    @property
    def is_done(self) -> bool:
        """True for a page, or for being led to one."""
        return 200 <= self.status < 400

    @property
    def is_busy(self) -> bool:
        """True if pressing again may help."""
        return self.status == 0 or self.status >= 500


class Browser:
    """Asks the site, from a network of one's own."""

    def __init__(self, port: int) -> None:
        self._port = port

    def ask(
        self, method: str, path: str, form: Mapping[str, str] | None = None, *, network: str | None = None
    ) -> Answer:
        """One request; redirects are not followed."""
        headers = {"Host": f"localhost:{self._port}"} | ({"X-Forwarded-For": network} if network else {})
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=WAIT)
        try:
            body = None if form is None else urlencode(form).encode()
            connection.request(method, path, body, headers | (_FORM if form is not None else {}))
            answer = connection.getresponse()
            return Answer(answer.status, answer.read().decode("utf-8", "replace"))
        except (OSError, http.client.HTTPException):
            return Answer(0, "")
        finally:
            connection.close()


@dataclass
class Signer:
    """A signer, and the outcome."""

    plan: SignUp
    signed_at: float | None = None
    """When the site said that it took the form, by leading to the page that follows; None: it never did."""
    confirmed: bool = False
    thanked: bool = False

    @property
    def address(self) -> str:
        """Where their mail comes."""
        return f"{FAMILY.lower()}.{self.plan.number}@{DOMAIN}"

    @property
    def name(self) -> str:
        """Their name."""
        return f"Serinus {FAMILY}"

    @property
    def network(self) -> str:
        """Each from a network of their own: the allowance of networks is not what is drilled."""
        return f"10.{self.plan.number >> 8 & 255}.{self.plan.number & 255}.7"


class FakePeople:
    """All people of a drill. Safe for its threads."""

    def __init__(self, browser: Browser, agenda: Schedule, *, slug: str, sign_ups: tuple[SignUp, ...]) -> None:
        """Gather them.

        Args:
            browser: asks the site.
            agenda: carries out what they do.
            slug: the petition that newcomers sign.
            sign_ups: what the newcomers will do.
        """
        self._browser = browser
        self._agenda = agenda
        self._slug = slug
        self._lock = threading.Lock()
        self._signers = {signer.address: signer for signer in map(Signer, sign_ups)}
        self._changed: list[Changed] = []
        self._later: list[tuple[str, Changed]] = []
        self._stamp = ""

    @property
    def signers(self) -> list[Signer]:
        """All newcomers."""
        return list(self._signers.values())

    def changes(self, find: Callable[[str], int | None]) -> list[Changed]:
        """Every change of mind; ``find`` gives the signature of a newcomer's address."""
        with self._lock:
            found, later = list(self._changed), list(self._later)
        return found + [
            Changed(signature_id, changed.change, changed.at)
            for address, changed in later
            if (signature_id := find(address)) is not None
        ]

    def begin(self, start: float) -> None:
        """Put every sign-up on the agenda; ``start`` is a moment of the monotonic clock."""
        for signer in self.signers:
            self._agenda.at(start + signer.plan.at, lambda signer=signer: self._sign(signer))  # type: ignore[misc]

    def change_mind(self, signature_id: int, change: Change, path: str) -> None:
        """Let a recipient of the blast change their mind, by a link of theirs."""
        self._press(path, _CHANGES[change], lambda at: self._note(Changed(signature_id, change, at)))

    # --- Newcomers ---

    def _sign(self, signer: Signer) -> None:
        page = f"/p/{self._slug}"
        if not self._stamp:
            found = _STAMP.search(self._browser.ask("GET", f"{page}?lang=en").text)
            self._stamp = found[1] if found else ""
        form = {
            "name": signer.name,
            "email": signer.address,
            "country": "DE",
            "reason": "",
            "wants_updates": "1",
            "stamp": self._stamp,
        }
        answer = self._browser.ask("POST", f"{page}/sign?lang=en", form, network=signer.network)
        if answer.status == ACCEPTED:
            signer.signed_at = time.monotonic()

    def receive(self, recipient: str, data: bytes) -> None:
        """Mail has come; called by the mail server's thread, so nothing is read here."""
        signer = self._signers.get(recipient)
        if signer is not None and not signer.thanked:
            self._agenda.at(time.monotonic(), lambda: self._read(signer, data))

    def _read(self, signer: Signer, data: bytes) -> None:
        links = _links(data)
        confirm, own = _of_page(links, "c"), _of_page(links, "me")
        plan = signer.plan
        if confirm and plan.confirms_after is not None and not signer.confirmed:
            self._agenda.at(time.monotonic() + plan.confirms_after, lambda: self._confirm(signer, confirm))
        elif own and not signer.thanked:
            signer.thanked = True
            if plan.changes is not None:
                unsubscribe = _of_page(links, "u") if plan.changes is Change.UNSUBSCRIBE else own
                self._change(signer, plan.changes, unsubscribe or own)

    def _confirm(self, signer: Signer, path: str) -> None:
        def done(at: float | None) -> None:
            signer.confirmed = at is not None

        self._press(path, {}, done)

    def _change(self, signer: Signer, change: Change, path: str) -> None:
        form = _CHANGES[change] if not path.startswith("/me/") or change is not Change.UNSUBSCRIBE else _NO_UPDATES
        # Which signature it is gets looked up at the end: people know their address, not our numbers.
        self._press(path, form, lambda at: self._note_later(signer.address, Changed(0, change, at)))

    # --- Pressing ---

    def _press(self, path: str, form: Mapping[str, str], done: Callable[[float | None], None]) -> None:
        """Press a button, again while the site is busy; ``done`` gets the moment of success, or None."""
        begun = time.monotonic()

        def attempt() -> None:
            answer = self._submit(path, form)
            now = time.monotonic()
            if answer.is_busy and now - begun < PATIENCE:
                self._agenda.at(now + PAUSE, attempt)
            else:
                done(now if answer.is_done else None)

        attempt()

    def _submit(self, path: str, form: Mapping[str, str]) -> Answer:
        """Send a form; before what can't be undone, the page that asks first is opened, as its button needs it."""
        if form.get("action") not in {"withdraw", "erase"}:
            return self._browser.ask("POST", path, form)
        asked = self._browser.ask("GET", f"{path}/{form['action']}")
        found = _ASSENT.search(asked.text)
        return asked if found is None else self._browser.ask("POST", path, {**form, "assent": found[1]})

    def _note(self, changed: Changed) -> None:
        with self._lock:
            self._changed.append(changed)

    def _note_later(self, address: str, changed: Changed) -> None:
        with self._lock:
            self._later.append((address, changed))


_CHANGES: Final[Mapping[Change, Mapping[str, str]]] = {
    Change.UNSUBSCRIBE: {"List-Unsubscribe": "One-Click"},
    Change.WITHDRAW: {"action": "withdraw"},
    Change.ERASE: {"action": "erase"},
}
_NO_UPDATES: Final = {"action": "no_updates"}


def _links(data: bytes) -> list[str]:
    message = email.message_from_bytes(data, policy=email.policy.default)
    text = message.get_body(("plain",))
    written = text.get_content() if text is not None else ""
    return _LINK.findall(f"{written} {message['List-Unsubscribe'] or ''}")


def _of_page(links: list[str], page: str) -> str | None:
    """The path of the shortest link to a page such as ``/c/…``; others continue it."""
    paths = [urlsplit(link).path for link in links]
    return min((path for path in paths if path.startswith(f"/{page}/")), key=len, default=None)
