"""The page before an act that can't be undone: what will happen, in true numbers, one button and a way back.

The button sends the same form as before: the page asks, the use case decides.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from flask import Blueprint, Response

from campaign.accounts.accounts import Account
from campaign.blasts import blasts, milestones
from campaign.blasts import reports as blast_reports
from campaign.blasts.reports import Report
from campaign.blasts.rules import Audience, BlastStage
from campaign.errors import NotFoundError
from campaign.petitions import organisers, petitions
from campaign.petitions.rules import Petition
from campaign.states import MessageState, PetitionState
from campaign.variables import ROOT
from campaign.views import visitor
from campaign.views.access import Access, allow
from campaign.views.current import runtime
from campaign.views.desk import frame
from campaign.views.language import gettext as _
from campaign.views.language import language, ngettext
from campaign.views.rendering import number

pages = Blueprint("desk_sure", __name__, template_folder=str(ROOT / "templates"))

_BLAST = "<int(max=2147483647):blast_id>"
RUNNING = frozenset({BlastStage.FREEZING, BlastStage.SENDING, BlastStage.PAUSED})
NOT_SENT = frozenset({BlastStage.DRAFT, BlastStage.SCHEDULED, BlastStage.HELD})


@dataclass(frozen=True)
class Sure:
    """What the page says and does."""

    heading: str
    sentences: Sequence[str]
    back: str
    button: str = ""
    """Verb and object; empty if there is nothing to do."""
    action: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)


def _ask(slug: str, section: str, about: Sure) -> Response:
    return frame.desk_page("sure.html", slug, section, about=about)


def _people(count: int) -> str:
    return ngettext("%(n)s person", "%(n)s people", count, n=number(count))


def _report(blast_id: int) -> Report:
    return blast_reports.report(runtime(), blast_id, visitor.petition_id(), language())


@pages.get(f"/organiser/p/<slug>/updates/{_BLAST}/stop")
@allow(Access.ORGANISER)
def stop(slug: str, blast_id: int) -> Response:
    """Before a draft is discarded, or the sending of an update is stopped."""
    report = _report(blast_id)
    back = visitor.to("desk_update.show", slug=slug, blast_id=blast_id)
    press = visitor.to("desk_update.press", slug=slug, blast_id=blast_id)
    if report.stage in NOT_SENT and report.blast.threshold is None:
        sentences = [
            _("No one gets this update: it has not been sent."),
            _("It can’t be sent later. Its text stays readable here."),
        ]
        if report.blast.send_at is not None:
            when = frame.in_words(report.blast.send_at)
            sentences.insert(1, _("It was to be sent on %(when)s. That is cancelled.", when=when))
        about = Sure(_("Discard this draft?"), sentences, back, _("Discard draft"), press, {"button": "cancel"})
    elif report.stage in RUNNING:
        about = Sure(
            _("Stop sending this update?"), _stopping(report), back, _("Stop sending"), press, {"button": "cancel"}
        )
    else:
        about = Sure(_("Nothing to stop"), [_("This update is not being sent now.")], back)
    return _ask(slug, "updates", about)


def _stopping(report: Report) -> list[str]:
    accepted, unsure = (report.states.get(state, 0) for state in (MessageState.ACCEPTED, MessageState.UNCERTAIN))
    sentences = [
        _("Already sent to %(people)s. Those emails can’t be recalled.", people=_people(accepted)),
        _("Not sent yet to %(people)s. They won’t get it.", people=_people(report.open)),
        _("Afterwards you can still send it to those who did not get it."),
    ]
    if report.stage is BlastStage.FREEZING:
        sentences.insert(2, _("The list of recipients is still being made, so the second number can be higher."))
    if unsure:
        sentences.insert(1, _("Perhaps also sent to %(people)s: we don’t know.", people=_people(unsure)))
    return sentences


@pages.get("/organiser/p/<slug>/milestones/<int(max=2147483647):threshold>/decline")
@allow(Access.ORGANISER)
def decline(slug: str, threshold: int) -> Response:
    """Before the announcement of a milestone is declined for good."""
    found = milestones.list_of(runtime(), visitor.petition_id())
    if not any(one.threshold == threshold and one.decision == "waiting" for one in found):
        raise NotFoundError("this milestone does not wait for an answer")
    return _ask(
        slug,
        "overview",
        Sure(
            _("Announce nothing?"),
            [
                _("No one gets an email about %(number)s signatures.", number=number(threshold)),
                _("You won’t be asked about this milestone again."),
            ],
            visitor.to("desk_overview.show", slug=slug),
            _("Decline the announcement"),
            visitor.to("desk_overview.answer", slug=slug, threshold=threshold),
            {"answer": "decline"},
        ),
    )


@pages.get("/organiser/p/<slug>/close")
@allow(Access.ORGANISER)
def close(slug: str) -> Response:
    """Before a petition is closed."""
    petition = petitions.by_slug(runtime(), slug, fresh=True).petition
    back = visitor.to("desk_overview.show", slug=slug)
    if petition.state is not PetitionState.LIVE:
        return _ask(slug, "overview", Sure(_("Nothing to close"), [_("This petition is not open.")], back))
    about = Sure(
        _("Close this petition?"),
        _closing(petition),
        back,
        _("Close petition"),
        visitor.to("desk_overview.move", slug=slug),
        {"to": "closed"},
    )
    return _ask(slug, "overview", about)


def _closing(petition: Petition) -> list[str]:
    days = runtime().settings.retention_days
    pending = blasts.audience_counts(runtime(), petition.id, Audience())["pending"]
    sentences = [
        _("No one can sign from then on. %(people)s signed so far; the count stays.", people=_people(petition.count)),
        _("After %(days)s days all names and addresses are erased. That can’t be undone.", days=number(days)),
        _("Until then you can reopen the petition."),
    ]
    if pending:
        waiting = _("%(people)s have not confirmed yet. They can for another 24 hours.", people=_people(pending))
        sentences.insert(1, waiting)
    return sentences


@pages.get("/organiser/p/<slug>/people/<int(max=2147483647):account_id>/remove")
@allow(Access.ORGANISER)
def unshare(slug: str, account_id: int) -> Response:
    """Before an organiser is removed, or leaves."""
    members = organisers.members(runtime(), slug, by=visitor.account())
    found = next((member.account for member in members if member.account.id == account_id), None)
    if found is None:
        raise NotFoundError("there is no such organiser")
    back = visitor.to("desk_people.show", slug=slug)
    if len(members) == 1:
        sentence = _("You’re the only organiser. Add another before leaving.")
        return _ask(slug, "people", Sure(_("The only organiser"), [sentence], back))
    return _ask(slug, "people", _removal(slug, found, len(members) - 1))


def _removal(slug: str, found: Account, left: int) -> Sure:
    is_own = found.id == visitor.account().id
    stays = ngettext("%(n)s organiser is left.", "%(n)s organisers are left.", left, n=number(left))
    return Sure(
        _("Leave this petition?") if is_own else _("Remove %(name)s?", name=found.name),
        [
            _("You lose access immediately. Only another organiser can add you again.")
            if is_own
            else _("%(name)s loses access immediately, and what they were writing is not saved.", name=found.name),
            _("Texts and scheduled updates stay as they are."),
            stays,
        ],
        visitor.to("desk_people.show", slug=slug),
        _("Leave petition") if is_own else _("Remove organiser"),
        visitor.to("desk_people.unshare", slug=slug, account_id=found.id),
    )
