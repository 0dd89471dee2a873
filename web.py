"""The web application. Importing this module does nothing; :func:`create_app` makes one."""

import contextlib
import time
from urllib.parse import urlsplit

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from campaign.errors import StoreUnavailableError
from campaign.runtime import Runtime, build
from campaign.settings import Settings, load_settings
from campaign.variables import LOCAL_HOSTS
from campaign.views import (
    access,
    admin,
    admin_accounts,
    admin_audit,
    admin_messages,
    admin_petitions,
    admin_suppressions,
    admin_words,
    confirm,
    current,
    desk_account,
    desk_frame,
    desk_list,
    desk_overview,
    desk_people,
    desk_previews,
    desk_settings,
    desk_signatures,
    desk_text,
    desk_update,
    desk_updates,
    headers,
    inbox,
    kept,
    mailbox,
    metrics,
    preferences,
    public,
    rendering,
    sign_in,
    trouble,
    updates,
    visitor,
)
from campaign.views import health as views_health
from campaign.views.brief import Brief
from campaign.views.even_time import EvenTime
from campaign.views.plain_sign_ups import PlainSignUps
from tasks.app import make_app
from tasks.nudging import Nudger

MAX_REQUEST = 64 * 1024
"""Bytes of a request: a form with every field full is under 8 KB in any script."""

BRIEF_SECONDS = 1.0
"""How long the page after signing is kept, which differs by two words from one signer to the next."""

VIEWS = (
    *(public, updates, confirm, preferences, mailbox, views_health, metrics, sign_in),
    *(desk_list, desk_overview, desk_text, desk_settings, desk_people, desk_signatures, desk_updates, desk_update),
    *(desk_previews, desk_account),
    *(admin, admin_messages, admin_petitions, admin_accounts, admin_suppressions, admin_audit),
)
"""The modules that hold pages: supporters', the desk's, the monitor's."""


def create_app(settings: Settings | None = None, runtime: Runtime | None = None) -> Flask:
    """Make the web application. Without its database it is made all the same, and answers 503 until that is back.

    Args:
        settings: read from the environment if neither they nor a runtime are given.
        runtime: made from the settings if not given; tests hand in their own.

    Raises:
        SettingsError: the environment has missing or wrong variables.
    """
    settings = runtime.settings if runtime is not None else settings or load_settings()
    app = trouble.Site("countersign", static_folder=str(rendering.STATIC), template_folder=str(rendering.TEMPLATES))
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_REQUEST,
        MAX_FORM_MEMORY_SIZE=MAX_REQUEST,
        MAX_FORM_PARTS=40,
        TRUSTED_HOSTS=trusted_hosts(settings),
        LOCAL_MAILBOX=settings.local_mailbox,
        OWN_ORIGINS=own_origins(settings),
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]  # of the default provider
    pages: Brief[inbox.InboxPage] = Brief(BRIEF_SECONDS, time.monotonic)
    app.extensions[inbox.PAGES] = pages
    opened = opening(settings) if runtime is None else current.Opening.of(runtime)
    current.attach(app, opened)
    rendering.install(app, settings)
    trouble.install(app)
    headers.install(app, settings)
    visitor.install(app)
    admin_words.install(app)
    desk_frame.install(app)
    app.before_request(access.guard)
    for views in VIEWS:
        app.register_blueprint(views.pages)
    app.wsgi_app = PlainSignUps(  # type: ignore[method-assign]
        app.wsgi_app, runtime=opened.runtime, own_origins=own_origins(settings), pages=pages
    )
    app.wsgi_app = EvenTime(app.wsgi_app)  # type: ignore[method-assign]
    if settings.proxies:
        # X-Forwarded-Host is never believed: links come from the base URL.
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=settings.proxies, x_proto=settings.proxies, x_host=0)  # type: ignore[method-assign]
    app.wsgi_app = app.extensions[kept.PLACE] = kept.Kept(app.wsgi_app)  # type: ignore[method-assign]
    return app


def opening(settings: Settings) -> current.Opening:
    """The runtime of a web process: one database connection per thread, and workers woken after each commit.

    Raises:
        VaultError: the instance keys do not open this database.
    """
    nudge = Nudger(make_app(settings))
    made = current.Opening(lambda: build(settings, nudge=nudge, pool_size=settings.web_threads))
    with contextlib.suppress(StoreUnavailableError):
        # Opened before the first request if it can be: keys that do not fit are then said at the start.
        made.runtime()
    return made


def trusted_hosts(settings: Settings) -> list[str]:
    """Host names that a request may be for; any other gets 400."""
    return sorted({settings.host, *(LOCAL_HOSTS if settings.is_local else ())})


def own_origins(settings: Settings) -> frozenset[str]:
    """Values of the Origin header that our own forms send."""
    base = urlsplit(settings.base_url)
    names = {settings.host, *(LOCAL_HOSTS if settings.is_local else ())}
    port = f":{base.port}" if base.port else ""
    return frozenset(f"{base.scheme}://{f'[{name}]' if ':' in name else name}{port}" for name in names)
