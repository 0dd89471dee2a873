"""One-sentence status of mail delivery."""

from datetime import UTC, datetime, timedelta, tzinfo

from campaign import i18n
from campaign.operations import lanes
from campaign.operations.health import Code, Diagnosis, LaneHealth, Snapshot, judge
from campaign.states import Lane

LRI, PDI = "\u2066", "\u2069"
"""Around commands, host names and a server's words, which are left to right in any sentence (UAX 9)."""


def sentence(snapshot: Snapshot, locale: str = "en", *, zone: tzinfo | None = None) -> str:
    """Say the verdict on a snapshot.

    Args:
        snapshot: from :func:`campaign.operations.monitor.take`.
        locale: one of the languages.
        zone: the time zone of the reader; UTC if not given.
    """
    verdict = judge(snapshot)
    values = _of_all(snapshot, locale, zone or UTC)
    if verdict.lane is not None:
        values |= _of_lane(snapshot, verdict.lane, locale, zone or UTC)
    return (_words(snapshot, verdict, locale) % values).strip()


def _words(snapshot: Snapshot, verdict: Diagnosis, locale: str) -> str:
    # A dictionary of all of them, and not a branch for each, keeps the texts on one screen for those who translate.
    gettext = i18n.translations(locale).gettext
    words = {
        Code.NO_DATABASE: gettext("the database does not answer; nothing is lost, mail goes on when it is back"),
        Code.PAUSED: gettext("%(lane)s: paused by %(who)s since %(since)s. %(reason)s"),
        Code.NO_WORKER: (
            gettext("%(lane)s: no worker runs. Start one with: %(command)s")
            if verdict.lane is not None
            else gettext("no worker runs. Start one for each lane: %(commands)s")
        ),
        Code.NO_TICK: (
            gettext("no worker has looked for due work since %(tick)s: restart them")
            if snapshot.last_tick_at is not None
            else gettext("workers run, but none of them has looked for due work yet")
        ),
        Code.MAIL_SERVER: gettext("%(lane)s: next try at %(until)s. %(answer)s"),
        Code.CONFIRMATIONS_WAIT: gettext("confirmations wait: %(waiting)s in line, the oldest for %(waited)s"),
        Code.STUCK: gettext(
            "stuck: message %(message)s is %(late)s past its lease; worker %(worker)s held it "
            "(host %(host)s, process %(process)s)"
        ),
        Code.PROXY_NOT_SET: gettext(
            "requests come through a reverse proxy, but %(setting)s is 0: all visitors are taken for one network, and "
            "their confirmations wait for each other"
        ),
        Code.NETWORKS_WAIT: gettext(
            "flowing; %(networked)s confirmations wait because many people of one network sign, the last until "
            "%(networked_until)s"
        ),
        Code.WITHOUT_REDIS: _words_without_redis(snapshot, locale),
        Code.FLOWING: _flowing_words(snapshot, locale),
        Code.WAITING: gettext(
            "%(lane)s: %(waiting)s wait, the oldest for %(waited)s; none went out in the last minute"
        ),
        Code.HELD: gettext("idle: nothing waits but %(held)s mails of paused updates"),
        Code.IDLE: gettext("idle: nothing waits"),
    }
    return words[verdict.code]


def _words_without_redis(snapshot: Snapshot, locale: str) -> str:
    gettext = i18n.translations(locale).gettext
    if snapshot.broker.refuses:
        return gettext(
            "flowing without Redis, which refuses writes (%(redis)s): workers look each second, and answers free no "
            "place of a network; %(left)s left"
        )
    return gettext(
        "flowing without Redis: workers look each second, and answers free no place of a network; %(left)s left"
    )


def _flowing_words(snapshot: Snapshot, locale: str) -> str:
    gettext = i18n.translations(locale).gettext
    if not _left(snapshot):
        return gettext("flowing: %(rate)s, nothing left")
    if snapshot.finish_at() is None:
        return gettext("flowing: %(rate)s, %(left)s left")
    return gettext("flowing: %(rate)s, %(left)s left, done %(done)s")


