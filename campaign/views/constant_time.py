"""Answers that are the same for a known and an unknown address take the same time, too.

Whether an address has signed here, or has an account, must not show: status, body, headers and timing are the same. A
new signer is stored in one round trip to the database, for a known mailbox it takes several, and to an unknown one
nothing is mailed. So no such answer is given before the time that the longer way usually takes. In a rush answers wait
for their turn longer than that, and nothing is added.
"""

import re
import time
from collections.abc import Callable, Iterable
from typing import Final
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

SIGNING: Final = 0.012
"""Seconds that the answer to a sign-up takes at least: the longer way took 5 ms on average, and 10 ms at times."""

ASKING: Final = 0.04
"""The same where somebody asks for another mail, which hardly anybody does at the same time."""

_ASKING = frozenset({"/resend", "/sign-in"})
_SIGNING = re.compile(r"/p/[^/]+/sign")


def least(method: str, path: str) -> float:
    """Seconds that an answer takes at least; 0 if nothing can be learned from it."""
    if method != "POST":
        return 0
    if path in _ASKING:
        return ASKING
    return SIGNING if _SIGNING.fullmatch(path) else 0


class EvenTime:
    """Gives no answer sooner than :func:`least` says."""

    def __init__(
        self,
        application: WSGIApplication,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Stand before an application that has begun its answer when it returns, as Flask does."""
        self._application = application
        self._clock = clock
        self._sleep = sleep

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        if not (takes := least(environ["REQUEST_METHOD"], environ.get("PATH_INFO", ""))):
            return self._application(environ, start_response)
        ends_at = self._clock() + takes
        answer = self._application(environ, start_response)
        if (rest := ends_at - self._clock()) > 0:
            self._sleep(rest)
        return answer
