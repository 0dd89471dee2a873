"""The Flask application: its settings, its hooks, and every page. web.py gives it a runtime and a page cache."""

from urllib.parse import urlsplit

from flask import Flask

from campaign.errors import PageLockedError
from campaign.settings import Settings
from campaign.signatures.page_opens import PageOpens
from campaign.variables import LOCAL_HOSTS
from campaign.views import access, current, errors, headers, health, proxies, rendering, route, visitor
from campaign.views.admin import accounts, audit, feedback, messages, monitor, networks, suppressions, words
from campaign.views.admin import acts as admin_acts
from campaign.views.admin import petitions as admin_petitions
from campaign.views.admin import site as admin_site
from campaign.views.desk import (
    account,
    acts,
    frame,
    handover,
    kept,
    overview,
    people,
    petitions,
    previews,
    signatures,
    sure,
    text,
    update,
)
from campaign.views.desk import settings as desk_settings
from campaign.views.desk import updates as desk_updates
from campaign.views.public import (
    check_inbox,
    confirm,
    hooks,
    mailbox,
    mine,
    moving,
    news,
    own_code,
    petition,
    preferences,
    sign_in,
    site,
    updates,
)

MAX_REQUEST = 64 * 1024
"""Bytes of a request: a form with every field full is under 8 KB in any script."""

PAGES = (
    *(petition, check_inbox, updates, news, confirm, mine, moving, own_code, preferences, mailbox, health, sign_in),
    *(petitions, overview, text, desk_settings, people, signatures, desk_updates, update, previews, account, kept),
    *(sure, acts, handover),
    *(
        monitor,
        messages,
        feedback,
        admin_petitions,
        accounts,
        suppressions,
        networks,
        audit,
        admin_acts,
        admin_site,
        hooks,
        site,
    ),
)
"""The modules that hold pages: for supporters, organisers and admins."""


def make_site(settings: Settings, opening: current.LazyRuntime) -> Flask:
    """Make the application with all its pages. It answers 503 while the database is away."""
    app = errors.FlaskSite("countersign", static_folder=str(rendering.STATIC), template_folder=str(rendering.TEMPLATES))
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_REQUEST,
        MAX_FORM_MEMORY_SIZE=MAX_REQUEST,
        MAX_FORM_PARTS=40,
        TRUSTED_HOSTS=trusted_hosts(settings),
        LOCAL_MAILBOX=settings.local_mailbox,
        OWN_ORIGINS=own_origins(settings),
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]  # of the default provider
    current.attach(app, opening)
    # First, so that the route of a request that is refused is known.
    route.install(app)
    app.extensions[confirm.OPENS] = PageOpens.of(settings)
    rendering.install(app, settings)
    errors.install(app)
    app.register_error_handler(PageLockedError, own_code.locked)
    headers.install(app, settings)
    visitor.install(app)
    words.install(app)
    frame.install(app)
    proxies.install(app, settings)
    hooks.install(app)
    app.before_request(access.guard)
    for module in PAGES:
        app.register_blueprint(module.pages)
    return app


def trusted_hosts(settings: Settings) -> list[str]:
    """Host names that a request may be for; any other gets 400."""
    return sorted({settings.host, *(LOCAL_HOSTS if settings.is_local else ())})


def own_origins(settings: Settings) -> frozenset[str]:
    """Values of the Origin header that our own forms send."""
    base = urlsplit(settings.base_url)
    names = {settings.host, *(LOCAL_HOSTS if settings.is_local else ())}
    port = f":{base.port}" if base.port else ""
    return frozenset(f"{base.scheme}://{f'[{name}]' if ':' in name else name}{port}" for name in names)
