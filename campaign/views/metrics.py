"""/metrics for Prometheus: the same snapshot as the monitor's."""

from flask import Blueprint, Response, current_app

from campaign.operations import metrics, monitor
from campaign.views.access import Access, allow
from campaign.views.current import runtime
from campaign.views.headers import keep_private

pages = Blueprint("metrics", __name__)


@pages.get("/metrics")
@allow(Access.METRICS)
def show() -> Response:
    """All metrics as text; the database being away is one of them, not an error."""
    text = metrics.exposition(monitor.take(runtime()))
    return keep_private(current_app.response_class(text, content_type=metrics.CONTENT_TYPE))
