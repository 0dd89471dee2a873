"""Acts on many rows as pages, for the desk and the monitor: what was chosen, what would happen, how far it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from flask import request
from werkzeug.datastructures import MultiDict

from campaign.accounts import accounts
from campaign.bulk_acts.bulk_acts import Preview
from campaign.bulk_acts.rules import MAX_IDS, BulkAct, Kind, Scope
from campaign.errors import NotFoundError
from campaign.security.request_keys import is_request_key, new_request_key
from campaign.signatures.many import Left
from campaign.signatures.selections import Within
from campaign.states import BulkActState
from campaign.views import forms
from campaign.views.current import runtime
from campaign.views.desk.words import REMOVALS
from campaign.views.language import gettext as _
from campaign.views.language import lazy, ngettext
from campaign.views.rendering import number

TITLES: Mapping[str, str] = {
    Kind.HIDE_NAMES: lazy("Hide names"),
    Kind.SHOW_NAMES: lazy("Show names again"),
    Kind.REMOVE: lazy("Remove signatures"),
    Kind.RESTORE: lazy("Restore signatures"),
    Kind.RETRY: lazy("Send messages again"),
    Kind.ACCEPT: lazy("Mark messages as delivered"),
    Kind.CANCEL: lazy("Cancel messages"),
    Kind.LIFT: lazy("Lift suppressions"),
    Kind.DROP: lazy("Delete items in quarantine"),
}
"""What each act is called."""

STATES: Mapping[str, str] = {
    BulkActState.WAITING: lazy("Waiting"),
    BulkActState.RUNNING: lazy("In progress"),
    BulkActState.DONE: lazy("Finished"),
    BulkActState.STOPPED: lazy("Stopped"),
}

LEFT: Mapping[str, str] = {
    Left.ALREADY: lazy("Already so"),
    Left.NOT_CONFIRMED: lazy("Not confirmed yet"),
    Left.ENDED: lazy("Withdrawn or expired"),
    Left.OWN_CHOICE: lazy("Hidden by the signer’s own choice"),
    Left.ERASED: lazy("Personal data erased"),
    Left.CHANGED: lazy("Changed in the meantime"),
    Left.NOT_REMOVED: lazy("Not removed"),
    Left.SIGNED_AGAIN: lazy("Signed again in the meantime"),
    Left.MAILBOX_FULL: lazy("Two others use the mailbox"),
    Left.DISCREET: lazy("The petition is in discreet mode"),
    Left.STATE: lazy("Their state doesn’t allow it"),
    Left.GONE: lazy("No longer there"),
}
"""Why rows are left as they are."""


@dataclass(frozen=True)
class Line:
    """A reason with its number."""

    words: str
    number: int


@dataclass(frozen=True)
class Asking:
    """The page before an act: what will happen, in true numbers, and the form that begins it."""

    heading: str
    sentences: list[str]
    left: list[Line]
    back: str
    action: str = ""
    """Empty if there is nothing to do."""
    fields: list[tuple[str, str]] = field(default_factory=list)
    reasons: list[tuple[str, str]] = field(default_factory=list)
    """Codes and words to choose one from; without them a reason is typed."""
    is_harmful: bool = False


@dataclass(frozen=True)
class Progress:
    """The page of an act: how far it is."""

    act: BulkAct
    title: str
    state: str
    who: str
    reason: str
    left: list[Line]
    back: str
    stop: str
    """Where the button leads that stops it; empty if it has ended."""
    undo: str = ""
    """The page before the act that undoes it; empty if it can't be undone."""
    note: str = ""

    @property
    def total(self) -> int:
        """Rows that are meant: a selection may hold some that are not there."""
        return max(self.act.expected, self.act.looked_at)


def sent() -> MultiDict[str, str]:
    """What the address, or the form, says."""
    return request.form if request.method == "POST" else request.args


def kind_of(allowed: frozenset[Kind]) -> Kind | None:
    """The act that is asked for; None if none is.

    Raises:
        NotFoundError: there is no such act here.
    """
    asked = sent().get("act", "")
    if not asked:
        return None
    if asked not in set(allowed):
        raise NotFoundError("there is no such act")
    return Kind(asked)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def ids() -> tuple[int, ...]:
    """The rows that were ticked, in ascending order; more than a page can show are left out."""
    found = {_number(one) for one in sent().getlist("id")} - {None, 0}
    return tuple(sorted(one for one in found if one is not None)[:MAX_IDS])


