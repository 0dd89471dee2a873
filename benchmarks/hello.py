"""The yardstick of the web: a bare view in the same server."""

from flask import Flask


def create_app() -> Flask:
    """One view that says hello."""
    app = Flask("hello")

    @app.get("/hello")
    def hello() -> str:
        return "hello"

    return app
