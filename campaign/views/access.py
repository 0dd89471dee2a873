"""Who may open a page: every route declares its rule, and a route without one is never served."""

import hmac
import ipaddress
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TypeVar

from flask import Flask, Response, abort, current_app, request

from campaign.views import forms, visitor
from campaign.views.current import runtime

View = TypeVar("View", bound=Callable[..., object])

MARK = "access_rule"
"""Attribute of a view function that holds its rule."""

ELSEWHERE = "from_elsewhere"
"""Attribute of a view function that says whether it gets forms of other sites."""


KEEPS = "keeps_forms"
"""Attribute of a view function that says whether its form is kept when the session has ended."""


class Access(StrEnum):
    """The rules a route can declare."""

    PUBLIC = "public"
    """Anyone; no personal data is shown."""

    TOKEN = "token"  # noqa: S105 - the name of a rule
    """The holder of the signed link; the use case reads the token."""

    MAILBOX = "mailbox"
    """Anyone who reaches this machine, and only while mail stays in the local mail server."""

    ORGANISER = "organiser"
    """Signed-in users; a page of one petition (``<slug>``) is there for its organisers and for admins only."""

    ADMIN = "admin"
    """Admins; for an organiser such a page is not there."""

    HOOK = "hook"
    """A mail provider that proves itself; the view checks the proof, before anything else."""

    METRICS = "metrics"
    """This machine, or a client with the token of COUNTERSIGN_METRICS_TOKEN."""


def allow(rule: Access, *, from_elsewhere: bool = False, keeps: bool = False) -> Callable[[View], View]:
    """Declare the access rule of a view; goes below its route decorators.

    Args:
        rule: who may open it.
        from_elsewhere: forms of other sites reach the view: it refuses them itself, with words of its own, or takes
            them because no browser sends them (RFC 8058).
        keeps: what is typed in its form is kept for the writer if the session has ended meanwhile.
    """

    def mark(view: View) -> View:
        setattr(view, MARK, rule)
        setattr(view, ELSEWHERE, from_elsewhere)
        setattr(view, KEEPS, keeps)
        return view

    return mark


def rule_of(app: Flask, endpoint: str) -> Access | None:
    """The rule that a route declares; None if it declares none."""
    if endpoint == "static":
        # Flask makes this view itself; its files are part of the public source.
        return Access.PUBLIC
    return getattr(app.view_functions.get(endpoint), MARK, None)


def _open() -> None:
    """Let everybody in."""


def _only_with_local_mailbox() -> None:
    if not current_app.config["LOCAL_MAILBOX"]:
        abort(404)


def _only_signed_in() -> Response | None:
    keeps = bool(getattr(current_app.view_functions[request.endpoint or ""], KEEPS, False))
    if (answer := visitor.admit(keeps=keeps)) is not None:
        return answer
    slug = (request.view_args or {}).get("slug")
    if slug is not None:
        visitor.open_petition(slug)
    return None


def _only_admins() -> Response | None:
    if (answer := visitor.admit()) is not None:
        return answer
    if not visitor.account().is_admin:
        abort(404)
    return None


FORWARDED = ("X-Forwarded-For", "X-Real-IP", "Forwarded", "Via")
"""Headers of a proxy: with one of them a request from this machine comes from elsewhere."""


def _only_this_machine_or_token() -> None:
    token = runtime().settings.metrics_token
    sent = request.headers.get("Authorization", "")
    if token and hmac.compare_digest(sent.encode(), f"Bearer {token}".encode()):
        return
    # Behind a proxy of this machine every visitor may seem to be this machine.
    is_direct = not runtime().settings.proxies and not any(name in request.headers for name in FORWARDED)
    if is_direct and ipaddress.ip_address(request.remote_addr or "0.0.0.0").is_loopback:  # noqa: S104 - a placeholder
        return
    if token:
        abort(Response("A bearer token is needed.\n", 401, {"WWW-Authenticate": "Bearer"}, mimetype="text/plain"))
    abort(404)


CHECKS: Mapping[Access, Callable[[], Response | None]] = {
    Access.PUBLIC: _open,
    Access.TOKEN: _open,
    Access.MAILBOX: _only_with_local_mailbox,
    Access.ORGANISER: _only_signed_in,
    Access.ADMIN: _only_admins,
    Access.HOOK: _open,
    Access.METRICS: _only_this_machine_or_token,
}
"""What is checked before a view runs. A check refuses by ``abort``, or by an answer of its own (to sign in first)."""


def guard() -> Response | None:
    """Check the rule of the route asked for; runs before every request. A route without a rule is refused (403)."""
    if request.endpoint is None:
        # No such page, or not with this method: Flask answers 404 or 405 by itself.
        return None
    rule = rule_of(current_app, request.endpoint)
    if rule is None or _is_sent_by_another_site(request.endpoint, rule):
        abort(403)
    return CHECKS[rule]()


def _is_sent_by_another_site(endpoint: str, rule: Access) -> bool:
    if request.method in visitor.SAFE_METHODS or getattr(current_app.view_functions[endpoint], ELSEWHERE, False):
        return False
    is_foreign = forms.is_forged if rule is Access.TOKEN else forms.is_foreign
    headers = request.headers
    return is_foreign(headers.get("Sec-Fetch-Site"), headers.get("Origin"), current_app.config["OWN_ORIGINS"])
