"""Words of the monitor for what the database calls by codes, and moments in the reader's own time zone."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from flask import Flask
from markupsafe import Markup

from campaign import i18n
from campaign.operations import phrases
from campaign.operations.health import Level
from campaign.operations.job_names import NAMES
from campaign.operations.standing import Standing
from campaign.states import EventKind, Lane
from campaign.views import visitor
from campaign.views.current import runtime
from campaign.views.language import gettext, language, lazy
from campaign.views.mail_kinds import KINDS

LEVELS: Mapping[Level, tuple[str, str]] = {
    Level.GOOD: ("tick", lazy("All is well")),
    Level.WARNING: ("info", lazy("Attention")),
    Level.BAD: ("warn", lazy("Action needed")),
}
"""Sign and word for how the sentence is meant."""

BADGES: Mapping[Standing, tuple[str, str, str]] = {
    Standing.NO_WORKER: ("bad", "warn", lazy("No worker")),
    Standing.FOLDER: ("bad", "warn", lazy("Data folder")),
    Standing.PAUSED: ("bad", "warn", lazy("Paused")),
    Standing.MAIL_SERVER: ("bad", "warn", lazy("Waiting for the mail server")),
    Standing.THROTTLED: ("warn", "info", lazy("Limited by the mail server")),
    Standing.SENDING: ("good", "tick", lazy("Sending")),
    Standing.WAITING: ("warn", "info", lazy("Waiting")),
    Standing.IDLE: ("calm", "tick", lazy("Idle")),
}
"""Colour, sign and word of the standing of a lane."""

WORDS: Mapping[str, Mapping[str, str]] = {
    "lane": {Lane.URGENT: lazy("Urgent mail"), Lane.BULK: lazy("Bulk mail")},
    "kind": KINDS,
    "state": {
        "planned": lazy("Planned"),
        "claimed": lazy("Claimed by a worker"),
        "submitting": lazy("Being submitted"),
        "accepted": lazy("Accepted"),
        "rejected": lazy("Rejected"),
        "uncertain": lazy("Uncertain"),
        "suppressed": lazy("Suppressed"),
        "cancelled": lazy("Cancelled"),
        "deferred": lazy("Deferred"),
    },
    "stage": {
        "scheduled": lazy("Scheduled"),
        "held": lazy("Held"),
        "freezing": lazy("Being prepared"),
        "sending": lazy("Being sent"),
        "paused": lazy("Paused"),
        "waiting": lazy("Waits for approval"),
        "draft": lazy("Draft"),
        "cancelled": lazy("Cancelled"),
        "finished": lazy("Finished"),
    },
    "phase": {
        "connect": lazy("connecting"),
        "banner": lazy("greeting"),
        "ehlo": lazy("EHLO"),
        "starttls": lazy("encryption"),
        "auth": lazy("signing in"),
        "mail": lazy("sender"),
        "rcpt": lazy("recipient"),
        "data": lazy("DATA"),
        "dot": lazy("after data"),
        "render": lazy("composing"),
    },
    "blast": {"update": lazy("Update"), "milestone": lazy("Milestone")},
    "petition": {"draft": lazy("Draft"), "live": lazy("Live"), "closed": lazy("Closed")},
    "role": {"organiser": lazy("Organiser"), "admin": lazy("Admin")},
    "suppression": {
        "bounce": lazy("Address doesn’t exist"),
        "complaint": lazy("Complaint"),
        "unsubscribe": lazy("Unsubscribed"),
        "admin": lazy("Added by an admin"),
        "erased": lazy("Erased"),
    },
    "event": {
        EventKind.QUEUED: lazy("Queued by the provider"),
        EventKind.SENT: lazy("Passed on"),
        EventKind.DEFERRED: lazy("Delayed"),
        EventKind.DELIVERED: lazy("Delivered"),
        EventKind.BOUNCED: lazy("Bounced"),
        EventKind.REJECTED: lazy("Not tried by the provider"),
        EventKind.FAILED: lazy("Failed at the provider"),
        EventKind.COMPLAINED: lazy("Marked as spam"),
        EventKind.UNSUBSCRIBED: lazy("Unsubscribed"),
        EventKind.AUTORESPONDED: lazy("Automatic reply"),
        EventKind.REPLIED: lazy("Replied"),
        EventKind.UNKNOWN: lazy("Could not be read"),
    },
    "cause": {
        "gone": lazy("No such mailbox"),
        "full": lazy("Mailbox full or out of reach"),
        "unknown": lazy("Refused without a clear reason"),
        "ours": lazy("Refused because of us, not the reader"),
        "other": lazy("Another reason"),
    },
    "problem": {
        "too_large": lazy("Too large"),
        "headers": lazy("Headers too long"),
        "parts": lazy("Too many parts"),
        "unreadable": lazy("No known format"),
        "unsigned": lazy("Report without a return address of ours"),
        "reply": lazy("Reply from a person"),
    },
    "door": {"returned": lazy("Return mailbox")},
    "job": NAMES,
    "reason": {
        "worker_lost": lazy("A worker was lost when the mail server may already have had it."),
        "worker_died": lazy("A worker died; its journal could not tell."),
        "no_outcome": lazy("The connection broke off without an answer."),
        "lease_expired": lazy("A worker died before it was sent."),
        "poison": lazy("Three workers stopped while sending it, so it is not tried again."),
        "sent_again": lazy("An admin queued it for another try."),
        "accepted_by_person": lazy("An admin marked it as delivered."),
        "cancelled_by_person": lazy("An admin cancelled it."),
        "blast_cancelled": lazy("The update was cancelled."),
        "consent_ended": lazy("The recipient withdrew, unsubscribed or was erased."),
        "erased": lazy("The address was erased."),
        "expired": lazy("The signature had expired."),
        "withdrawn": lazy("The signature was withdrawn."),
        "removed": lazy("The signature was removed."),
        "pending": lazy("The signature was not confirmed yet."),
        "confirmed_already": lazy("The signature was confirmed already."),
        "unsubscribed": lazy("The recipient wants no updates any more."),
        "declined": lazy("The owner of the mailbox did not sign."),
        "by_signer": lazy("The signer erased it."),
        "mailbox_allowance": lazy("The mailbox had got enough mail for now."),
        "network_allowance": lazy("Too many sign-ups came from one network."),
        "not_confirmed": lazy("The signature was not confirmed in time."),
        "retention": lazy("The time of retention is over."),
        "too_late": lazy("Its time passed too long ago; schedule it anew."),
        "other_epoch": lazy("It came from a restored backup; schedule it anew."),
        "organiser": lazy("An organiser or admin paused it."),
        "rejections": lazy("Paused automatically: too many mail servers refuse it."),
        "complaints": lazy("Paused automatically: too many readers marked it as spam."),
        "content": lazy("Paused automatically: the mail server refuses its text."),
        "text": lazy("Paused automatically: its text can’t be made into an email."),
        "suppressed: bounce": lazy("The address is suppressed: it doesn’t exist."),
        "suppressed: complaint": lazy("The address is suppressed: its owner complained."),
        "suppressed: unsubscribe": lazy("The address is suppressed: unsubscribed."),
        "suppressed: admin": lazy("The address is suppressed by an admin."),
    },
}
"""Words by kind of code. A code without words is shown as it is."""


_ENHANCED = re.compile(r"\A[245]\.\d{1,3}\.\d{1,3}[ -]+(?=\S)")


def word(kind: str, code: object) -> str:
    """A code in words."""
    known = WORDS[kind].get(str(code))
    return str(code) if known is None else gettext(known)


def server_words(code: int | None, status: str | None, text: str) -> Markup:
    """What a mail server said, with its codes once, left to right; a dash if it said nothing."""
    codes = [str(one) for one in (code, status) if one and str(one) not in text]
    said = " ".join([*codes, text]).strip()
    return Markup('<bdi class="ltr server-words" lang="en">{}</bdi>').format(said) if said else Markup("–")


def explained(sentence: str) -> Markup:
    """Why a database, Redis or a job does not do its work: translated if it can be, else in English."""
    said = gettext(sentence)
    shown = Markup('<bdi class="ltr" lang="en">{}</bdi>') if said == sentence else Markup("{}")
    return shown.format(said)


def reason(code: str | None) -> Markup:
    """A reason in words; the mail server's own words are shown as they are, left to right.

    But for the code of RFC 3463 that they begin with: it is shown beside them.
    """
    if not code:
        return Markup("")
    if code in WORDS["reason"]:
        return Markup("{}").format(gettext(WORDS["reason"][code]))
    return Markup('<bdi class="ltr server-words" lang="en">{}</bdi>').format(_ENHANCED.sub("", code))


def person(who: str, names: Mapping[int, str]) -> str:
    """Who paused a lane, by name."""
    return phrases.person(who, language(), names)


def zone() -> ZoneInfo:
    """The time zone of the reader."""
    return ZoneInfo(visitor.account().time_zone)


def local(when: datetime) -> Markup:
    """Date and time in the reader's time zone."""
    return _timed(when, _exact(when), title="")


