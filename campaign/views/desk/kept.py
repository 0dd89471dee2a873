"""What was typed in a form whose session had ended: shown to its writer alone, ready to be saved."""

from flask import Blueprint, Response

from campaign.accounts import kept_forms
from campaign.errors import NotFoundError
from campaign.variables import ROOT
from campaign.views import visitor
from campaign.views.access import Access, allow
from campaign.views.current import runtime
from campaign.views.rendering import page

pages = Blueprint("desk_kept", __name__, template_folder=str(ROOT / "templates"))

LONG = 40
"""Characters from which a field is shown on the page, beside being sent again."""


@pages.get("/organiser/kept")
@allow(Access.ORGANISER)
def show() -> Response:
    """The form that was kept last, with a button that sends it."""
    kept = kept_forms.newest(runtime(), visitor.account().id)
    if kept is None:
        raise NotFoundError("there is no kept form")
    shown = [value for _name, value in kept.fields if len(value) >= LONG or " " in value.strip()]
    return page("desk/kept.html", kept=kept, shown=shown, field=visitor.KEPT_FIELD)


@pages.post("/organiser/kept/<int(max=2147483647):form_id>/discard")
@allow(Access.ORGANISER)
def discard(form_id: int) -> Response:
    """Forget it."""
    kept_forms.discard(runtime(), visitor.account().id, form_id)
    return visitor.see_other("desk.index")
