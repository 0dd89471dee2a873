"""Messages for admins: by cause, in lists, one by one; send again, take as arrived, cancel."""

from collections.abc import Mapping
from datetime import timedelta

from flask import Blueprint, Response, request

from campaign.bulk_acts.rules import Kind
from campaign.errors import ConflictError, InvalidInputError, NotFoundError
from campaign.operations import failures
from campaign.operations.failures import Show
from campaign.operations.health import FailureGroup
from campaign.operations.rules import Action, presses
from campaign.states import Lane, MessageState
from campaign.variables import ROOT
from campaign.views import forms, visitor
from campaign.views.access import Access, allow
from campaign.views.admin.monitor import Notice
from campaign.views.current import runtime
from campaign.views.language import gettext as _
from campaign.views.language import lazy, ngettext
from campaign.views.rendering import number, page

pages = Blueprint("admin_messages", __name__, template_folder=str(ROOT / "templates"))

WINDOWS = {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30)}
WINDOW_WORDS = {"24h": lazy("24 hours"), "7d": lazy("7 days"), "30d": lazy("30 days")}
"""How far back rejected messages are looked at."""

MEMBERS = 50

KINDS: Mapping[Action, Kind] = {
    Action.RETRY: Kind.RETRY,
    Action.ACCEPT: Kind.ACCEPT,
    Action.CANCEL: Kind.CANCEL,
}
"""The act on many messages behind each button."""

ACTS: Mapping[Show, tuple[Action, ...]] = {
    Show.WAITING: (Action.CANCEL,),
    Show.LATER: (Action.RETRY, Action.CANCEL),
    Show.UNCERTAIN: tuple(Action),
    Show.REJECTED: (Action.RETRY, Action.CANCEL),
}
"""What can be done to the messages of a list."""


def _window(name: str) -> str:
    return name if name in WINDOWS else "24h"


@pages.get("/admin/messages")
@allow(Access.ADMIN)
def index() -> Response:
    """By cause, one cause, a list, or the search by id: whichever the address asks for."""
    if asked := request.args.get("id", "").strip():
        return _search(asked)
    if key := request.args.get("group"):
        return show_group(key, _window(request.args.get("since", "")), notice=_done())
    if (shown := request.args.get("show", "")) in set(Show):
        return _list(Show(shown))
    return show_groups(_window(request.args.get("since", "")), notice=_done())


def _search(asked: str) -> Response:
    try:
        failures.find(runtime(), int(asked) if asked.isdecimal() and len(asked) < 20 else 0)
    except NotFoundError:
        return show_groups("24h", notice=Notice("warn", "info", _("No message has this number.")), status=404)
    return visitor.see_other("admin_messages.one", message_id=int(asked))


def _done() -> Notice | None:
    told = visitor.told()
    if told.done not in set(Action):
        return None
    many = told.number
    text = {
        Action.RETRY: ngettext(
            "%(n)s message queued for another try.", "%(n)s messages queued for another try.", many, n=number(many)
        ),
        Action.ACCEPT: ngettext(
            "%(n)s message marked as delivered.", "%(n)s messages marked as delivered.", many, n=number(many)
        ),
        Action.CANCEL: ngettext("%(n)s message is cancelled.", "%(n)s messages are cancelled.", many, n=number(many)),
    }[Action(told.done)]
    return Notice("good", "tick", text)


def show_groups(window: str, *, notice: Notice | None = None, status: int = 200) -> Response:
    """What did not get through, by cause."""
    return page(
        "admin/troubles.html",
        status=status,
        notice=notice,
        groups=failures.groups(runtime(), window=WINDOWS[window]),
        window=window,
        windows={name: _(text) for name, text in WINDOW_WORDS.items()},
        presses_of=presses,
    )


def show_group(key: str, window: str, *, notice: Notice | None = None) -> Response:
    """The messages of one cause."""
    try:
        group = failures.group(runtime(), key, window=WINDOWS[window])
    except NotFoundError:
        gone = Notice("good", "tick", _("No messages with this cause are left."))
        return show_groups(window, notice=notice or gone)
    after = request.args.get("after", "0")
    after_id = int(after) if after.isdecimal() and len(after) < 19 else 0
    found = failures.members(runtime(), group, window=WINDOWS[window], after=after_id, limit=MEMBERS + 1)
    following = str(found[MEMBERS - 1]) if len(found) > MEMBERS else None
    return page(
        "admin/group.html",
        notice=notice,
        group=group,
        window=window,
        messages=failures.by_ids(runtime(), found[:MEMBERS]),
        following=following,
        presses_of=presses,
        acts=_acts(*_presses_of(group)),
        place=after_id or None,
        is_ticked=_is_ticked(),
    )


def _presses_of(group: FailureGroup) -> tuple[Action, ...]:
    is_deferred = group.state == "deferred"
    return presses(MessageState.PLANNED if is_deferred else MessageState(group.state), deferred=is_deferred)


def _list(show: Show) -> Response:
    asked = request.args.get("lane", "")
    lane = Lane(asked) if asked in set(Lane) else Lane.URGENT
    try:
        listing = failures.listing(runtime(), show, lane=lane, cursor=request.args.get("after"))
    except InvalidInputError:
        listing = failures.listing(runtime(), show, lane=lane)
    return page(
        "admin/messages.html",
        show=show,
        lane=lane,
        listing=listing,
        acts=_acts(*ACTS[show]),
        place=request.args.get("after"),
        is_ticked=_is_ticked(),
    )


def _is_ticked() -> bool:
    """True if all rows of the page are to be ticked."""
    return request.args.get("selected") == "page"


def _acts(*allowed: Action) -> list[tuple[str, str]]:
    """The acts for ticked messages, with what each is called."""
    words = {Action.RETRY: _("Send again…"), Action.ACCEPT: _("Mark as delivered"), Action.CANCEL: _("Cancel…")}
    return [(str(KINDS[one]), words[one]) for one in allowed]


def _press() -> Action:
    asked = forms.typed("press")
    if asked not in set(Action):
        raise NotFoundError("there is no such press")
    return Action(asked)


@pages.get("/admin/messages/<int:message_id>")
@allow(Access.ADMIN)
def one(message_id: int) -> Response:
    """One message with its history."""
    return _one(message_id, notice=_done())


def _one(message_id: int, *, notice: Notice | None, status: int = 200) -> Response:
    look = failures.find(runtime(), message_id)
    return page("admin/message.html", status=status, notice=notice, look=look, message=look.message)


@pages.post("/admin/messages/<int:message_id>")
@allow(Access.ADMIN)
def press_one(message_id: int) -> Response:
    """Move one message."""
    press = _press()
    try:
        failures.press_message(runtime(), message_id, press, by=visitor.account())
    except ConflictError:
        text = _("It has changed in the meantime. That is no longer possible.")
        return _one(message_id, notice=Notice("warn", "info", text), status=409)
    return visitor.see_other("admin_messages.one", message_id=message_id, done=str(press), n=1)
