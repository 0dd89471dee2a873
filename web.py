"""The web application. Importing this module does nothing; :func:`create_app` makes one."""

import contextlib
from urllib.parse import urlsplit

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from campaign.errors import StoreUnavailableError
from campaign.runtime import Runtime, build
from campaign.settings import Settings, load_settings
from campaign.variables import LOCAL_HOSTS
from campaign.views import access, current, errors, headers, page_cache, rendering, visitor
from campaign.views import health as views_health
from campaign.views.admin import accounts, audit, messages, monitor, suppressions, words
from campaign.views.admin import petitions as admin_petitions
from campaign.views.desk import account, frame, overview, people, petitions, previews, signatures, text, update
from campaign.views.desk import settings as desk_settings
from campaign.views.desk import updates as desk_updates
from campaign.views.public import check_inbox, confirm, mailbox, petition, preferences, sign_in, updates
from tasks.app import make_app
from tasks.nudging import Nudger

MAX_REQUEST = 64 * 1024
"""Bytes of a request: a form with every field full is under 8 KB in any script."""

VIEWS = (
    *(petition, check_inbox, updates, confirm, preferences, mailbox, views_health, sign_in),
    *(petitions, overview, text, desk_settings, people, signatures, desk_updates, update),
    *(previews, account),
    *(monitor, messages, admin_petitions, accounts, suppressions, audit),
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
    app = errors.Site("countersign", static_folder=str(rendering.STATIC), template_folder=str(rendering.TEMPLATES))
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_REQUEST,
        MAX_FORM_MEMORY_SIZE=MAX_REQUEST,
        MAX_FORM_PARTS=40,
        TRUSTED_HOSTS=trusted_hosts(settings),
        LOCAL_MAILBOX=settings.local_mailbox,
        OWN_ORIGINS=own_origins(settings),
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]  # of the default provider
    opened = opening(settings) if runtime is None else current.Opening.of(runtime)
    current.attach(app, opened)
    rendering.install(app, settings)
    errors.install(app)
    headers.install(app, settings)
    visitor.install(app)
    words.install(app)
    frame.install(app)
    app.before_request(access.guard)
    for views in VIEWS:
        app.register_blueprint(views.pages)
    if settings.proxies:
        # X-Forwarded-Host is never believed: links come from the base URL.
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=settings.proxies, x_proto=settings.proxies, x_host=0)  # type: ignore[method-assign]
    app.wsgi_app = app.extensions[page_cache.PLACE] = page_cache.PageCache(app.wsgi_app)  # type: ignore[method-assign]
    return app


def opening(settings: Settings) -> current.Opening:
    """The runtime of a web process: at most two database connections per thread, and workers woken after each commit.

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
