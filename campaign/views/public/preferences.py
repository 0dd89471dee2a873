"""The signer's own page and the unsubscribe page, both opened by a link in mail."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, Response, current_app, jsonify, redirect, request, url_for

from campaign.accounts import countries
from campaign.accounts.addresses import MAX_REASON
from campaign.errors import InvalidInputError
from campaign.petitions import petitions
from campaign.signatures import moving, own_links, preferences
from campaign.states import SignatureState
from campaign.views import forms, said
from campaign.views.access import Access, allow
from campaign.views.current import runtime
from campaign.views.headers import without_referrer
from campaign.views.language import gettext as _
from campaign.views.language import language, lazy, speak
from campaign.views.public.backups import copies_of_today
from campaign.views.public.petition import shelter_for
from campaign.views.rendering import link, page, switch_to

pages = Blueprint("preferences", __name__)

ONE_CLICK = "One-Click"
"""Value of the form field List-Unsubscribe in a request of RFC 8058, section 3.1."""


EFFECTIVE: Mapping[bool, str] = {
    True: lazy(
        "This takes effect immediately, also for emails already waiting to be sent. Your signature still counts."
    ),
    False: lazy("This takes effect immediately, also for emails already waiting to be sent."),
}
"""What the page after unsubscribing adds, by whether the signature counts."""


@pages.get("/u/<token>")
@allow(Access.TOKEN)
def unsubscribe_page(token: str) -> Response:
    """Ask which mail to stop; changes nothing, because mail scanners open this address."""
    view = preferences.unsubscribe_page(runtime(), token)
    speak(view.locale)
    shelter_for(view.slug)
    return without_referrer(page("unsubscribe.html", view=view, token=token))


@pages.post("/u/<token>")
@allow(Access.TOKEN, from_elsewhere=True)
def unsubscribe(token: str) -> Response:
    """Stop mail: at once for a mail program's one-click request (RFC 8058), else as chosen on the page."""
    if request.form.get("List-Unsubscribe") == ONE_CLICK:
        preferences.one_click(runtime(), token)
        return without_referrer(current_app.response_class("Unsubscribed.\n", mimetype="text/plain"))
    view = preferences.unsubscribe_page(runtime(), token)
    speak(view.locale)
    shelter_for(view.slug)
    everything = forms.typed("scope") == "everything" and view.has_address
    preferences.unsubscribe(runtime(), token, everything=everything)
    sentence = (
        _("You won’t get any more updates from us at this email address.")
        if everything
        else _("You won’t get any more updates about this petition.")
    )
    # An old email does not lead to a discreet petition.
    is_discreet = petitions.by_slug(runtime(), view.slug).petition.discreet
    return without_referrer(
        page(
            "message.html",
            sign="tick",
            heading=_("You are unsubscribed"),
            sentences=[sentence, _(EFFECTIVE[view.counts])],
            back="" if is_discreet else link("public.petition", slug=view.slug),
            back_label="" if is_discreet else _("To the petition"),
        )
    )


DONE: Mapping[str, str] = {
    "hide_name": lazy("Your name is hidden now."),
    "show_name": lazy("Your name is shown now."),
    "updates": lazy("You’ll get updates from now on."),
    "no_updates": lazy("You won’t get any more updates."),
    "correct": lazy("Your correction is saved."),
    "move": lazy(
        "We email a link to the new address. Press its button within a day; until then, the address stays as it is."
    ),
    "withdraw": lazy("Your signature is withdrawn and no longer counts."),
    "forget": lazy("You’ll be forgotten as soon as your thank-you email is settled: usually within a minute."),
}
"""What the own page says after an action, by the name of the action."""


@pages.get("/me/<token>")
@allow(Access.TOKEN)
def own(token: str) -> Response:
    """Everything kept about one signature, and every way to change it."""
    return _own_page(token)


