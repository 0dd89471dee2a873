"""The web application of a test. Its templates are compiled once per process, not once per test."""

from types import CodeType

from flask import Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket

from campaign.runtime import Runtime
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


def make_web(runtime: Runtime) -> Flask:
    """The application on a runtime."""
    app = create_app(runtime=runtime)
    app.jinja_env.bytecode_cache = COMPILED
    return app
