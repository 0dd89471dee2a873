"""Acts on many signatures: the page before one, its beginning, its progress, its end."""

from flask import Blueprint, Response

from campaign.bulk_acts import bulk_acts
from campaign.bulk_acts.bulk_acts import Preview
from campaign.bulk_acts.rules import OF_PETITION, UNDO, Kind, Scope
from campaign.bulk_acts.signature_rows import as_fields
from campaign.errors import InvalidInputError
from campaign.petitions import petitions
from campaign.signatures.removal import REASONS
from campaign.signatures.selections import Filter
from campaign.variables import ROOT
from campaign.views import acts, forms, visitor
from campaign.views.access import Access, allow
from campaign.views.acts import Asking
from campaign.views.current import runtime
from campaign.views.desk import forms as desk_forms
from campaign.views.desk import frame
from campaign.views.desk.words import REMOVALS
from campaign.views.language import gettext as _
from campaign.views.rendering import number

pages = Blueprint("desk_acts", __name__, template_folder=str(ROOT / "templates"))

_ACT = "<int(max=9223372036854775807):act_id>"
_PATH = "/organiser/p/<slug>/signatures/acts"


@pages.get(f"{_PATH}/new")
@allow(Access.ORGANISER)
def prepare(slug: str) -> Response:
    """What an act would do. Ids and filters stand in the address; names and addresses never do."""
    return _asking(slug)


def _scope() -> Scope | None:
    if (undone := acts.undone()) is not None:
        return Scope(undone=undone)
    asked = acts.sent()
    if asked.get("all"):
        return Scope(matching=as_fields(Filter.of(asked.get("state", ""), asked.get("country", ""))))
    return acts.scope_of_ids()


def _asking(slug: str, *, problems: forms.Problems = forms.NO_PROBLEMS) -> Response:
    kind, scope = acts.kind_of(OF_PETITION), _scope()
    if kind is None or scope is None:
        about = acts.nothing(_back(slug))
    else:
        found = bulk_acts.preview(runtime(), kind, scope, petition_id=visitor.petition_id(), within=acts.within())
        about = _about(slug, found)
    return frame.desk_page(
        "act_new.html",
        slug,
        "signatures",
        status=422 if problems else 200,
        about=about,
        problems=problems,
        chosen=forms.typed("reason"),
        why=forms.typed("why"),
    )


def _back(slug: str) -> str:
    """The list as it was filtered."""
    asked = acts.sent()
    wanted = Filter.of(asked.get("state", ""), asked.get("country", ""))
    return visitor.to("desk_signatures.show", slug=slug, state=wanted.code, country=wanted.country)


def _about(slug: str, found: Preview) -> Asking:
    left, back = acts.lines(found.left), _back(slug)
    if not found.changing:
        return Asking(_("Nothing to change"), [_("No selected signature can be changed in this way.")], left, back)
    more: dict[str, str] = {}
    if found.scope.undone is not None:
        more = {"of": str(found.scope.undone)}
    elif found.scope.matching is not None:
        more = {"all": "yes"} | {name: value for name, value in found.scope.matching.items() if value}
    is_removal = found.kind is Kind.REMOVE
    return Asking(
        acts.heading(found.kind, found.changing),
        _sentences(slug, found),
        left,
        back,
        visitor.to("desk_acts.begin", slug=slug),
        acts.fields_of(found, acts.request_key(), more),
        [(code, _(REMOVALS[code])) for code in REASONS] if is_removal else [],
        is_harmful=is_removal,
    )


def _sentences(slug: str, found: Preview) -> list[str]:
    n, count = number(found.changing), petitions.by_slug(runtime(), slug, fresh=True).petition.count
    undo = _("You can undo this for %(days)s days.", days=number(UNDO.days))
    if found.kind is Kind.REMOVE:
        return [
            _("They no longer count, and their signers get no more email."),
            _("The public count is %(count)s now and falls by %(n)s.", count=number(count), n=n),
            undo,
        ]
    if found.kind is Kind.RESTORE:
        return [
            _("They count again, with the signers’ choices. No milestone is announced twice."),
            _("The public count is %(count)s now and rises by at most %(n)s.", count=number(count), n=n),
            _("Anyone who signed again meanwhile, or whose mailbox two others use, is left out."),
        ]
    if found.kind is Kind.HIDE_NAMES:
        return [_("Names, countries and reasons disappear from the public page. The signatures still count."), undo]
    return [
        _("These names appear on the public page again."),
        _("Names that signers chose to hide stay hidden."),
    ]


@pages.post(_PATH)
@allow(Access.ORGANISER)
def begin(slug: str) -> Response:
    """Begin an act; pressing twice begins one."""
    kind, scope = acts.kind_of(OF_PETITION), _scope()
    if kind is None or scope is None:
        return _asking(slug)
    try:
        act_id = bulk_acts.begin(
            runtime(),
            kind,
            scope,
            reason=forms.typed("reason" if kind is Kind.REMOVE else "why"),
            by=visitor.account(),
            request_key=acts.request_key(),
            petition_id=visitor.petition_id(),
            within=acts.within(),
        )
    except InvalidInputError as error:
        return _asking(slug, problems=_worded(error))
    return visitor.see_other("desk_acts.show", slug=slug, act_id=act_id)


def _worded(error: InvalidInputError) -> forms.Problems:
    return (desk_forms.worded if "reason" in error.problems else forms.worded)(error.problems)


@pages.get(f"{_PATH}/{_ACT}")
@allow(Access.ORGANISER)
def show(slug: str, act_id: int) -> Response:
    """How far an act is."""
    act = bulk_acts.find(runtime(), act_id, petition_id=visitor.petition_id())
    undo = act.undo_kind(runtime().clock())
    moves_count = act.kind in {Kind.REMOVE, Kind.RESTORE} and act.done > 0
    progress = acts.progress(
        act,
        back=visitor.to("desk_signatures.show", slug=slug),
        stop=visitor.to("desk_acts.stop", slug=slug, act_id=act_id),
        undo=visitor.to("desk_acts.prepare", slug=slug, act=str(undo), of=act_id) if undo else "",
        note=_("The public count follows within seconds.") if moves_count else "",
    )
    return frame.desk_page("act.html", slug, "signatures", progress=progress)


@pages.post(f"{_PATH}/{_ACT}/stop")
@allow(Access.ORGANISER)
def stop(slug: str, act_id: int) -> Response:
    """Stop an act: what was done stays."""
    bulk_acts.stop(runtime(), act_id, by=visitor.account(), petition_id=visitor.petition_id())
    return visitor.see_other("desk_acts.show", slug=slug, act_id=act_id)
