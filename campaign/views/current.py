"""The runtime of the application that answers this request."""

from flask import Flask, current_app

from campaign.runtime import Runtime

PLACE = "countersign"
"""Key in Flask's ``extensions``."""


def attach(app: Flask, runtime: Runtime) -> None:
    """Give an application its runtime."""
    app.extensions[PLACE] = runtime


def runtime() -> Runtime:
    """The runtime that this application was made with."""
    found: Runtime = current_app.extensions[PLACE]
    return found
