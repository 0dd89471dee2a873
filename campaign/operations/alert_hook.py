"""Alerts to a service of the admins' own, by a webhook: mail can't tell of everything that is wrong with mail.

What is told has an id and a state. It may come twice, when a worker dies in between; what the service does not take is
offered again for a day. It holds no address and no name of a signer.
"""

import http.client
import json
import logging
import ssl
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from campaign.errors import CountersignError, StoreUnavailableError
from campaign.operations import alerts
from campaign.operations.alerts import Alert
from campaign.runtime import Runtime
from campaign.settings import Settings

log = logging.getLogger(__name__)

TIMEOUT: Final = 5.0
"""Seconds for the service to answer."""

AT_ONCE: Final = 5
"""Alerts of one look, so that a slow service does not hold up other jobs."""

OFFERED_FOR: Final = timedelta(days=1)

PATIENCE: Final = 60.0
"""Seconds after which a database that can't be used is an alert: a restart is no news."""

AGAIN: Final = 3600.0
"""Seconds after which it is told once more."""

SAY_EVERY: Final = 60.0
"""Seconds between two lines of the log about it."""


class HookRefusedError(CountersignError):
    """Raised when the service did not take an alert; its text says why, without the URL, which may hold a secret."""


def watch(runtime: Runtime) -> int:
    """Look at lanes and updates, alert the admins by mail, and the service of COUNTERSIGN_ALERT_URL.

    Returns:
        How many mails were planned.
    """
    planned = alerts.watch(runtime)
    tell(runtime)
    return planned


def tell(runtime: Runtime) -> int:
    """Tell the service what it does not know yet; returns how many alerts it took."""
    if not runtime.settings.alert_url:
        return 0
    now, taken = runtime.clock(), 0
    for alert in runtime.store.transact(lambda tx: alerts.untold(tx, since=now - OFFERED_FOR, limit=AT_ONCE)):
        try:
            post(runtime.settings.alert_url, _words(alert, runtime.settings))
        except HookRefusedError as error:
            log.warning("COUNTERSIGN_ALERT_URL: %s", error)
            break
        runtime.store.transact(lambda tx, told=alert.id: alerts.told_by_hook(tx, told, now=now))  # type: ignore[misc]
        taken += 1
    return taken


def _words(alert: Alert, settings: Settings) -> dict[str, object]:
    said = " ".join(alerts.sentences(alert, "en", zone=UTC))
    return _payload(
        settings,
        key=f"alert-{alert.id}",
        is_over=alert.ended_at is not None,
        cause=alert.cause,
        lane=str(alert.lane),
        since=alert.began_at,
        said=said,
    )


def _payload(
    settings: Settings, *, key: str, is_over: bool, cause: str, lane: str | None, since: datetime, said: str
) -> dict[str, object]:
    """One alert; ``text`` is what chats show (Slack, Mattermost, Rocket.Chat)."""
    return {
        "id": key,
        "state": "over" if is_over else "began",
        "cause": cause,
        "lane": lane,
        "since": since.isoformat(timespec="seconds"),
        "site": settings.base_url,
        "text": f"{settings.site_name}: {said} {settings.base_url}/admin",
    }


def post(url: str, content: Mapping[str, object]) -> None:
    """Send JSON: certificates checked, no redirect followed, time bounded.

    Raises:
        HookRefusedError: it was not taken with a status of 2xx in time.
    """
    parts = urlsplit(url)
    if parts.scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(
            parts.hostname or "", parts.port or 443, timeout=TIMEOUT, context=context
        )
    else:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=TIMEOUT)  # type: ignore[assignment]
    target = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
    try:
        connection.request(
            "POST", target, body=json.dumps(content).encode(), headers={"Content-Type": "application/json"}
        )
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise HookRefusedError(f"the service does not answer: {type(error).__name__}") from None
    finally:
        connection.close()
    if status // 100 != 2:
        raise HookRefusedError(f"the service answered {status}")


class DatabaseAlarm:
    """Tells of a database that can't be used, which is in no table: once a minute to the log, and to the service.

    Each worker process has one; what they tell has the same id.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        send: Callable[[str, Mapping[str, object]], None] = post,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._send = send
        self._clock = clock
        self._since: float | None = None
        self._said_at = self._told_at = float("-inf")
        self._began_at = datetime.now(UTC)

    def note(self, error: StoreUnavailableError | None) -> None:
        """Note how a look at the database ended; None: it can be used."""
        now = self._clock()
        if error is None:
            if self._told_at > float("-inf"):
                self._tell("The database can be used again.", is_over=True)
            self._since, self._said_at, self._told_at = None, float("-inf"), float("-inf")
            return
        if self._since is None:
            self._since, self._began_at = now, datetime.now(UTC)
        if now - self._said_at >= SAY_EVERY:
            self._said_at = now
            log.warning("%s Looking again.", error)
        if now - self._since >= PATIENCE and now - self._told_at >= AGAIN:
            self._told_at = now
            self._tell(f"The database can’t be used. {error}", is_over=False)

    def _tell(self, said: str, *, is_over: bool) -> None:
        if not self._settings.alert_url:
            return
        content = _payload(
            self._settings,
            key="database",
            is_over=is_over,
            cause="database",
            lane=None,
            since=self._began_at,
            said=said,
        )
        try:
            self._send(self._settings.alert_url, content)
        except HookRefusedError as problem:
            log.warning("COUNTERSIGN_ALERT_URL: %s", problem)