def _left(snapshot: Snapshot) -> int:
    return sum(flow.left for flow in snapshot.lanes)


def _of_all(snapshot: Snapshot, locale: str, zone: tzinfo) -> dict[str, str]:
    now, stuck = snapshot.at, snapshot.stuck
    return {
        "commands": foreign("; ".join(_command(lane) for lane in Lane), locale),
        "tick": _clock(snapshot.last_tick_at, now, locale=locale, zone=zone),
        "redis": foreign(snapshot.broker.problem or "", locale),
        "message": "?" if stuck is None else str(stuck.message_id),
        "late": "" if stuck is None else i18n.format_duration(now - stuck.lease_until, locale),
        "worker": "?" if stuck is None or stuck.worker_id is None else str(stuck.worker_id),
        "host": foreign("?" if stuck is None or stuck.host is None else stuck.host, locale),
        "process": "?" if stuck is None or stuck.pid is None else str(stuck.pid),
        "setting": foreign("COUNTERSIGN_PROXIES", locale),
        "networked": i18n.format_number(snapshot.held_by_networks, locale),
        "networked_until": _clock(snapshot.held_until, now, locale=locale, zone=zone),
        "left": i18n.format_number(_left(snapshot), locale),
        "rate": rate_words(snapshot, locale),
        "done": _clock(snapshot.finish_at(), now, locale=locale, zone=zone),
    }


def _of_lane(snapshot: Snapshot, flow: LaneHealth, locale: str, zone: tzinfo) -> dict[str, str]:
    now = snapshot.at
    return {
        "lane": lane_name(flow.lane, locale),
        "who": person(flow.paused_by or "?", locale),
        "since": _clock(flow.paused_at, now, locale=locale, zone=zone),
        "reason": foreign(flow.paused_reason or "", locale),
        "command": foreign(_command(flow.lane), locale),
        "until": _clock(flow.not_before, now, locale=locale, zone=zone),
        "answer": foreign(flow.last_answer or "", locale),
        "waiting": i18n.format_number(flow.waiting, locale),
        "waited": i18n.format_duration(flow.waiting_time(now) or timedelta(), locale),
        "held": i18n.format_number(flow.held, locale),
    }


def rate_words(snapshot: Snapshot, locale: str) -> str:
    """The rate of all lanes together: 41/s, or 12/min if it is slow."""
    gettext = i18n.translations(locale).gettext
    rate = sum(flow.rate for flow in snapshot.lanes)
    if rate >= 1:
        return gettext("%(number)s/s") % {"number": i18n.format_number(round(rate), locale)}
    in_minute = sum(flow.accepted_1m for flow in snapshot.lanes)
    return gettext("%(number)s/min") % {"number": i18n.format_number(in_minute, locale)}


def lane_name(lane: Lane, locale: str) -> str:
    """A lane in words."""
    gettext = i18n.translations(locale).gettext
    return gettext("urgent mail") if lane is Lane.URGENT else gettext("bulk mail")


def person(who: str, locale: str) -> str:
    """Who paused a lane, in words: Countersign itself, the command line, or an account by its number."""
    gettext = i18n.translations(locale).gettext
    if who == lanes.SYSTEM:
        return gettext("Countersign itself")
    if who == lanes.CLI:
        return gettext("the command line")
    return gettext("account %(number)s") % {"number": who.removeprefix("account ")}


def _command(lane: Lane) -> str:
    return f"countersign worker --lane {lane}"


def _clock(when: datetime | None, now: datetime, *, locale: str, zone: tzinfo) -> str:
    if when is None:
        return ""
    local = when.astimezone(zone)
    if local.date() == now.astimezone(zone).date():
        return i18n.format_time(local, locale)
    return i18n.format_datetime(local, locale)


def foreign(text: str, locale: str) -> str:
    """Text that is left to right in any language, kept together within a sentence of a right-to-left one."""
    return f"{LRI}{text}{PDI}" if text and i18n.is_rtl(locale) else text
