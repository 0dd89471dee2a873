"""Languages: gettext catalogues read from translations/, numbers and dates as each language writes them."""

import io
from datetime import datetime, timedelta, tzinfo
from functools import cache
from zoneinfo import available_timezones

from babel import Locale
from babel.dates import format_date as babel_date
from babel.dates import format_time as babel_time
from babel.dates import format_timedelta
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from babel.support import NullTranslations, Translations

from campaign.settings import LANGUAGES
from campaign.variables import ROOT

FOLDER = ROOT / "translations"
RIGHT_TO_LEFT = frozenset({"fa", "ur"})
LANGUAGE_NAMES = {"en": "English", "de": "Deutsch", "fa": "فارسی", "ur": "اردو"}
"""Each language in its own words, for the language switch."""

TERRITORIES = {"en": "en_GB", "de": "de_DE", "fa": "fa_IR", "ur": "ur_PK"}
"""Each language with a territory, as the Open Graph protocol writes a locale; a bare language is ignored there."""

FAMILIES = {
    "fa": ("fas", "per", "prs", "pes", "haz", "aiq"),
    "ur": ("urd",),
    "de": ("deu", "ger", "gsw", "bar", "ksh", "nds", "swg"),
    "en": ("eng",),
}
"""Codes of ISO 639-3 and 639-2 whose readers read one of our languages: Dari, Iranian Persian, Hazaragi, Aimaq, the
German dialects, and our languages by their longer codes."""

_NEAREST = {code: code for code in LANGUAGES} | {code: near for near, codes in FAMILIES.items() for code in codes}


@cache
def translations(locale: str) -> NullTranslations:
    """The catalogue of a language; English, which the sources are written in, has none.

    The .po text is the only form kept in the repository; it is compiled in memory, once per process.
    """
    source = FOLDER / f"{locale}.po"
    if not source.is_file():
        return NullTranslations()
    with source.open("rb") as file:
        catalogue = read_po(file, locale=locale)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Translations(compiled)


def choose_language(wanted: str | None, *, fallback: str = LANGUAGES[0]) -> str:
    """The supported language nearest to a tag such as ``de-AT`` or ``prs``; ``fallback`` if there is none.

    The primary subtag decides (BCP 47 section 2.2.1): whatever the script or the territory, the language is the same.
    """
    return _NEAREST.get((wanted or "").strip().lower().replace("_", "-").partition("-")[0], fallback)


def is_rtl(locale: str) -> bool:
    """True for languages written from right to left."""
    return locale in RIGHT_TO_LEFT


def direction(locale: str) -> str:
    """The value of the HTML ``dir`` attribute."""
    return "rtl" if is_rtl(locale) else "ltr"


def format_number(number: int, locale: str) -> str:
    """A whole number with the language's digits and group marks: 1,234 · 1.234 · ۱٬۲۳۴."""
    return _digits(format_decimal(number, locale=locale, numbering_system=_NUMBERS.get(locale, "default")), locale)


def format_rate(rate: float, locale: str) -> str:
    """A rate with the digits of the language: one decimal below ten, none above."""
    pattern = "#,##0.0" if rate < 10 else "#,##0"
    text = format_decimal(rate, format=pattern, locale=locale, numbering_system=_NUMBERS.get(locale, "default"))
    return _digits(text, locale)


def format_date(when: datetime, locale: str, *, zone: tzinfo | None = None) -> str:
    """A date in words, e.g. 22 November 2026."""
    return _digits(babel_date(when.astimezone(zone) if zone else when, "long", locale=_dated(locale)), locale)


def format_datetime(when: datetime, locale: str, *, zone: tzinfo | None = None) -> str:
    """A date and a time of day to the minute, e.g. 22 Nov 2026, 14:05."""
    there = when.astimezone(zone) if zone else when
    day = babel_date(there, "medium", locale=_dated(locale))
    return _digits(f"{day}{_COMMAS.get(locale, ',')} {there:%H:%M}", locale)


def format_moment(when: datetime, locale: str, *, zone: tzinfo) -> str:
    """A day of the week, date and time of day to the minute: Thursday, 25 November 2027, 09:00."""
    day = babel_date(when.astimezone(zone), "full", locale=_dated(locale))
    clock = babel_time(when.astimezone(zone), "HH:mm", locale=_dated(locale))
    return _digits(f"{day}{_COMMAS.get(locale, ',')} {clock}", locale)


def format_short(when: datetime, locale: str, *, zone: tzinfo) -> str:
    """A date and time of day to the minute for tables: 25 Nov 2027, 09:00."""
    day = babel_date(when.astimezone(zone), "medium", locale=_dated(locale))
    clock = babel_time(when.astimezone(zone), "HH:mm", locale=_dated(locale))
    return _digits(f"{day}{_COMMAS.get(locale, ',')} {clock}", locale)


def format_clock(when: datetime, locale: str, *, zone: tzinfo) -> str:
    """A time of day to the second: 09:00:30."""
    return _digits(babel_time(when.astimezone(zone), "HH:mm:ss", locale=_dated(locale)), locale)


def format_hour(when: datetime, locale: str, *, zone: tzinfo) -> str:
    """The day and hour of a column in a chart: 25 Nov, 09:00."""
    clock = babel_time(when.astimezone(zone), "HH:mm", locale=_dated(locale))
    return f"{format_day(when, locale, zone=zone)}{_COMMAS.get(locale, ',')} {_digits(clock, locale)}"


def format_day(when: datetime, locale: str, *, zone: tzinfo) -> str:
    """The day of a column in a chart: 25 Nov."""
    return _digits(babel_date(when.astimezone(zone), "d MMM", locale=_dated(locale)), locale)


def format_ago(passed: timedelta, locale: str) -> str:
    """How long ago something was, in words: 2 hours ago. What is newer than a minute (or a clock's error) is one."""
    back = min(-passed, timedelta(seconds=-1))
    return _digits(format_timedelta(back, granularity="minute", add_direction=True, locale=_dated(locale)), locale)


def format_time(when: datetime, locale: str, *, zone: tzinfo | None = None) -> str:
    """A time of day with hours and minutes, e.g. 14:32."""
    return _digits(babel_time(when.astimezone(zone) if zone else when, "short", locale=_dated(locale)), locale)


def format_duration(passed: timedelta, locale: str) -> str:
    """How long something took or takes, in one unit: 3 minutes."""
    return _digits(format_timedelta(max(passed, timedelta()), locale=_dated(locale)), locale)


def listed(words: list[str], locale: str) -> str:
    """Words one after the other, with the commas of the language between them."""
    return f"{_COMMAS.get(locale, ',')} ".join(words)


def _digits(text: str, locale: str) -> str:
    # Babel picks the separators of a numbering system but leaves the digits Latin.
    return text.translate(_PERSIAN_DIGITS) if locale == "fa" else text


@cache
def _dated(locale: str) -> Locale:
    # British order (day, month, year) is the one that readers of all our languages expect.
    return Locale.parse("en_GB" if locale == "en" else locale)


_COMMAS = {"fa": "،", "ur": "،"}
_NUMBERS = {"fa": "arabext"}
_PERSIAN_DIGITS = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")


@cache
def zone_names() -> tuple[str, ...]:
    """The time zones to choose from (IANA names with a place), sorted."""
    regions = (
        "Africa/",
        "America/",
        "Antarctica/",
        "Asia/",
        "Atlantic/",
        "Australia/",
        "Europe/",
        "Indian/",
        "Pacific/",
    )
    return ("UTC", *sorted(name for name in available_timezones() if name.startswith(regions)))
