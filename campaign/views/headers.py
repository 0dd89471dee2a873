"""Headers that every answer carries: a strict content policy, no sniffing, no framing, no leaking referrer."""

from flask import Flask, Response, g, request

from campaign.settings import Settings
from campaign.views.rendering import static_hashes

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""Nothing inline, nothing from elsewhere. connect-src is for the count."""

FRAMING_POLICY = f"{POLICY}; frame-src 'self'"
"""For the page of the local mailbox that shows a mail in a frame."""

MAIL_POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; "
    "img-src data:; form-action 'none'; frame-ancestors 'self'; base-uri 'none'"
)
"""For one mail's HTML in the local mailbox: its own inline style, no script, no request, links open a new tab."""

USUALLY = {"Content-Security-Policy": POLICY, "Referrer-Policy": "same-origin"}
"""Headers that a view may have set more strictly for its own answer."""

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}

HSTS = "max-age=31536000"
"""One year; without includeSubDomains, because the operator's other hosts are not ours to bind."""

A_YEAR = "public, max-age=31536000, immutable"


def keep_private(response: Response) -> Response:
    """Forbid every cache and search engine to keep an answer that belongs to one person."""
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Robots-Tag"] = "noindex, nofollow"
    return response


def without_referrer(response: Response) -> Response:
    """For pages whose address is a token: private, and sent in no Referer header, not even to this site."""
    response.headers["Referrer-Policy"] = "no-referrer"
    return keep_private(response)


def _names_its_content(response: Response) -> bool:
    """True for a static file whose address holds the hash of its content: what is kept under it is never stale."""
    if request.endpoint != "static" or response.status_code not in {200, 304}:
        return False
    digest = static_hashes().get((request.view_args or {})["filename"])
    return digest is not None and request.args.get("v") == digest


def install(app: Flask, settings: Settings) -> None:
    """Add the headers to every answer of the application."""
    always = list(ALWAYS.items())
    usually = list(USUALLY.items())
    if settings.base_url.startswith("https:"):
        always.append(("Strict-Transport-Security", HSTS))

    def add(response: Response) -> Response:
        headers = response.headers
        for name, value in always:
            headers.add(name, value)
        for name, value in usually:
            if name not in headers:
                headers.add(name, value)
        if _names_its_content(response):
            headers["Cache-Control"] = A_YEAR
        elif "language" in g and "Vary" not in headers:
            headers.add("Vary", "Accept-Language")
        if request.method not in {"GET", "HEAD"}:
            keep_private(response)
        return response

    app.after_request(add)
