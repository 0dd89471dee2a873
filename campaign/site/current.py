"""The site as it is set now: the environment, and over it what admins set at /admin/site. The only reader of both.

A process reads the database at most once a second (:data:`campaign.runtime.FRESH`), however many ask, so a change is
seen everywhere within two seconds, and no message costs a query of its own.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from campaign.errors import StoreUnavailableError, WrongValueError
from campaign.networks.rules import Limits
from campaign.runtime import Runtime
from campaign.settings import LANGUAGES, Settings
from campaign.site import queries
from campaign.site.colours import is_colour
from campaign.site.values import parsed

log = logging.getLogger(__name__)

LIVE = (
    "site_name",
    "postal_address",
    "contact",
    "network_places",
    "network_cap",
    "rate",
    "domain_rate",
    "warm_up",
)
"""Fields of :class:`Settings` that can be changed while the site runs. Secrets and URLs are not among them."""

IMPRINTS = tuple(f"imprint_{locale}" for locale in LANGUAGES)
"""The imprint in each language, as Markdown."""

ACCENT, LOGO = "accent", "logo"
"""The colour of buttons and links, and the name of the stored picture. They have no variable."""

NAMES = (*LIVE, *IMPRINTS, ACCENT, LOGO)
"""All that can be set."""

_SWITCH = "switch."
"""Begins the names of rows that are switches."""


class SwitchName(StrEnum):
    """What can be stopped for the whole site. Sending is no row here: it is the pause of both lanes."""

    SIGNING = "signing"
    COUNTING = "counting"
    NAMES = "names"
    SENDING = "sending"

    @property
    def row(self) -> str:
        """The name of its row."""
        return f"{_SWITCH}{self}"


@dataclass(frozen=True)
class Switch:
    """A switch that is on: something is stopped."""

    name: SwitchName
    since: datetime
    reason: str
    by: str
    """``account 3``, ``cli`` or, of a lane, ``system``."""


@dataclass(frozen=True)
class Site:
    """What is in force."""

    settings: Settings
    """The settings of the environment with those of /admin/site."""
    given: Mapping[str, str] = field(default_factory=dict)
    """What was set at /admin/site, by name, as text."""
    switches: Mapping[SwitchName, Switch] = field(default_factory=dict)

    @property
    def accent(self) -> str:
        """The accent, ``#rrggbb``; empty for that of the stylesheet."""
        return self.given.get(ACCENT, "")

    @property
    def logo(self) -> str:
        """The name of the logo's file; empty if there is none."""
        return self.given.get(LOGO, "")

    @property
    def has_imprint(self) -> bool:
        """True if there is something to show at /imprint."""
        return bool(self.settings.postal_address or any(self.given.get(name) for name in IMPRINTS))

    @property
    def letterhead(self) -> tuple[str, ...]:
        """All that emails show of the site; compiled emails are kept for as long as it is the same."""
        return (self.settings.site_name, self.settings.postal_address, self.settings.contact)

    def imprint(self, locale: str) -> tuple[str, str]:
        """Language and Markdown of the imprint, in the nearest language; empty texts if there is none."""
        for one in (locale, *LANGUAGES):
            if found := self.given.get(f"imprint_{one}"):
                return one, found
        return "", ""


def site_of(runtime: Runtime) -> Site:
    """The site as it is set now; while the database is away, as it was set last."""
    return runtime.cache.get(("site",), lambda: _read(runtime))


def _read(runtime: Runtime) -> Site:
    try:
        rows = runtime.store.transact(queries.everything)
    except StoreUnavailableError:
        known = runtime.known.get("site")
        return known if isinstance(known, Site) else Site(runtime.settings)
    given = {name: rows[name].value for name in NAMES if name in rows and _is_usable(name, rows[name].value)}
    changes = {name: parsed(name, given[name]) for name in LIVE if name in given}
    switches = {
        name: Switch(name, row.changed_at, row.value, row.changed_by)
        for name in SwitchName
        if (row := rows.get(name.row)) is not None
    }
    site = Site(runtime.settings.replace(**changes), given, switches)
    places = site.settings.network_places
    runtime.networks.limits = Limits(places, max(places, site.settings.network_cap))
    runtime.known["site"] = site
    return site


def _is_usable(name: str, value: str) -> bool:
    """False for what another release stored and this one can't read: then the default is used."""
    if name == ACCENT:
        return is_colour(value)
    if name in LIVE:
        try:
            parsed(name, value)
        except WrongValueError as error:
            log.warning("the site setting %s is not used: it %s", name, error)
            return False
    return True


def file(runtime: Runtime, name: str) -> bytes | None:
    """The content of the logo, by the name of its file; None if it is not there (now)."""
    return runtime.cache.get(("site file", name), lambda: runtime.store.transact(lambda tx: queries.file(tx, name)))
