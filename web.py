"""The web application. Importing this module does nothing; :func:`create_app` makes one."""

import contextlib

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from campaign import log_lines
from campaign.errors import StoreUnavailableError
from campaign.operations.request_counts import CountsKeeper, RequestCounts
from campaign.runtime import Runtime, build
from campaign.settings import Settings, load_settings
from campaign.views import current, page_cache, visitor
from campaign.views.current import LazyRuntime
from campaign.views.gateway import Gateway
from campaign.views.public import hooks
from campaign.views.site import make_site
from tasks.app import make_app
from tasks.nudging import Nudger


def create_app(settings: Settings | None = None, runtime: Runtime | None = None) -> Flask:
    """Make the web application. Without its database it is made all the same, and answers 503 until that is back.

    Args:
        settings: read from the environment if neither they nor a runtime are given.
        runtime: made from the settings if not given; tests hand in their own.

    Raises:
        SettingsError: the environment has missing or wrong variables.
    """
    settings = runtime.settings if runtime is not None else settings or load_settings()
    app = make_site(settings, open_runtime(settings) if runtime is None else LazyRuntime.of(runtime))
    if settings.proxies:
        # X-Forwarded-Host is never believed: links come from the base URL.
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=settings.proxies, x_proto=settings.proxies, x_host=0)  # type: ignore[method-assign]
    app.wsgi_app = app.extensions[page_cache.PLACE] = page_cache.PageCache(app.wsgi_app)  # type: ignore[method-assign]
    return app


def create_server() -> Gateway:
    """What `countersign web` serves: the application, in threads that no half-sent request can hold.

    Raises:
        SettingsError: the environment has missing or wrong variables.
    """
    settings = load_settings()
    if log_lines.asks_for_json(settings.log_format):
        log_lines.configure(level=settings.log_level)
    app = create_app(settings)
    opening: LazyRuntime = app.extensions[current.PLACE]
    kept: page_cache.PageCache = app.extensions[page_cache.PLACE]
    counts = RequestCounts()
    keeper = CountsKeeper(counts, opening.runtime)
    keeper.start()
    return Gateway(
        app,
        threads=settings.web_threads,
        recall=kept.recall,
        may_send_much=lambda environ: visitor.may_send_much(opening, environ),
        room=lambda environ: hooks.room(settings, environ),
        note=counts.note,
        end=keeper.stop,
    )


def open_runtime(settings: Settings) -> LazyRuntime:
    """The runtime of a web process: at most two database connections per thread, and workers woken after each commit.

    Raises:
        DecryptionError: the instance keys do not open this database.
    """
    nudge = Nudger(make_app(settings))
    opening = LazyRuntime(lambda: build(settings, nudge=nudge, pool_size=settings.web_threads))
    with contextlib.suppress(StoreUnavailableError):
        # Opened before the first request if it can be: keys that do not fit are then reported at the start.
        opening.runtime()
    return opening
