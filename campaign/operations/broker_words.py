"""Why Redis is of no use although it answers, in words."""

from campaign import i18n
from campaign.operations.health import BrokerStatus


def cause(broker: BrokerStatus, locale: str) -> str:
    """Why Redis refuses what it is there for, and what to do; empty if it does not refuse."""
    if not broker.refuses:
        return ""
    gettext = i18n.translations(locale).gettext
    words = {
        "READONLY": gettext("Redis is a replica and refuses writes. Let REDIS_URL lead to its primary."),
        "OOM": gettext("Redis has no memory left and refuses writes. Free some of it, or raise its maxmemory."),
        "MISCONF": gettext("Redis can’t save its data to disk and refuses writes. Look at its disk and its log."),
        "LOADING": gettext("Redis is loading its data after a start. Please wait."),
        "NOAUTH": gettext("Redis refuses our password. Check the user name and password in REDIS_URL."),
        "NOPERM": gettext("Redis gives our user too few rights. It needs all commands on the keys with our prefix."),
    }
    return words.get(broker.problem or "", gettext("Redis answers, but refuses our commands. Look at its log."))
