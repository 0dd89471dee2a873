"""Why no update is sent for the whole site, in words for organisers."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from campaign.blasts.reports import Report
from campaign.blasts.rules import BlastStage
from campaign.operations import monitor, phrases
from campaign.operations.standing import LaneStanding, Standing
from campaign.views.current import runtime
from campaign.views.desk import frame
from campaign.views.language import gettext as _
from campaign.views.language import language

MOVING = frozenset({BlastStage.FREEZING, BlastStage.SENDING})


def of_site(reports: Sequence[Report]) -> list[str]:
    """Why none of these updates is being sent, since when, and what comes next; empty if nothing holds them."""
    moving = [report for report in reports if report.stage in MOVING]
    if not moving:
        return []
    return _words(monitor.bulk_hold(runtime(), is_owing=any(report.open for report in moving)))


def _words(hold: LaneStanding | None) -> list[str]:
    """Why nothing is sent for the whole site, since when, and what comes next; empty if something is."""
    if hold is None or not hold.is_stopped:
        return []
    since, until = _time(hold.since), _time(hold.until)
    said = {
        Standing.NO_WORKER: _("On hold: the sending service isn’t running."),
        Standing.FOLDER: _(
            "On hold for the whole site since %(time)s: the sending machine can’t store data.", time=since
        ),
        Standing.PAUSED: _("On hold for the whole site since %(time)s: sending is paused.", time=since),
        Standing.MAIL_SERVER: _(
            "On hold for the whole site since %(time)s: the mail server can’t be used.", time=since
        ),
        Standing.THROTTLED: _("On hold for the whole site: the mail server’s limit is reached for now."),
    }[hold.code]
    tried = [_("Next try at %(time)s.", time=until)] if until else []
    if hold.code in {Standing.MAIL_SERVER, Standing.THROTTLED}:
        return [said, *tried, _("Nothing is lost; it continues by itself.")]
    return [said, *tried, _("Nothing is lost. It continues when an administrator has solved this.")]


def _time(when: datetime | None) -> str:
    """The time of day if it is today for the reader, else date and time; empty for None."""
    if when is None:
        return ""
    return phrases.clock(when, runtime().clock(), locale=language(), zone=ZoneInfo(frame.zone()))
