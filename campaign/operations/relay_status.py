"""The mail servers of SMTP_URL: what each offers, what it limits and how that was learned, and which settings win."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from campaign.database.connection import Transaction
from campaign.outbox import relay_limits, relays
from campaign.outbox.relay_limits import StoredLimit
from campaign.outbox.relays import RelayLimit, RelayOffer
from campaign.settings import Settings
from campaign.smtp.limits import UNLIMITED, Learned
from campaign.smtp.settings import SmtpSettings
from campaign.states import LimitKind

OPTIONS: Final = {LimitKind.SESSION: "messages", LimitKind.RATE: "rate"}
"""The option of SMTP_URL that wins over what was learned; connections are set for each process, and learned for all."""


def look(tx: Transaction, settings: Settings, *, now: datetime) -> tuple[RelayOffer, ...]:
    """The servers in the order of SMTP_URL."""
    names = relays.relay_names(settings.smtp_url)
    found: dict[str, list[RelayLimit]] = {}
    fixed = _fixed(settings)
    for stored in relay_limits.limits(tx, names):
        limit = _limit(stored, fixed.get(stored.relay, frozenset()), now=now)
        if limit is not None:
            found.setdefault(stored.relay, []).append(limit)
    return tuple(replace(offer, limits=tuple(found.get(offer.name, ()))) for offer in relays.offers(tx, names))


def _fixed(settings: Settings) -> dict[str, frozenset[str]]:
    """Options that SMTP_URL names, by server."""
    found: dict[str, frozenset[str]] = {}
    for url in settings.smtp_url.split():
        made = SmtpSettings.from_url(url, ehlo_name="localhost")
        name = f"{made.host}:{made.port}"
        found[name] = found.get(name, frozenset()) | made.fixed
    return found


def _limit(stored: StoredLimit, fixed: frozenset[str], *, now: datetime) -> RelayLimit | None:
    value = Learned(stored.value, stored.words, stored.age, stored.pause).now(stored.kind)
    if value is None:
        return None
    option = OPTIONS.get(stored.kind)
    waits = stored.pause - stored.age
    is_quota = stored.value >= UNLIMITED
    if (is_quota and waits <= 0) or (not is_quota and value >= UNLIMITED):
        # A quota that is free again, or a rate that has grown beyond all limits, as far as is known.
        return None
    return RelayLimit(
        kind=stored.kind,
        value=None if is_quota else round(value, 1),
        words=stored.words,
        since=stored.since,
        last_at=stored.at,
        waits_until=now + timedelta(seconds=waits) if waits > 0 else None,
        setting=option if option in fixed else None,
    )
