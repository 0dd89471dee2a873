"""Pages that everybody sees: the list, a petition, its form, count, thanks, QR code, privacy."""

from collections.abc import Mapping
from dataclasses import replace

from flask import Blueprint, Response, current_app, jsonify, redirect, request, url_for

from campaign.accounts import countries
from campaign.accounts.addresses import MAX_REASON
from campaign.blasts import pages as blast_pages
from campaign.errors import ConflictError, InvalidInputError, NetworkBusyError, NetworkShieldedError, SigningPausedError
from campaign.petitions import petitions
from campaign.signatures import consents, proofs, requests, signing
from campaign.signatures import petition_page as signature_petition_page
from campaign.signatures.places import Effort
from campaign.states import PetitionState
from campaign.views import forms
from campaign.views.access import Access, allow
from campaign.views.current import runtime
from campaign.views.language import gettext as _
from campaign.views.language import language
from campaign.views.page_cache import for_everybody
from campaign.views.rendering import link, page, qr_code, shelter, switch_to

pages = Blueprint("public", __name__)

SHOWN_UPDATES = 5
"""Updates listed on a petition's page, the newest."""


def petition_address(slug: str) -> str:
    """The address to share: from the configured base URL, without a language, so that each reader gets their own."""
    return f"{runtime().settings.base_url}{url_for('public.petition', slug=slug)}"


@pages.get("/")
@allow(Access.PUBLIC)
def home() -> Response:
    """The list of open petitions."""
    switch_to(request.path)
    shown = page("home.html", petitions=petitions.list_live(runtime(), language()))
    return for_everybody(shown.get_data(), "text/html")


@pages.get("/p/<slug>")
@allow(Access.PUBLIC)
def petition(slug: str) -> Response:
    """A petition with its form; nothing in it is about the reader."""
    switch_to(request.path)
    return for_everybody(petition_page(slug).get_data(), "text/html")


def petition_page(
    slug: str,
    form: signing.SignForm = forms.EMPTY,
    *,
    problems: forms.Problems = forms.NO_PROBLEMS,
    notice: str = "",
    status: int = 200,
    has_trap: bool = True,
    challenge: Mapping[str, object] | None = None,
) -> Response:
    """The page of a petition, with its form as it was typed; without the trap for a signer who was caught in it."""
    shown = signature_petition_page.show(runtime(), slug, language())
    shelter(discreet=shown.discreet)
    return page(
        "petition.html",
        status=status,
        petition=shown,
        form=form,
        problems=problems,
        notice=notice,
        has_trap=has_trap,
        challenge=challenge,
        stamp=signing.form_stamp(runtime(), slug, shown.text_version_id),
        countries=countries.names(language()),
        open=shown.state is PetitionState.LIVE,
        # While signing is paused, what was typed is shown again, and other readers get no form.
        has_form=form is not forms.EMPTY or not shown.signing_paused,
        consent=consents.wording("sign", language()),
        updates_wording=consents.wording("updates", language()),
        reason_limit=MAX_REASON,
        address=petition_address(slug),
        updates=blast_pages.published(runtime(), slug, language(), limit=SHOWN_UPDATES),
    )


@pages.get("/p/<slug>/sign")
@allow(Access.PUBLIC)
def sign_again(slug: str) -> Response:
    """A reload or a bookmark of the form's address leads back to the petition."""
    return current_app.make_response(redirect(link("public.petition", slug=slug), 303))


@pages.post("/p/<slug>/sign")
@allow(Access.PUBLIC, from_elsewhere=True)
def sign(slug: str) -> Response:
    """Write down a sign-up and lead to its page; the same work and the same answer for every address."""
    switch_to(request.path.removesuffix("/sign"))
    if forms.from_elsewhere(current_app.config["OWN_ORIGINS"]):
        return petition_page(slug, notice=_("This form was sent from another site. Please sign here."), status=403)
    form = _without_public_name(slug, forms.sign_form(request.form, language()))
    if forms.typed("website"):
        # A program, or the password manager of a signer: the form shown now has no trap, and is taken.
        notice = _("Nothing was sent yet. Please check the form and press the button once more.")
        return petition_page(slug, form, notice=notice, status=422, has_trap=False)
    try:
        ref = _ask(slug, form)
    except ConflictError:
        return petition_page(
            slug, notice=_("This petition closed before your signature arrived, so it wasn’t counted."), status=409
        )
    except InvalidInputError as error:
        problems = forms.worded(error.problems)
        notice = problems.pop("stamp", "")
        has_trap = "website" in request.form
        return petition_page(slug, form, notice=notice, problems=problems, status=422, has_trap=has_trap)
    except (NetworkBusyError, SigningPausedError) as later:
        return _later(slug, form, later)
    return current_app.response_class(status=303, headers={"Location": _inbox_address(slug, ref)}, mimetype="text/html")


