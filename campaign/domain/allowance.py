"""How much mail strangers may cause: the allowance of one mailbox and of one network."""

from collections.abc import Sequence
from datetime import datetime, timedelta

PAUSE = timedelta(minutes=10)
PER_DAY = 3
PER_MONTH = 5
MONTH = timedelta(days=30)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)

NETWORK_PER_HOUR = 10
NETWORK_HORIZON = timedelta(hours=24)


def mailbox_slot(earlier: Sequence[datetime], now: datetime) -> datetime | None:
    """When the next mail caused by the sign form may go to a mailbox: now, later, or (None) not at all.

    One in 10 minutes, 3 a day and 5 in 30 days, over all petitions. A second person of the same household is
    therefore served ten minutes later instead of never; whoever floods a mailbox causes five mails in a month.

    Args:
        earlier: when mails went, or are due to go, to this mailbox; any order.
        now: the present moment.
    """
    recent = sorted(moment for moment in earlier if moment > now - MONTH)
    if len(recent) >= PER_MONTH:
        return None
    slot = max([now, *(moment + PAUSE for moment in recent)])
    if sum(1 for moment in recent if moment > slot - DAY) >= PER_DAY:
        return None
    return slot


def network_slot(earlier: Sequence[datetime], now: datetime) -> datetime | None:
    """When the confirmation of one more sign-up from a network may go: 10 at once, then 10 an hour, for a day.

    People behind one large network are served later, not refused; a flood is dripped and finally held (None).

    Args:
        earlier: the slots given to this network so far; any order.
        now: the present moment.
    """
    recent = sorted(moment for moment in earlier if moment > now - HOUR)
    if len(recent) < NETWORK_PER_HOUR:
        return now
    slot = max(now, recent[-NETWORK_PER_HOUR] + HOUR)
    return slot if slot <= now + NETWORK_HORIZON else None
