"""Webhooks of mail providers: proof first, then stored, then 2xx. What it leads to is a task's.

No cookie, no form token: the proof in the request is the authority. Nothing of an unproven request reaches the
database.
"""

import logging
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Final
from wsgiref.types import WSGIEnvironment

from flask import Blueprint, Flask, Response, current_app, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from campaign.errors import StoreUnavailableError
from campaign.feedback import hooks
from campaign.feedback.providers.certificates import Certificates, HookAwayError
from campaign.feedback.providers.hook import Call, Hook
from campaign.feedback.providers.tokens import Tokens
from campaign.settings import Settings
from campaign.views.access import Access, allow
from campaign.views.current import runtime

pages = Blueprint("hooks", __name__)

log = logging.getLogger(__name__)

PLACE: Final = "hooks"
"""Key in Flask's ``extensions``."""

PATH: Final = "/hooks/"

RETRY_AFTER: Final = "30"
"""Seconds after which a provider should tell it again."""

A_WORD: Final = 60.0
"""Seconds between two lines of the log about calls of one provider that prove nothing."""


class Doors:
    """What the hooks of one process share: certificates, used tokens, and when a refusal was last logged."""

    def __init__(
        self, certificates: Certificates | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin with nothing known; tests hand in certificates of their own."""
        self.certificates = certificates or Certificates()
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens: dict[str, Tokens] = {}
        self._logged: dict[str, float] = {}

    def tokens(self, settings: Settings) -> Tokens:
        """The used tokens, in the Redis of these settings."""
        with self._lock:
            if settings.redis_url not in self._tokens:
                self._tokens[settings.redis_url] = Tokens(settings)
            return self._tokens[settings.redis_url]

    def refused(self, provider: str) -> None:
        """Note in the log, now and then, that a call proved nothing: a wrong key looks the same as a stranger."""
        now = self._clock()
        with self._lock:
            is_due = now >= self._logged.get(provider, float("-inf")) + A_WORD
            if is_due:
                self._logged[provider] = now
        if is_due:
            log.warning("a call to /hooks/%s was refused: its proof is missing or wrong", provider)


def install(app: Flask) -> None:
    """Give an application what its hooks share."""
    app.extensions[PLACE] = Doors()


def room(settings: Settings, environ: WSGIEnvironment) -> int:
    """Octets of a body that anybody may send to the hook of this address; 0 if it is none. Reads the settings only."""
    path = str(environ["PATH_INFO"])
    if environ["REQUEST_METHOD"] != "POST" or not path.startswith(PATH):
        return 0
    hook = hooks.hook_of(settings, path.removeprefix(PATH).partition("/")[0])
    return 0 if hook is None else hook.max_body


@pages.post("/hooks/<provider>")
@pages.post("/hooks/<provider>/<secret>")
@allow(Access.HOOK, from_elsewhere=True)
def take(provider: str, secret: str = "") -> Response:
    """Take what a provider tells: 200 once it is stored, and also if it changes nothing."""
    hook = hooks.hook_of(runtime().settings, provider)
    if hook is None:
        return _answer(HTTPStatus.NOT_FOUND, "There is no such hook.")
    request.max_content_length = hook.max_body
    try:
        body = request.get_data(cache=False, parse_form_data=False)
    except RequestEntityTooLarge:
        return _answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"At most {hook.max_body} bytes.")
    except HTTPException:
        return _answer(HTTPStatus.BAD_REQUEST, "The request did not arrive whole.")
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        return _proven(hook, Call(headers=headers, body=body, secret=secret))
    except (HookAwayError, StoreUnavailableError) as error:
        log.warning("what %s told was not taken, and will be told again: %s", provider, type(error).__name__)
        answer = _answer(HTTPStatus.SERVICE_UNAVAILABLE, "Please tell it again later.")
        answer.headers["Retry-After"] = RETRY_AFTER
        return answer


def _proven(hook: Hook, call: Call) -> Response:
    doors: Doors = current_app.extensions[PLACE]
    found = runtime()
    certificates = doors.certificates
    if not hooks.is_proven(found, hook, call, certificates=certificates, tokens=doors.tokens(found.settings)):
        doors.refused(hook.provider)
        answer = _answer(HTTPStatus.UNAUTHORIZED, "The proof is missing or wrong.")
        answer.headers["WWW-Authenticate"] = hook.challenge
        return answer
    new = hooks.receive(found, hook, call, certificates=certificates)
    # 200, not 204: some providers take any other status for a failure and tell it again.
    return _answer(HTTPStatus.OK, f"New events: {new}")


def _answer(status: HTTPStatus, sentence: str) -> Response:
    return current_app.response_class(f"{sentence}\n", status, mimetype="text/plain")