def _later(slug: str, form: signing.SignForm, error: NetworkBusyError | SigningPausedError) -> Response:
    has_trap = "website" in request.form
    if isinstance(error, SigningPausedError):
        return petition_page(slug, form, status=503, has_trap=has_trap)
    if isinstance(error, NetworkShieldedError):
        return petition_page(slug, form, status=429, has_trap=has_trap, challenge=proofs.make(runtime()))
    return petition_page(slug, form, notice=_(forms.NETWORK_BUSY), status=429, has_trap=has_trap)


def _without_public_name(slug: str, form: signing.SignForm) -> signing.SignForm:
    # A form loaded before discreet mode was turned on still has the tick.
    return replace(form, show_name=False) if petitions.by_slug(runtime(), slug).petition.discreet else form


def _inbox_address(slug: str, ref: str) -> str:
    # What link() would build for check_inbox.show, without its cost: both parts are safe in an address.
    return f"/p/{slug}/inbox/{ref}?lang={language()}"


def _ask(slug: str, form: signing.SignForm) -> str:
    forms.check_readable(form)
    shown = signing.read_stamp(runtime(), slug, forms.typed("stamp"))
    network = request.remote_addr or ""
    return requests.request_signature(runtime(), slug, form, network=network, text_version_id=shown, effort=_effort())


def _effort() -> Effort:
    if "wait" in request.form:
        return Effort.WAITS
    answer = forms.typed("altcha")
    return Effort.PROVEN if answer and proofs.is_solved(runtime(), answer) else Effort.NONE


def shelter_for(slug: str) -> None:
    """Make this answer discreet if its petition is."""
    shelter(discreet=petitions.by_slug(runtime(), slug).petition.discreet)


def title_of(slug: str) -> str:
    """The title of a public petition in the language of this answer.

    Raises:
        NotFoundError: no such petition, or it is still a draft.
    """
    petitions.count(runtime(), slug)
    shelter_for(slug)
    return petitions.by_slug(runtime(), slug).text_for(language()).title


@pages.get("/p/<slug>/count.json")
@allow(Access.PUBLIC)
def count(slug: str) -> Response:
    """The public count and the goal; cacheable for a second, with an ETag."""
    now = petitions.count(runtime(), slug, fresh=True)
    response = for_everybody(jsonify(count=now.count, goal=now.goal).get_data(), "application/json")
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response


@pages.get("/p/<slug>/thanks")
@allow(Access.PUBLIC)
def thanks(slug: str) -> Response:
    """The page to share from; its address holds no token."""
    shown = signature_petition_page.show(runtime(), slug, language())
    shelter(discreet=shown.discreet)
    address = petition_address(slug)
    response = page(
        "thanks.html",
        petition=shown,
        open=shown.state is PetitionState.LIVE,
        address=address,
        qr=qr_code(address),
    )
    response.headers["Cache-Control"] = "private, max-age=1"
    response.headers["X-Robots-Tag"] = "noindex"
    return response


@pages.get("/p/<slug>/qr.svg")
@allow(Access.PUBLIC)
def qr(slug: str) -> Response:
    """The petition's address as a QR code, for posters."""
    petitions.count(runtime(), slug)
    drawn = str(qr_code(petition_address(slug))).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    response = current_app.response_class(drawn, mimetype="image/svg+xml")
    response.headers["Cache-Control"] = "public, max-age=3600"
    return response


@pages.get("/privacy")
@allow(Access.PUBLIC)
def privacy() -> Response:
    """What is kept, why, how long, and what a signer can do about it."""
    return page("privacy.html")
