"""Site settings and switches, for admins: what is in force, where it comes from, and what can be stopped."""

from collections.abc import Mapping

from flask import Blueprint, Response, abort, request

from campaign import i18n
from campaign.errors import ConflictError, InvalidInputError
from campaign.operations import site as operations_site
from campaign.operations.site import LowContrastError
from campaign.settings import LANGUAGES
from campaign.site.current import LOGO, NAMES, SwitchName
from campaign.variables import ROOT
from campaign.views import forms, visitor
from campaign.views.access import Access, allow
from campaign.views.admin.monitor import Notice
from campaign.views.admin.switch_words import SWITCHES, names_of, said
from campaign.views.current import runtime
from campaign.views.language import gettext as _
from campaign.views.language import language, lazy
from campaign.views.rendering import page

pages = Blueprint("admin_site", __name__, template_folder=str(ROOT / "templates"))


LABELS: Mapping[str, tuple[str, str]] = {
    "site_name": (lazy("Site name"), lazy("Shown at the top of every page and in every email.")),
    "postal_address": (lazy("Postal address"), lazy("On one line, at the end of every email. Many laws ask for it.")),
    "contact": (lazy("Contact email"), lazy("For questions on privacy; shown in the footer.")),
    "accent": (lazy("Colour"), lazy("Of buttons and links, like #1f3bb3. White text on it must be readable.")),
    "network_places": (
        lazy("Unanswered confirmations per network"),
        lazy("How many one network may have at first, and per hour for private links."),
    ),
    "network_cap": (
        lazy("At most"),
        lazy("Each answer adds one, up to this number."),
    ),
    "rate": (
        lazy("Emails per second"),
        lazy(
            "Over both lanes and all hosts. Urgent emails count but never wait; bulk email gets the rest. 0: no limit."
        ),
    ),
    "domain_rate": (
        lazy("Bulk emails per second to one domain"),
        lazy("Fewer while a domain asks for fewer. 0: no limit."),
    ),
    "warm_up": (
        lazy("Warm-up of a new sender"),
        lazy("2026-12-01:500 is 500 bulk emails on that day (UTC), and twice as many each day after."),
    ),
}
"""Label and hint of each field."""

WORDS: Mapping[str, Mapping[str, str]] = {
    "accent": {"invalid": lazy("Enter a colour as # and six digits or letters a to f, like #1f3bb3.")},
    "contact": {"invalid": lazy("Enter one plain email address like contact@example.org.")},
    "warm_up": {"invalid": lazy("Enter a day and a number, like 2026-12-01:500.")},
    "logo": {
        "missing": lazy("Choose a picture."),
        "too_large": lazy("Choose a picture of 200 KB or less."),
        "no_picture": lazy("Choose a PNG, JPEG or WebP picture. This file is none, whatever its name says."),
    },
    "why": {"missing": lazy("Enter a reason."), "too_long": lazy("Use 200 characters or fewer.")},
}
"""What is said of a problem, by field and code."""

OF_ANY_FIELD: Mapping[str, str] = {
    "invalid": lazy("Enter a whole number in the permitted range."),
    "too_long": lazy("Shorten this text."),
    "text": lazy("This text can’t be shown: look for wrong links or placeholders in it."),
}

SITE_FIELDS = ("site_name", "postal_address", "contact", "accent")
PACE_FIELDS = ("rate", "domain_rate", "warm_up")
NETWORK_FIELDS = ("network_places", "network_cap")
EDITABLE = tuple(name for name in NAMES if name != LOGO)

DONE = {
    "saved": lazy("Saved. It is in force everywhere within five seconds."),
    "same": lazy("Nothing was changed."),
    "switched": lazy("Done. It is in force everywhere within five seconds."),
}


def _notice() -> Notice | None:
    words = DONE.get(forms.asked("done"))
    return None if words is None else Notice("good", "tick", _(words))


@pages.get("/admin/site")
@allow(Access.ADMIN)
def index() -> Response:
    """The switches, and all settings with where they come from."""
    return _page(notice=_notice())