def _own_page(
    token: str,
    *,
    form: Mapping[str, str] | None = None,
    new_email: str = "",
    problems: forms.Problems = forms.NO_PROBLEMS,
) -> Response:
    kept = preferences.own_page(runtime(), token)
    speak(kept.locale)
    shelter_for(kept.slug)
    action = request.args.get("done", "")
    is_said = action in DONE and said.is_proof(request.args.get("proof", ""), f"{action} {token}")
    done = DONE[action] if is_said else ""
    return without_referrer(
        page(
            "own.html",
            status=422 if problems else 200,
            own=kept,
            active=kept.state is SignatureState.CONFIRMED,
            state=_(STATES[kept.state]),
            consents=_consents(kept),
            token=token,
            until=own_links.works_until(runtime(), token),
            here=link("preferences.own", token=token),
            form=form or kept,
            new_email=new_email,
            problems=problems,
            done=_(done) if done else "",
            countries=countries.names(language()),
            reason_limit=MAX_REASON,
        )
    )


STATES: Mapping[SignatureState, str] = {
    SignatureState.PENDING: lazy("Not confirmed yet, so it doesn’t count"),
    SignatureState.CONFIRMED: lazy("Confirmed and counted"),
    SignatureState.WITHDRAWN: lazy("Withdrawn, no longer counted"),
    SignatureState.EXPIRED: lazy("Expired, not confirmed in time"),
    SignatureState.REMOVED: lazy("Removed by the administrators, not counted"),
}
"""The state of a signature in words."""


@dataclass(frozen=True)
class Agreed:
    """A consent as the own page lists it."""

    label: str
    text: str
    locale: str
    hash: str
    given_at: datetime


def _consents(kept: preferences.OwnPage) -> list[Agreed]:
    sign, updates = kept.consent, kept.updates_consent
    agreed = [Agreed(_("Signing"), sign.text, sign.locale, sign.hash, kept.requested_at)]
    if updates is not None:
        given_at = kept.updates_changed_at or kept.requested_at
        agreed.append(Agreed(_("Email updates"), updates.text, updates.locale, updates.hash, given_at))
    return agreed


@pages.post("/me/<token>")
@allow(Access.TOKEN)
def change(token: str) -> Response:
    """Do one of the actions of the own page; the token is the authority, so there is no session and no CSRF token."""
    action = forms.typed("action")
    if action in SECOND_PAGE and not own_links.is_assent(runtime(), token, action, forms.typed("assent")):
        # Not from the page before it, or too long ago: ask first.
        return without_referrer(current_app.make_response(redirect(link(SECOND_PAGE[action], token=token), 303)))
    if action == "erase":
        return _erase(token)
    if action == "move":
        return _move(token)
    if action not in ACTIONS:
        return current_app.make_response(redirect(link("preferences.own", token=token), 303))
    try:
        ACTIONS[action](token)
    except InvalidInputError as error:
        typed = {name: forms.typed(name) for name in ("name", "country", "reason")}
        return _own_page(token, form=typed, problems=forms.worded(error.problems))
    return _done(token, action)


def _done(token: str, action: str) -> Response:
    speak(preferences.own_page(runtime(), token).locale)
    there = link("preferences.own", token=token, done=action, proof=said.proof(f"{action} {token}"))
    return without_referrer(current_app.make_response(redirect(there, 303)))


def _move(token: str) -> Response:
    typed = forms.typed("new_email")
    try:
        moving.ask(runtime(), token, typed)
    except InvalidInputError as error:
        return _own_page(token, new_email=typed, problems=forms.worded({"new_email": error.problems["email"]}))
    return _done(token, "move")


def _correct(token: str) -> None:
    preferences.correct(
        runtime(), token, name=forms.typed("name"), country=forms.typed("country"), reason=forms.typed("reason")
    )


SECOND_PAGE: Mapping[str, str] = {
    "withdraw": "preferences.withdraw",
    "erase": "preferences.erase",
    "forget": "preferences.forget",
}
"""The page before each action that can't be undone; its button alone does the action."""

ACTIONS: Mapping[str, Callable[[str], object]] = {
    "hide_name": lambda token: preferences.set_name_shown(runtime(), token, show_name=False),
    "show_name": lambda token: preferences.set_name_shown(runtime(), token, show_name=True),
    "updates": lambda token: preferences.set_updates(runtime(), token, wants_updates=True),
    "no_updates": lambda token: preferences.set_updates(runtime(), token, wants_updates=False),
    "correct": _correct,
    "withdraw": lambda token: preferences.withdraw(runtime(), token),
    "forget": lambda token: preferences.forget(runtime(), token),
}
"""What each button of the own page does."""


