"""Confirming by mail: a page whose GET changes nothing, one button, a code for other devices, and "I did not sign"."""

from flask import Blueprint, Response, current_app, redirect, request, url_for

from campaign.accounts import countries
from campaign.accounts.addresses import MAX_REASON
from campaign.errors import InvalidInputError, RequestGoneError
from campaign.signatures import confirming, consents
from campaign.signatures.page_opens import PageOpens
from campaign.signatures.signing import SignForm
from campaign.states import SignatureState
from campaign.views import forms
from campaign.views.access import Access, allow
from campaign.views.current import runtime
from campaign.views.headers import keep_private, without_referrer
from campaign.views.language import gettext as _
from campaign.views.language import language, speak
from campaign.views.public.backups import copies_of_today
from campaign.views.public.check_inbox import gone, inbox
from campaign.views.public.petition import shelter_for, title_of
from campaign.views.rendering import link, switch_to
from campaign.views.rendering import page as render

pages = Blueprint("confirm", __name__)

OPENS = "page_opens"
"""Key in Flask's ``extensions`` of what counts opened pages."""


@pages.get("/c/<token>")
@allow(Access.TOKEN)
def page(token: str) -> Response:
    """The petition's title and one button. Mail scanners open this address: it changes nothing, but is counted."""
    waiting = confirming.look_up_confirmation(runtime(), token)
    opens: PageOpens = current_app.extensions[OPENS]
    opens.note(waiting.opened)
    speak(waiting.locale)
    shelter_for(waiting.slug)
    template = "already.html" if waiting.state is SignatureState.CONFIRMED else "confirm.html"
    return without_referrer(render(template, waiting=waiting, token=token))


@pages.post("/c/<token>")
@allow(Access.TOKEN)
def press(token: str) -> Response:
    """Confirm, once; pressing again leads to the same thanks."""
    confirmed = confirming.confirm(runtime(), token, is_other=forms.typed("signer") == "other")
    speak(confirmed.locale)
    return _to_thanks(confirmed.slug)


def _to_thanks(slug: str) -> Response:
    return without_referrer(current_app.make_response(redirect(link("public.thanks", slug=slug), 303)))


@pages.get("/c/<token>/correct")
@allow(Access.TOKEN)
def correct(token: str) -> Response:
    """The form of a sign-up that waits for its confirmation, to be corrected; its link stays the same."""
    return _correct_form(token)


def _correct_form(
    token: str, form: SignForm | None = None, *, problems: forms.Problems = forms.NO_PROBLEMS
) -> Response:
    waiting = confirming.look_up_confirmation(runtime(), token)
    speak(waiting.locale)
    shelter_for(waiting.slug)
    if waiting.state is SignatureState.CONFIRMED:
        return without_referrer(render("already.html", waiting=waiting, token=token))
    return without_referrer(
        render(
            "correct.html",
            status=422 if problems else 200,
            waiting=waiting,
            form=form or waiting,
            problems=problems,
            token=token,
            countries=countries.names(language()),
            updates_wording=consents.wording("updates", language()),
            reason_limit=MAX_REASON,
        )
    )


@pages.post("/c/<token>/correct")
@allow(Access.TOKEN)
def corrected(token: str) -> Response:
    """Store the corrected form and lead back to the button."""
    form = forms.sign_form(request.form, language())
    try:
        forms.check_readable(form)
        confirming.correct(runtime(), token, form)
    except InvalidInputError as error:
        return _correct_form(token, form, problems=forms.worded(error.problems))
    return without_referrer(current_app.make_response(redirect(link("confirm.page", token=token), 303)))


@pages.get("/c/<token>/decline")
@allow(Access.TOKEN)
def decline(token: str) -> Response:
    """Ask whether to erase the address of a recipient who did not sign; changes nothing."""
    waiting = confirming.look_up_confirmation(runtime(), token)
    speak(waiting.locale)
    shelter_for(waiting.slug)
    is_confirmed = waiting.state is SignatureState.CONFIRMED
    return without_referrer(render("decline.html", waiting=waiting, token=token, is_confirmed=is_confirmed))


@pages.post("/c/<token>/decline")
@allow(Access.TOKEN)
def declined(token: str) -> Response:
    """Erase a signature that was entered by someone else."""
    speak(confirming.decline(runtime(), token))
    switch_to(url_for("public.home"))
    return without_referrer(
        render(
            "message.html",
            sign="tick",
            heading=_("This signature is erased"),
            sentences=[
                _(
                    "It doesn’t count, its email address, name and reason are removed, "
                    "and you won’t get any more email about it."
                ),
                *filter(None, [copies_of_today()]),
                _("Thank you for telling us. You can close this page."),
            ],
            back="",
            back_label="",
        )
    )


@pages.get("/p/<slug>/code")
@allow(Access.PUBLIC)
def code_page(slug: str) -> Response:
    """Confirm with address and code, from a device that never saw the form."""
    return _code_form(slug)


def _code_form(slug: str, *, problems: forms.Problems = forms.NO_PROBLEMS) -> Response:
    title = title_of(slug)
    status = 422 if problems else 200
    return keep_private(
        render(
            "code.html",
            status=status,
            slug=slug,
            title=title,
            email=forms.typed("email"),
            code=forms.typed("code"),
            problems=problems,
            is_gone=False,
        )
    )


@pages.post("/p/<slug>/code")
@allow(Access.PUBLIC)
def code(slug: str) -> Response:
    """Confirm with the code; beside it the reference of the page after signing, or the address."""
    ref, email, digits = forms.typed("ref"), forms.typed("email"), forms.typed("code")
    switch_to(url_for("check_inbox.show", slug=slug, ref=ref) if ref else url_for("confirm.code_page", slug=slug))
    try:
        confirmed = confirming.confirm_with_code(
            runtime(), slug, code=digits, ref=ref, email=email, network=request.remote_addr
        )
    except InvalidInputError as error:
        problems = forms.worded(error.problems)
        return inbox(slug, ref, problems=problems) if ref else _code_form(slug, problems=problems)
    except RequestGoneError:
        return gone(slug)
    return _to_thanks(confirmed.slug)
