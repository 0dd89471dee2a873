"""A reverse proxy that is not set: all visitors would be one network, and their emails would wait for each other."""

import ipaddress
import logging
import time
from contextlib import suppress

from flask import Flask, request

from campaign.errors import StoreUnavailableError
from campaign.networks.shared import NetworksAwayError
from campaign.settings import Settings
from campaign.views.current import runtime

log = logging.getLogger(__name__)

AGAIN = 600.0
"""Seconds after which the monitor is told again."""


class ProxyWatch:
    """Looks at requests for signs of a proxy in front, until it was told how many there are."""

    def __init__(self) -> None:
        self._told_at: float | None = None

    def look(self) -> None:
        """Tell the log once, and the monitor again and again, if a neighbour forwards requests of others."""
        if "X-Forwarded-For" not in request.headers or not _is_near(request.remote_addr):
            return
        now = time.monotonic()
        if self._told_at is None:
            log.error(
                "requests come through a reverse proxy, but COUNTERSIGN_PROXIES is 0: all visitors are taken for one "
                "network, and their confirmations wait for each other. Set COUNTERSIGN_PROXIES to the number of proxies"
            )
        if self._told_at is None or now - self._told_at > AGAIN:
            self._told_at = now
            with suppress(StoreUnavailableError, NetworksAwayError):
                runtime().networks.note_proxy()


def _is_near(address: str | None) -> bool:
    try:
        return ipaddress.ip_address(address or "").is_private
    except ValueError:
        # A Unix socket has no address: only a program of this machine can use it.
        return True


def install(app: Flask, settings: Settings) -> None:
    """Watch, unless the number of proxies is set."""
    if not settings.proxies:
        app.before_request(ProxyWatch().look)
