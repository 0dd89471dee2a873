"""Let Flask note the route of each request, for what counts it in front of Flask."""

from flask import Flask, request

from campaign.operations.request_counts import ROUTE


def install(app: Flask) -> None:
    """Note the template of the route, such as ``/p/<slug>``, in the WSGI environment."""
    app.before_request(_note)


def _note() -> None:
    if request.url_rule is not None:
        request.environ[ROUTE] = request.url_rule.rule
