"""Acts of admins on many messages, suppressions and items in quarantine; and all acts, of organisers too."""

from datetime import datetime
from typing import Final

from flask import Blueprint, Response

from campaign.bulk_acts import bulk_acts
from campaign.bulk_acts.bulk_acts import Preview
from campaign.bulk_acts.mail_rows import as_fields
from campaign.bulk_acts.rules import OF_PETITION, Kind, Scope
from campaign.errors import ConflictError, InvalidInputError, NotFoundError
from campaign.feedback.quarantine import PROBLEMS
from campaign.operations import failures
from campaign.variables import ROOT
from campaign.views import acts, forms, visitor
from campaign.views.access import Access, allow
from campaign.views.acts import Asking
from campaign.views.admin.messages import WINDOWS
from campaign.views.admin.suppressions import before
from campaign.views.current import runtime
from campaign.views.language import gettext as _
from campaign.views.language import ngettext
from campaign.views.rendering import page

pages = Blueprint("admin_acts", __name__, template_folder=str(ROOT / "templates"))

OF_ADMIN: Final = frozenset(Kind) - OF_PETITION
_MESSAGES: Final = frozenset({Kind.RETRY, Kind.ACCEPT, Kind.CANCEL})
_ACT = "<int(max=9223372036854775807):act_id>"


@pages.get("/admin/acts")
@allow(Access.ADMIN)
def index() -> Response:
    """All acts, the newest first."""
    log = bulk_acts.newest(runtime(), before=before())
    rows = [(act, _(acts.TITLES[act.kind]), _(acts.STATES[act.state]), acts.who(act)) for act in log.acts]
    return page("admin/acts.html", rows=rows, following=log.following)


@pages.get("/admin/acts/new")
@allow(Access.ADMIN)
def prepare() -> Response:
    """What an act would do. Ids and codes stand in the address, never an address of a mailbox."""
    return _asking()


def _window() -> str:
    asked = acts.sent().get("since", "")
    return asked if asked in WINDOWS else "24h"


def _scope(kind: Kind, as_of: datetime) -> Scope | None:
    """What is chosen: ticked rows, a cause, or a problem of the quarantine."""
    asked = acts.sent()
    group, problem, since = asked.get("group", ""), asked.get("problem", ""), as_of - WINDOWS[_window()]
    if kind is Kind.DROP and problem:
        if problem not in PROBLEMS:
            raise NotFoundError("there is no such problem")
        return Scope(matching={"problem": problem})
    if kind is Kind.LIFT and group:
        return Scope(matching={"group": group, "since": since.isoformat()})
    if kind in _MESSAGES and group:
        try:
            found = failures.group(runtime(), group, window=WINDOWS[_window()])
        except NotFoundError:
            return None
        return Scope(matching=as_fields(found, since=since))
    return acts.scope_of_ids()


def _chosen() -> tuple[Kind | None, Scope | None]:
    kind, within = acts.kind_of(OF_ADMIN), acts.within()
    now = runtime().clock()
    return kind, None if kind is None else _scope(kind, min(within.as_of, now) if within else now)


def _asking(*, problems: forms.Problems = forms.NO_PROBLEMS, status: int = 200) -> Response:
    kind, scope = _chosen()
    if kind is None or scope is None:
        about = acts.nothing(_back(kind))
    else:
        about = _about(bulk_acts.preview(runtime(), kind, scope, within=acts.within()))
    why = forms.typed("why")
    return page("admin/act_new.html", status=status, about=about, problems=problems, why=why)


def _back(kind: Kind | None) -> str:
    """Where rows of this kind are chosen."""
    if kind is Kind.LIFT:
        return visitor.to("admin_suppressions.index", since=_window())
    if kind is Kind.DROP:
        return visitor.to("admin_feedback.waiting")
    return visitor.to("admin_messages.index", since=_window())


def _about(found: Preview) -> Asking:
    left, back = acts.lines(found.left), _back(found.kind)
    if not found.changing:
        return Asking(_("Nothing to change"), [_("Nothing that is selected can be changed in this way.")], left, back)
    asked = acts.sent()
    more = {name: asked[name] for name in ("group", "since", "problem") if asked.get(name)}
    return Asking(
        acts.heading(found.kind, found.changing),
        _sentences(found.kind, found.changing),
        left,
        back,
        visitor.to("admin_acts.begin"),
        acts.fields_of(found, acts.request_key(), more),
        is_harmful=found.kind in {Kind.CANCEL, Kind.DROP},
    )


def _sentences(kind: Kind, many: int) -> list[str]:
    never = ngettext("It is never sent. This can’t be undone.", "They are never sent. This can’t be undone.", many)
    return {
        Kind.RETRY: [
            _("A message whose outcome is unknown may arrive twice. The second copy has the same Message-ID."),
            _(
                "Consent and suppressions are checked again before a message is sent: anyone who withdrew, "
                "unsubscribed or is suppressed gets nothing, and the message says so."
            ),
        ],
        Kind.ACCEPT: [_("They count as delivered and are not sent again.")],
        Kind.CANCEL: [never],
        Kind.LIFT: [
            _("These addresses get email again, and their soft bounces are deleted."),
            _("If their owners complained, send to them again only if that was a mistake."),
        ],
        Kind.DROP: [_("What was kept of them is deleted. This can’t be undone.")],
    }[kind]


@pages.post("/admin/acts")
@allow(Access.ADMIN)
def begin() -> Response:
    """Begin an act; pressing twice begins one."""
    kind, scope = _chosen()
    if kind is None or scope is None:
        return _asking()
    try:
        act_id = bulk_acts.begin(
            runtime(),
            kind,
            scope,
            reason=forms.typed("why"),
            by=visitor.account(),
            request_key=acts.request_key(),
            within=acts.within(),
        )
    except InvalidInputError as error:
        return _asking(problems=forms.worded(error.problems), status=422)
    except ConflictError:
        # Others were quicker: the page says that nothing is left.
        return _asking(status=409)
    return visitor.see_other("admin_acts.show", act_id=act_id)


@pages.get(f"/admin/acts/{_ACT}")
@allow(Access.ADMIN)
def show(act_id: int) -> Response:
    """How far an act is."""
    act = bulk_acts.find(runtime(), act_id)
    progress = acts.progress(
        act,
        back=visitor.to("admin_acts.index"),
        stop=visitor.to("admin_acts.stop", act_id=act_id),
    )
    return page("admin/act.html", progress=progress)


@pages.post(f"/admin/acts/{_ACT}/stop")
@allow(Access.ADMIN)
def stop(act_id: int) -> Response:
    """Stop an act: what was done stays."""
    bulk_acts.stop(runtime(), act_id, by=visitor.account())
    return visitor.see_other("admin_acts.show", act_id=act_id)