def clock(when: datetime) -> Markup:
    """The time of day if it is today for the reader, else date and time; the exact one in the title."""
    here, today = when.astimezone(zone()), runtime().clock().astimezone(zone())
    if here.date() == today.date():
        return _timed(when, i18n.format_time(here, language()), title=_exact(when))
    return local(when)


def passed(when: datetime) -> Markup:
    """How long ago, in words; the exact moment in the title."""
    gone = runtime().clock() - when
    if gone < timedelta(minutes=1):
        seconds = max(int(gone.total_seconds()), 0)
        words = gettext("%(number)s s ago", number=i18n.format_number(seconds, language()))
    else:
        words = i18n.format_ago(gone, language())
    return _timed(when, words, title=_exact(when))


def duration(gone: timedelta) -> str:
    """How long something takes, in one unit."""
    return i18n.format_duration(gone, language())


def rate(per_second: float) -> str:
    """A rate: 41/s, or 12/min if it is slow."""
    if per_second >= 1 or per_second <= 0:
        return gettext("%(number)s/s", number=i18n.format_number(round(per_second), language()))
    return gettext("%(number)s/min", number=i18n.format_number(max(round(per_second * 60), 1), language()))


def _exact(when: datetime) -> str:
    here = when.astimezone(zone())
    return f"{i18n.format_datetime(here, language())} {here.tzname()}"


def _timed(when: datetime, words: str, *, title: str) -> Markup:
    hint = Markup(' title="{}"').format(title) if title else ""
    return Markup('<time datetime="{}"{}>{}</time>').format(when.isoformat(timespec="seconds"), hint, words)


def install(app: Flask) -> None:
    """Give the templates of the monitor their words."""
    app.jinja_env.globals.update(
        word=word,
        reason_words=reason,
        server_words=server_words,
        explained=explained,
        person=person,
        local=local,
        clock=clock,
        passed=passed,
        duration=duration,
        rate=rate,
    )
