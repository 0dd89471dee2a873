"""What all pages of the desk share: the petition on the rail, and times as the visitor's clock shows them."""

from datetime import datetime
from zoneinfo import ZoneInfo

from flask import Flask, Response
from markupsafe import Markup

from campaign import i18n
from campaign.petitions import petitions
from campaign.views import visitor
from campaign.views.current import runtime
from campaign.views.desk import words as desk_words
from campaign.views.language import gettext as _
from campaign.views.language import language
from campaign.views.rendering import page


def zone() -> str:
    """The visitor's time zone."""
    return visitor.account().time_zone


def in_words(when: datetime, *, zone_name: str | None = None) -> str:
    """A moment with its day of the week, as a clock in a zone shows it, and saying which zone."""
    name = zone_name or zone()
    return f"{i18n.format_moment(when, language(), zone=ZoneInfo(name))} {place(name)}"


def place(zone_name: str) -> str:
    """A time zone as people read it: ``Europe/Berlin`` is Berlin's."""
    return f"({zone_name.replace('_', ' ')})"


def local(when: datetime) -> Markup:
    """A moment in the visitor's time zone, for a page."""
    return Markup('<time datetime="{}">{}</time>').format(when.isoformat(timespec="seconds"), in_words(when))


def local_short(when: datetime) -> Markup:
    """A moment for a table: in few words, with all of them in its title."""
    words = i18n.format_short(when, language(), zone=ZoneInfo(zone()))
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        when.isoformat(timespec="seconds"), in_words(when), words
    )


def clock(moment: datetime | None) -> str:
    """The time of day in the reader's zone; empty for None."""
    return "" if moment is None else i18n.format_clock(moment, language(), zone=ZoneInfo(zone()))


def language_names(locales: list[str]) -> str:
    """Languages in their own words, with commas between them."""
    return i18n.listed([i18n.LANGUAGE_NAMES[locale] for locale in locales], language())


def desk_page(template: str, slug: str, section: str, *, status: int = 200, **context: object) -> Response:
    """A page about one petition, with the rail beside it.

    Args:
        template: under templates/desk.
        slug: the petition; the guard has checked that it is the visitor's.
        section: which entry of the rail this is.
        status: of the answer.
        context: what the template needs besides.
    """
    opened = petitions.by_slug(runtime(), slug, fresh=True)
    shown = opened.text_for(language())
    return page(
        f"desk/{template}",
        status=status,
        petition=opened.petition,
        petition_title=shown.title,
        petition_locale=shown.locale,
        section=section,
        slug=slug,
        **context,
    )


def install(app: Flask) -> None:
    """Give the templates of the desk their helpers."""
    app.jinja_env.globals.update(
        on_clock=local,
        on_clock_short=local_short,
        say=desk_words.said,
        desk_words=desk_words,
        language_names=language_names,
    )


def notice(done: str) -> str:
    """The word after something was done, by its name in the address; empty for any other."""
    return {
        "saved": _("Saved."),
        "created": _("Draft saved. No one sees it until you publish."),
        "live": _("The petition is open for signing."),
        "closed": _("The petition is closed."),
        "shared": _("Organiser added."),
        "unshared": _("Organiser removed."),
        "hidden": _("The name is hidden from the page."),
        "removed": _("The signature is removed. The count follows within seconds."),
        "restored": _("The signature counts again. The count follows within seconds."),
        "approved": _("Approved. The announcement starts in 30 seconds."),
        "declined": _("Declined. No email is sent for this milestone."),
        "taken-back": _("Undone. The announcement awaits your approval again."),
        "draft": _("It is a draft again. Nothing will be sent."),
        "scheduled": _("The update is scheduled."),
        "tested": _("We’ve emailed you a test."),
        "paused": _("Paused. Within five seconds no further email is sent."),
        "resumed": _("Resumed. The update continues where it stopped."),
        "cancelled": _("Stopped. No one else gets this update."),
        "again": _("Queued for those who did not get it."),
    }.get(done, "")
