"""Phrases that the monitor's sentences, alerts and pages share: lanes, people, moments, what ails a mail server."""

from collections.abc import Mapping
from datetime import datetime, tzinfo

from campaign import i18n
from campaign.operations import lanes
from campaign.operations.standing import LaneStanding
from campaign.states import Lane

LRI, PDI = "\u2066", "\u2069"
"""Around commands, host names and a server's words, which are left to right in any sentence (UAX 9)."""

NO_WORDS = "connect"
"""The SMTP phase in which the server has said nothing yet."""


def server_trouble(standing: LaneStanding, locale: str, *, since: str) -> str:
    """What is wrong with the mail server, and since when."""
    gettext = i18n.translations(locale).gettext
    if standing.phase == NO_WORDS and "ECONNREFUSED" in standing.words:
        words = gettext("The mail server %(relay)s has refused connections since %(since)s.")
    elif standing.phase == NO_WORDS:
        words = gettext("The mail server %(relay)s has been out of reach since %(since)s.")
    elif standing.phase == "auth":
        words = gettext("The mail server %(relay)s has refused our user name or password since %(since)s.")
    elif standing.phase == "starttls":
        words = gettext("The mail server %(relay)s has offered no secure connection since %(since)s.")
    else:
        words = gettext("The mail server %(relay)s has not worked since %(since)s.")
    said: str = words % {"relay": foreign(standing.relay, locale), "since": since}
    return " ".join(said.split())


def lane_name(lane: Lane, locale: str) -> str:
    """A lane in words, as the beginning of a sentence."""
    gettext = i18n.translations(locale).gettext
    return gettext("Urgent mail") if lane is Lane.URGENT else gettext("Bulk mail")


def person(who: str, locale: str, names: Mapping[int, str] | None = None) -> str:
    """Who paused a lane, in words: Countersign itself, the command line, or an account by its name or number."""
    gettext = i18n.translations(locale).gettext
    if who == lanes.SYSTEM:
        return gettext("Countersign itself")
    if who == lanes.CLI:
        return gettext("the command line")
    number = who.removeprefix("account ")
    name = (names or {}).get(int(number)) if number.isdecimal() else None
    return name or gettext("account %(number)s") % {"number": number}


def clock(when: datetime | None, now: datetime, *, locale: str, zone: tzinfo) -> str:
    """The time of day if it is today for the reader, else date and time."""
    if when is None:
        return "?"
    local = when.astimezone(zone)
    if local.date() == now.astimezone(zone).date():
        return i18n.format_time(local, locale)
    return i18n.format_datetime(local, locale)


def foreign(text: str, locale: str) -> str:
    """Text that is left to right in any language, kept together within a sentence of a right-to-left one."""
    return f"{LRI}{text}{PDI}" if text and i18n.is_rtl(locale) else text
