"""Who organises a petition: share it with another account, or take it back."""

from flask import Blueprint, Response

from campaign.errors import InvalidInputError
from campaign.petitions import organisers
from campaign.variables import ROOT
from campaign.views import forms, visitor
from campaign.views.access import Access, allow
from campaign.views.current import runtime
from campaign.views.desk import forms as desk_forms
from campaign.views.desk import frame

pages = Blueprint("desk_people", __name__, template_folder=str(ROOT / "templates"))


@pages.get("/organiser/p/<slug>/people")
@allow(Access.ORGANISER)
def show(slug: str) -> Response:
    """The organisers."""
    return _list(slug)


def _list(slug: str, problems: forms.Problems = forms.NO_PROBLEMS) -> Response:
    return frame.desk_page(
        "people.html",
        slug,
        "people",
        status=422 if problems else 200,
        problems=problems,
        email=forms.typed("email"),
        members=organisers.members(runtime(), slug, by=visitor.account()),
        done=frame.notice(visitor.done()),
    )


@pages.post("/organiser/p/<slug>/people")
@allow(Access.ORGANISER)
def share(slug: str) -> Response:
    """Let another account organise the petition too."""
    try:
        organisers.share(runtime(), slug, forms.typed("email"), by=visitor.account())
    except InvalidInputError as error:
        return _list(slug, desk_forms.worded(error.problems))
    return visitor.see_other("desk_people.show", slug=slug, done="shared")


@pages.post("/organiser/p/<slug>/people/<int(max=2147483647):account_id>/remove")
@allow(Access.ORGANISER)
def unshare(slug: str, account_id: int) -> Response:
    """Remove an organiser; organisers who remove themselves return to the list."""
    organisers.unshare(runtime(), slug, account_id, by=visitor.account())
    if account_id == visitor.account().id and not visitor.account().is_admin:
        return visitor.see_other("desk.index")
    return visitor.see_other("desk_people.show", slug=slug, done="unshared")