def undone() -> int | None:
    """The act that is to be undone."""
    return _number(sent().get("of", ""))


def within() -> Within | None:
    """What the numbers of the page were about, which its form brings back."""
    upper_id = _number(sent().get("upto", ""))
    try:
        as_of = datetime.fromisoformat(sent().get("asof", ""))
    except ValueError:
        return None
    return None if upper_id is None or as_of.tzinfo is None else Within(upper_id, as_of.astimezone(UTC))


def request_key() -> str:
    """The key of the form; a new one at its first showing."""
    key = forms.typed("key")
    return key if is_request_key(key) else new_request_key()


def fields_of(found: Preview, key: str, more: Mapping[str, str]) -> list[tuple[str, str]]:
    """The hidden fields with which the form says what was chosen, and when."""
    fields = [("act", str(found.kind)), ("key", key), ("upto", str(found.within.upper_id))]
    fields += [("asof", found.within.as_of.isoformat()), *more.items()]
    return fields + [("id", str(one)) for one in found.scope.ids or ()]


def lines(left: Mapping[str, int]) -> list[Line]:
    """Why rows are left, the most frequent first."""
    return [
        Line(_(LEFT[reason]) if reason in LEFT else reason, many)
        for reason, many in sorted(left.items(), key=lambda one: (-one[1], one[0]))
        if many
    ]


def heading(kind: Kind, many: int) -> str:
    """The act with its number: the heading of the page before it, and its button."""
    n = number(many)
    return {
        Kind.HIDE_NAMES: lambda: ngettext("Hide %(n)s name", "Hide %(n)s names", many, n=n),
        Kind.SHOW_NAMES: lambda: ngettext("Show %(n)s name again", "Show %(n)s names again", many, n=n),
        Kind.REMOVE: lambda: ngettext("Remove %(n)s signature", "Remove %(n)s signatures", many, n=n),
        Kind.RESTORE: lambda: ngettext("Restore %(n)s signature", "Restore %(n)s signatures", many, n=n),
        Kind.RETRY: lambda: ngettext("Send %(n)s message again", "Send %(n)s messages again", many, n=n),
        Kind.ACCEPT: lambda: ngettext("Mark %(n)s message as delivered", "Mark %(n)s messages as delivered", many, n=n),
        Kind.CANCEL: lambda: ngettext("Cancel %(n)s message", "Cancel %(n)s messages", many, n=n),
        Kind.LIFT: lambda: ngettext("Lift %(n)s suppression", "Lift %(n)s suppressions", many, n=n),
        Kind.DROP: lambda: ngettext("Delete %(n)s item", "Delete %(n)s items", many, n=n),
    }[kind]()


def nothing(back: str) -> Asking:
    """The page if nothing was chosen."""
    return Asking(_("Nothing selected"), [_("Select at least one row, then choose what to do.")], [], back)


def who(act: BulkAct) -> str:
    """Who began an act, by name."""
    names = accounts.names(runtime(), {act.account_id})
    return names.get(act.account_id) or _("a deleted account")


def progress(act: BulkAct, *, back: str, stop: str, undo: str = "", note: str = "") -> Progress:
    """The page of an act.

    Args:
        act: the act.
        back: the page to go back to.
        stop: where the button leads that stops it while it is open.
        undo: the page before the act that undoes it; empty if it can't be undone.
        note: a sentence about what follows.
    """
    return Progress(
        act=act,
        title=_(TITLES[act.kind]),
        state=_(STATES[act.state]),
        who=who(act),
        reason=_(REMOVALS[act.reason]) if act.kind is Kind.REMOVE else act.reason,
        left=lines(act.skipped),
        back=back,
        stop=stop if act.is_open else "",
        undo=undo,
        note=note,
    )


def scope_of_ids() -> Scope | None:
    """The ticked rows; None if none is ticked."""
    ticked = ids()
    return Scope(ids=ticked) if ticked else None
