"""The page after signing: "check your inbox", the code field, "wrong address?" and "send it again"; reloadable."""

from datetime import UTC, datetime

from flask import Blueprint, Response, current_app, redirect, request
from markupsafe import Markup

from campaign import i18n
from campaign.errors import NetworkBusyError, RequestGoneError
from campaign.signatures import requests
from campaign.views import forms, said
from campaign.views.access import Access, allow
from campaign.views.current import runtime
from campaign.views.errors import meant
from campaign.views.headers import keep_private
from campaign.views.language import gettext, language
from campaign.views.public.petition import petition_page, title_of
from campaign.views.rendering import link, page

pages = Blueprint("check_inbox", __name__)

TOO_MANY = 429
"""Status of RFC 6585 section 4."""


@pages.get("/p/<slug>/inbox/<ref>")
@allow(Access.TOKEN)
def show(slug: str, ref: str) -> Response:
    """The page of one sign-up, the same whatever a worker decides about it; may be reloaded and gone back to."""
    return inbox(slug, ref, again=said.is_proof(request.args.get("again", ""), f"again {ref}"))


def inbox(
    slug: str, ref: str, *, problems: forms.Problems = forms.NO_PROBLEMS, again: bool = False, status: int = 0
) -> Response:
    """The page with the address, the email's subject and the code field; or the page that says it is gone."""
    title = title_of(slug)
    try:
        sent = requests.look_up(runtime(), slug, ref)
    except RequestGoneError:
        return gone(slug)
    return keep_private(
        page(
            "inbox.html",
            status=status or (422 if problems else 200),
            slug=slug,
            title=title,
            ref=sent.ref,
            sent=sent,
            arrival=None if sent.arrives_at is None else arrival(sent.arrives_at),
            busy=gettext(forms.NETWORK_BUSY) if status == TOO_MANY else "",
            code=forms.typed("code"),
            problems=problems,
            again=again,
        )
    )


def arrival(when: datetime) -> tuple[Markup, str]:
    """The time of day of a booking, and how far away it is.

    In UTC, for nothing is known of the reader's zone; static/js/clock.js shows it in that of the browser.
    """
    clock = i18n.format_time(when, language(), zone=UTC)
    time = Markup('<time datetime="{}" data-clock>{} UTC</time>').format(when.isoformat(timespec="minutes"), clock)
    return time, i18n.format_duration(when - runtime().clock(), language())


def gone(slug: str) -> Response:
    """Say that the page of a sign-up is deleted, and offer the other ways: the code form and the petition."""
    return meant() or keep_private(
        page(
            "code.html",
            status=410,
            slug=slug,
            title=title_of(slug),
            email="",
            code=forms.typed("code"),
            problems=forms.NO_PROBLEMS,
            is_gone=True,
        )
    )


@pages.post("/p/<slug>/inbox/<ref>/again")
@allow(Access.TOKEN)
def again(slug: str, ref: str) -> Response:
    """Ask for the confirmation once more, within the allowance of its mailbox; the answer is always the same."""
    try:
        if not requests.look_up(runtime(), slug, ref).may_resend:
            return current_app.make_response(redirect(link("check_inbox.show", slug=slug, ref=ref), 303))
        requests.request_again(runtime(), slug, ref, network=request.remote_addr or "")
    except RequestGoneError:
        return gone(slug)
    except NetworkBusyError:
        return inbox(slug, ref, status=TOO_MANY)
    there = link("check_inbox.show", slug=slug, ref=ref, again=said.proof(f"again {ref}"))
    return current_app.make_response(redirect(there, 303))


@pages.get("/p/<slug>/inbox/<ref>/change")
@allow(Access.TOKEN)
def change(slug: str, ref: str) -> Response:
    """The petition's form with everything that was typed; sending it is a sign-up of its own."""
    try:
        form = requests.form_of(runtime(), slug, ref)
    except RequestGoneError:
        return gone(slug)
    return keep_private(petition_page(slug, form))
