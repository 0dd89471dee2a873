"""The yardstick of the web: a bare view in the same server."""

from flask import Flask

from campaign.views.gateway import Gateway


def create_app() -> Flask:
    """One view that says hello."""
    app = Flask("hello")

    @app.get("/hello")
    def hello() -> str:
        return "hello"

    return app


def create_server() -> Gateway:
    """The view behind what stands before every view."""
    return Gateway(create_app(), threads=16, recall=lambda _environ: None, may_send_much=lambda _environ: False)
