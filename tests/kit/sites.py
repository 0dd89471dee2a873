"""The web application of a test. Templates and routes are compiled once per process, not once per test."""

from types import CodeType
from typing import Any

from flask import Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket

from campaign.runtime import Runtime
from campaign.ttl_cache import TTLCache
from campaign.views import current
from campaign.views.current import LazyRuntime
from campaign.views.page_cache import PageCache
from web import create_app


class CompiledOnce(BytecodeCache):
    """Keeps compiled templates in memory, by their name and a hash of their source."""

    def __init__(self) -> None:
        self._codes: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._codes.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._codes[bucket.key, bucket.checksum] = bucket.code


COMPILED = CompiledOnce()


OF_ONE_TEST = {"database_url", "redis_url", "data"}
"""Settings that differ from test to test and that nothing of an application depends on."""

_kept: dict[str, tuple[Flask, tuple[dict[str, Any], ...]]] = {}


def _state(app: Flask) -> tuple[dict[str, Any], ...]:
    """What a test may change of an application."""
    return app.extensions, app.config, app.view_functions


def borrow_web(runtime: Runtime) -> Flask:
    """The application of an earlier test with the same settings, on another runtime and with nothing remembered.

    Werkzeug compiles a hundred routes for each new application, which takes longer than most tests. Two runtimes at the
    same time need one each: :func:`make_web`.
    """
    key = repr(sorted(runtime.settings.model_dump(exclude=OF_ONE_TEST).items()))
    if key not in _kept:
        made = make_web(runtime)
        _kept[key] = made, tuple(map(dict, _state(made)))
    app, as_made = _kept[key]
    for part, values in zip(_state(app), as_made, strict=True):
        part.clear()
        part.update(values)
    for extension in app.extensions.values():
        if isinstance(extension, PageCache | TTLCache):
            extension.clear()
    current.attach(app, LazyRuntime.of(runtime))
    return app


def make_web(runtime: Runtime) -> Flask:
    """The application on a runtime."""
    app = create_app(runtime=runtime)
    app.jinja_env.bytecode_cache = COMPILED
    return app
