"""What the site itself shows: its imprint, its logo and its colours."""

from flask import Blueprint, Response, abort, current_app
from markupsafe import Markup

from campaign.petitions.markdown import to_html
from campaign.site import current
from campaign.site.colours import derived, is_colour
from campaign.views.access import Access, allow
from campaign.views.current import runtime
from campaign.views.headers import A_YEAR
from campaign.views.language import language
from campaign.views.rendering import current_site, page

pages = Blueprint("site", __name__)

TYPES = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp"}


@pages.get("/imprint")
@allow(Access.PUBLIC)
def imprint() -> Response:
    """Who is responsible for the site; 404 if nothing is said."""
    site = current_site()
    if not site.has_imprint:
        abort(404)
    locale, text = site.imprint(language())
    return page("imprint.html", locale=locale or language(), html=Markup(to_html(text)))  # noqa: S704 - cleaned by nh3


@pages.get("/site/logo/<name>")
@allow(Access.PUBLIC)
def logo(name: str) -> Response:
    """The logo; its name is the hash of its content, so that it may be kept for a year."""
    content = current.file(runtime(), name) if name == current_site().logo else None
    if content is None:
        abort(404)
    response = current_app.response_class(content, mimetype=TYPES[name.rpartition(".")[2]])
    response.headers["Cache-Control"] = A_YEAR
    # Opened by itself it is a picture and nothing else.
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return response


@pages.get("/site/colours/<colour>.css")
@allow(Access.PUBLIC)
def colours(colour: str) -> Response:
    """What follows from an accent, for light and dark screens; the address says all of it."""
    if not is_colour(f"#{colour}"):
        abort(404)
    light, dark = (
        ":root {\n" + "".join(f"  {name}: {value};\n" for name, value in half.items()) + "}\n"
        for half in derived(f"#{colour}")
    )
    style = f"{light}@media (prefers-color-scheme: dark) {{\n{dark}}}\n"
    response = current_app.response_class(style, mimetype="text/css")
    response.headers["Cache-Control"] = A_YEAR
    return response