@pages.get("/me/<token>/export.json")
@allow(Access.TOKEN)
def export(token: str) -> Response:
    """Everything kept about one signature, to take along."""
    response = jsonify(preferences.export(runtime(), token))
    response.headers["Content-Disposition"] = 'attachment; filename="signature.json"'
    return without_referrer(response)


@pages.get("/me/<token>/withdraw")
@allow(Access.TOKEN)
def withdraw(token: str) -> Response:
    """The step before withdrawing."""
    return _sure(
        token,
        action="withdraw",
        heading=lazy("Withdraw your signature?"),
        button=lazy("Withdraw my signature"),
        sentences=(
            lazy("Your signature stops counting within seconds."),
            lazy("Your name disappears from the page, and you won’t get any more email about this petition."),
            lazy("You can sign again later, as long as the petition is open."),
        ),
    )


@pages.get("/me/<token>/forget")
@allow(Access.TOKEN)
def forget(token: str) -> Response:
    """The step before being forgotten."""
    return _sure(
        token,
        action="forget",
        heading=lazy("Be forgotten?"),
        button=lazy("Forget me"),
        sentences=(
            lazy(
                "Your name, email address and reason are removed as soon as your thank-you email is settled, "
                "usually within a minute. Your signature still counts."
            ),
            lazy("You’ll get no updates, your name isn’t shown, and this page and its links stop working."),
            lazy(
                "An irreversible fingerprint of your mailbox stays, so that you’re counted once and can still withdraw."
            ),
        ),
        with_backups=True,
    )


REMOVED = lazy("Name, email address, country, language and reason are removed at once. Of times, only the day stays.")
FINGERPRINT = lazy("An irreversible fingerprint stays, so that you aren’t counted twice if you sign again.")
MARKED = frozenset({SignatureState.CONFIRMED, SignatureState.REMOVED})
"""The states in which an erased signature leaves a fingerprint: it counts, or may count again."""


@pages.get("/me/<token>/erase")
@allow(Access.TOKEN)
def erase(token: str) -> Response:
    """The step before erasing."""
    state = preferences.own_page(runtime(), token).state
    counts = [lazy("Your signature still counts, anonymously. If you don’t want that, withdraw it first.")]
    return _sure(
        token,
        action="erase",
        heading=lazy("Erase everything about you?"),
        button=lazy("Erase my data for good"),
        sentences=(
            REMOVED,
            *(counts if state is SignatureState.CONFIRMED else []),
            *([FINGERPRINT] if state in MARKED else []),
            lazy("This page and the private links in our emails to you stop working."),
        ),
        with_backups=True,
    )


def _sure(
    token: str, *, action: str, heading: str, button: str, sentences: tuple[str, ...], with_backups: bool = False
) -> Response:
    kept = preferences.own_page(runtime(), token)
    speak(kept.locale)
    shelter_for(kept.slug)
    copies = copies_of_today() if with_backups else ""
    return without_referrer(
        page(
            "sure.html",
            title=kept.title,
            heading=_(heading),
            button=_(button),
            sentences=[*(_(sentence) for sentence in sentences), *filter(None, [copies])],
            action=action,
            assent=own_links.assent(runtime(), token, action),
            here=link("preferences.own", token=token),
            back=link("preferences.own", token=token),
        )
    )


def _erase(token: str) -> Response:
    kept = preferences.own_page(runtime(), token)
    speak(kept.locale)
    shelter_for(kept.slug)
    preferences.erase(runtime(), token)
    switch_to(url_for("public.home"))
    return without_referrer(
        page(
            "message.html",
            sign="tick",
            heading=_("Your data are erased"),
            sentences=[
                *_what_stays(kept.state),
                *filter(None, [copies_of_today()]),
                _("You’ll get no more email about this petition. Thank you for having signed."),
            ],
            back=link("public.petition", slug=kept.slug),
            back_label=_("To the petition"),
        )
    )


def _what_stays(state: SignatureState) -> list[str]:
    if state is SignatureState.CONFIRMED:
        return [
            _("What stays is one in the count, the day, and an irreversible fingerprint that stops a second count.")
        ]
    return [_(REMOVED), *([_(FINGERPRINT)] if state in MARKED else [])]