def _page(
    *,
    notice: Notice | None = None,
    problems: forms.Problems = forms.NO_PROBLEMS,
    typed: Mapping[str, str] | None = None,
    status: int = 200,
) -> Response:
    site = operations_site.current(runtime())
    on = operations_site.switches(runtime())
    return page(
        "admin/site.html",
        status=status,
        notice=notice,
        problems=problems,
        typed=typed or {},
        values=operations_site.values(site, runtime()),
        groups=[
            (_("How the site appears"), SITE_FIELDS),
            (_("Pace"), PACE_FIELDS),
            (_("Emails per network"), NETWORK_FIELDS),
        ],
        labels={name: (_(label), _(hint)) for name, (label, hint) in LABELS.items()},
        imprints=[(code, f"imprint_{code}", i18n.LANGUAGE_NAMES[code]) for code in LANGUAGES],
        lengths=operations_site.MAX_LENGTH,
        switches=[(name, said(words), on.get(name)) for name, words in SWITCHES.items()],
        names=names_of(on.values()),
    )


@pages.post("/admin/site")
@allow(Access.ADMIN, keeps=True)
def save() -> Response:
    """Save all fields; the button "Use the default" saves the others too, so that nothing typed is lost."""
    typed = {name: forms.typed(name) for name in EDITABLE if name in request.form}
    if (name := forms.typed("default")) in typed:
        typed[name] = ""
    try:
        changed = operations_site.save(runtime(), typed, by=visitor.account())
    except LowContrastError as error:
        ratio = i18n.format_rate(error.ratio, language())
        text = _("White text on this colour has a contrast of %(ratio)s to 1. Choose a darker one: 4.5 is needed.")
        return _page(problems=forms.Problems(accent=text % {"ratio": ratio}), typed=typed, status=422)
    except InvalidInputError as error:
        return _page(problems=_worded(error.problems), typed=typed, status=422)
    return visitor.see_other("admin_site.index", done="saved" if changed else "same")


def _worded(problems: Mapping[str, str]) -> forms.Problems:
    found = {}
    for name in (*EDITABLE, LOGO, "why"):
        if (code := problems.get(name)) is not None:
            words = WORDS.get(name, {}).get(code) or OF_ANY_FIELD.get(code, forms.OTHERWISE)
            found[name] = _(words)
    return forms.Problems(found)


@pages.post("/admin/site/logo")
@allow(Access.ADMIN)
def logo() -> Response:
    """Take a picture as the logo, or go back to the mark and the name."""
    try:
        if forms.typed("default"):
            operations_site.reset(runtime(), LOGO, by=visitor.account())
        else:
            sent = request.files.get(LOGO)
            # One byte more than is taken: whatever is larger is refused.
            content = b"" if sent is None else sent.read(operations_site.MAX_LOGO + 1)
            operations_site.set_logo(runtime(), content, by=visitor.account())
    except InvalidInputError as error:
        return _page(problems=_worded(error.problems), status=422)
    return visitor.see_other("admin_site.index", done="saved")


def _switch_named(name: str) -> SwitchName:
    if name not in set(SwitchName):
        abort(404)
    return SwitchName(name)


@pages.get("/admin/site/switches/<switch>")
@allow(Access.ADMIN)
def ask_switch(switch: str) -> Response:
    """The second page: what will happen, and the reason."""
    return _switch_page(_switch_named(switch))


def _switch_page(
    name: SwitchName,
    *,
    notice: Notice | None = None,
    problems: forms.Problems = forms.NO_PROBLEMS,
    status: int = 200,
) -> Response:
    on = operations_site.switches(runtime())
    return page(
        "admin/site_switch.html",
        status=status,
        notice=notice,
        problems=problems,
        switch=name,
        words=said(SWITCHES[name]),
        found=on.get(name),
        names=names_of(on.values()),
        why=forms.typed("why") if request.method == "POST" else "",
    )


@pages.post("/admin/site/switches/<switch>")
@allow(Access.ADMIN)
def press_switch(switch: str) -> Response:
    """Stop it, or let it go on; the form says which, so that an old page undoes nothing."""
    name, wanted = _switch_named(switch), forms.typed("press")
    if wanted not in {"stop", "resume"}:
        abort(400)
    try:
        operations_site.switch(runtime(), name, stop=wanted == "stop", reason=forms.typed("why"), by=visitor.account())
    except InvalidInputError as error:
        return _switch_page(name, problems=_worded(error.problems), status=422)
    except ConflictError:
        text = _("Another admin was faster: this is how it is now.")
        return _switch_page(name, notice=Notice("warn", "info", text), status=409)
    return visitor.see_other("admin_site.index", done="switched")
