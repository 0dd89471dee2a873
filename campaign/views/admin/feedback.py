"""What came back, for admins: events, and the quarantine of what could not be read."""

from flask import Blueprint, Response, request

from campaign.bulk_acts.rules import Kind
from campaign.errors import NotFoundError
from campaign.feedback import quarantine
from campaign.feedback.quarantine import Item
from campaign.signatures import funnel
from campaign.states import EventKind
from campaign.variables import ROOT
from campaign.views import forms, visitor
from campaign.views.access import Access, allow
from campaign.views.admin.monitor import Notice
from campaign.views.admin.suppressions import before
from campaign.views.current import runtime
from campaign.views.language import gettext as _
from campaign.views.language import ngettext
from campaign.views.rendering import number, page

pages = Blueprint("admin_feedback", __name__, template_folder=str(ROOT / "templates"))


@pages.get("/admin/feedback")
@allow(Access.ADMIN)
def index() -> Response:
    """The newest events, of one kind or of all."""
    asked = request.args.get("kind", "")
    kind = EventKind(asked) if asked in set(EventKind) else None
    return page(
        "admin/feedback.html",
        seen=quarantine.overview(runtime(), kind=kind, before=before()),
        kind=kind,
        kinds=list(EventKind),
        providers=funnel.by_provider(runtime()),
    )


@pages.get("/admin/feedback/quarantine")
@allow(Access.ADMIN)
def waiting() -> Response:
    """What waits for an admin."""
    return _waiting(notice=_done())


def _done() -> Notice | None:
    told = visitor.told()
    if told.done == "read":
        return Notice("good", "tick", _("It can be read now and has been applied."))
    if told.done != "dropped":
        return None
    many = told.number
    text = ngettext("%(n)s item is deleted.", "%(n)s items are deleted.", many, n=number(many))
    return Notice("good", "tick", text)


def _waiting(*, notice: Notice | None, status: int = 200) -> Response:
    found = quarantine.waiting(runtime(), before=before())
    return page(
        "admin/quarantine.html",
        status=status,
        notice=notice,
        found=found,
        acts=[(str(Kind.DROP), _("Delete…"))],
        place=before(),
        is_ticked=forms.asked("selected") == "page",
    )


@pages.post("/admin/feedback/quarantine/<int:event_id>")
@allow(Access.ADMIN)
def one(event_id: int) -> Response:
    """Look at one item, read it again, or delete it. By POST, for each is in the audit log."""
    press, by = forms.typed("press"), visitor.account()
    try:
        if press == "drop":
            quarantine.drop(runtime(), event_id, by=by)
            return visitor.see_other("admin_feedback.waiting", done="dropped", n=1)
        if press == "read" and quarantine.read_again(runtime(), event_id, by=by):
            return visitor.see_other("admin_feedback.waiting", done="read")
        item = quarantine.look(runtime(), event_id, by=by)
    except NotFoundError:
        text = _("It is no longer in quarantine.")
        return _waiting(notice=Notice("warn", "info", text), status=404)
    still = Notice("warn", "info", _still(item)) if press == "read" else None
    return page("admin/quarantined.html", notice=still, item=item, event=item.event)


def _still(item: Item) -> str:
    if item.is_beginning:
        return _("It can’t be read again: it is so large that only its beginning was kept.")
    return _("It still can’t be read.")
