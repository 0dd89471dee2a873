"""Templates: what each of them may use, and how a page becomes an answer."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache, lru_cache
from urllib.parse import urlencode

import segno
from flask import Flask, Response, current_app, g, render_template, request, url_for
from jinja2 import StrictUndefined
from markupsafe import Markup

from campaign import i18n
from campaign.accounts import countries
from campaign.errors import StoreUnavailableError
from campaign.settings import LANGUAGES, Settings
from campaign.site.current import Site, site_of
from campaign.variables import ROOT
from campaign.views.current import runtime
from campaign.views.language import gettext, language, ngettext
from campaign.views.providers import provider_name

STATIC = ROOT / "static"
TEMPLATES = ROOT / "templates" / "pages"


@cache
def static_hashes() -> Mapping[str, str]:
    """A hash of the content of each static file, by its path below ``static/``; read once per process."""
    files = (path for path in STATIC.rglob("*") if path.is_file())
    return {file.relative_to(STATIC).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()[:12] for file in files}


def asset(name: str) -> str:
    """Address of a static file with a hash of its content, so that it may be kept for a year."""
    return f"/static/{name}?v={static_hashes()[name]}"


@lru_cache(maxsize=256)
def qr_code(address: str) -> Markup:
    """A QR code of an address as one SVG element; black on white, which every camera reads, in the dark as well."""
    code = segno.make(address, error="m", micro=False)
    drawn: str = code.svg_inline(border=2, omitsize=True, lineclass=None, svgclass=None, dark="#000", light="#fff")
    return Markup(drawn)  # noqa: S704 - drawn by segno from an address of ours


def link(endpoint: str, **values: object) -> str:
    """Address of one of our pages in the language of this answer."""
    return url_for(endpoint, lang=language(), **values)  # type: ignore[arg-type]  # Flask's stub names its own options


def number(value: int) -> str:
    """A whole number as the language writes it."""
    return i18n.format_number(value, language())


def day(when: datetime) -> Markup:
    """A date in words."""
    return _timed(when, i18n.format_date(when, language()))


def moment(when: datetime) -> Markup:
    """A date and time in words, in UTC and saying so."""
    return _timed(when, f"{i18n.format_datetime(when.astimezone(UTC), language())} UTC")


def ago(when: datetime) -> Markup:
    """A time relative to now ("2 hours ago"); the exact one is in the element's title."""
    exact = f"{i18n.format_datetime(when.astimezone(UTC), language())} UTC"
    return _timed(when, i18n.format_ago(runtime().clock() - when, language()), title=exact)


def _timed(when: datetime, words: str, *, title: str = "") -> Markup:
    hint = Markup(' title="{}"').format(title) if title else ""
    return Markup('<time datetime="{}"{}>{}</time>').format(when.isoformat(timespec="seconds"), hint, words)


def isolated(text: str) -> Markup:
    """A text of unknown direction, kept from turning the words around it."""
    return Markup("<bdi>{}</bdi>").format(text)


def address_mark(address: str) -> Markup:
    """A mail address, always written from left to right."""
    return Markup('<strong class="ltr">{}</strong>').format(address)


def mail_link(address: str) -> Markup:
    """A mail address to write to."""
    return Markup('<a class="ltr" href="mailto:{0}">{0}</a>').format(address)


def language_links() -> list[tuple[str, str, str]]:
    """Code, own name and address of this page for each language."""
    path = g.get("switch_path")
    if path is None:
        path, kept = request.path, {name: value for name, value in request.args.items() if name != "lang"}
    else:
        kept = {}
    return [(code, i18n.LANGUAGE_NAMES[code], f"{path}?{urlencode({**kept, 'lang': code})}") for code in LANGUAGES]


def switch_to(path: str) -> None:
    """Where the language switch leads, for an answer whose own address can't be opened by a link.

    Also for an answer that is the same for everybody: what else stood in the address of one reader is not for others.
    """
    g.switch_path = path


def shelter(*, discreet: bool = True) -> None:
    """Give this answer a way to leave quickly and, but for public pages, a title that tells nothing."""
    g.discreet = discreet


NAMED = frozenset({"public.petition", "public.sign", "updates.read"})
"""Public pages, which keep their title in discreet mode: it is in their address too."""


def current_site() -> Site:
    """The site as it is set now; as the environment has it until the database has answered once."""
    try:
        return site_of(runtime())
    except StoreUnavailableError:
        return Site(current_app.extensions[SETTINGS])


class LiveSite:
    """What templates know as ``site``: a setting as it is now, or what :class:`Site` says."""

    def __getattr__(self, name: str) -> object:
        found = current_site()
        return getattr(found, name) if hasattr(found, name) else getattr(found.settings, name)


SETTINGS = "settings of the environment"
"""Key in Flask's ``extensions``."""


def _context() -> dict[str, object]:
    locale = language()
    discreet = bool(g.get("discreet"))
    return {
        "lang": locale,
        "direction": i18n.direction(locale),
        "languages": language_links(),
        "discreet": discreet,
        "neutral_title": discreet and request.endpoint not in NAMED,
    }


def install(app: Flask, settings: Settings) -> None:
    """Give the templates their words and helpers; an undefined name is an error, never a silent gap."""
    app.extensions[SETTINGS] = settings
    environment = app.jinja_env
    environment.undefined = StrictUndefined
    environment.trim_blocks = True
    environment.lstrip_blocks = True
    environment.add_extension("jinja2.ext.i18n")
    environment.install_gettext_callables(  # type: ignore[attr-defined]  # added by the extension
        _plain_gettext, _plain_ngettext, newstyle=True
    )
    environment.globals.update(
        site=LiveSite(),
        asset=asset,
        link=link,
        number=number,
        day=day,
        moment=moment,
        ago=ago,
        isolated=isolated,
        address_mark=address_mark,
        mail_link=mail_link,
        country=lambda code: countries.name(code, language()),
        direction_of=i18n.direction,
        provider_name=provider_name,
        territory_of=i18n.TERRITORIES.__getitem__,
    )
    app.context_processor(_context)


def _plain_gettext(message: str) -> str:
    return gettext(message)


def _plain_ngettext(singular: str, plural: str, count: int) -> str:
    return ngettext(singular, plural, count)


def page(template: str, *, status: int = 200, **context: object) -> Response:
    """Render a template as an answer."""
    html = render_template(template, **context)
    return current_app.response_class(html, status=status, mimetype="text/html")
