"""Is this process able to serve? For load balancers and for ``countersign up``."""

from flask import Blueprint, Response, abort, current_app, jsonify, request

from campaign.errors import StoreUnavailableError, TokenRefusedError
from campaign.operations import metrics, monitor
from campaign.security.tokens import DOCTOR_HEADER, Purpose
from campaign.views.access import Access, allow
from campaign.views.current import runtime
from campaign.views.headers import keep_private

pages = Blueprint("health", __name__)


@pages.get("/healthz")
@allow(Access.PUBLIC)
def check() -> tuple[Response, int]:
    """200 if the database takes writes, 503 with the cause if not."""
    try:
        # The runtime can't be had either by a process that was started while the database was away.
        monitor.check_writing(runtime())
    except StoreUnavailableError as error:
        cause = error.cause
        return keep_private(
            jsonify(
                status="unavailable",
                database=cause.code if cause is not None else "unreachable",
                # A constant sentence: it names a variable, and no value.
                problem=cause.sentence if cause is not None else str(error),
            )
        ), 503
    return keep_private(jsonify(status="ok", database="ok")), 200


@pages.get("/healthz/proxies")
@allow(Access.PUBLIC)
def count_proxies() -> Response:
    """For `countersign doctor`: how many proxies its request passed. Others find no such page."""
    try:
        runtime().tokens.read_text(Purpose.DOCTOR, request.headers.get(DOCTOR_HEADER, ""))
    except TokenRefusedError:
        abort(404)
    hops = [hop for hop in request.headers.get("X-Forwarded-For", "").split(",") if hop.strip()]
    return keep_private(jsonify(forwarded=len(hops)))


@pages.get("/metrics")
@allow(Access.METRICS)
def show() -> Response:
    """All metrics as text; the database being away is one of them, not an error."""
    body = metrics.exposition(monitor.take(runtime()), metrics.read_counts(runtime()))
    return keep_private(current_app.response_class(body, content_type=metrics.CONTENT_TYPE))
