"""Countries by ISO 3166 code, named in each language (Unicode CLDR, through Babel)."""

import unicodedata
from functools import cache

from babel import Locale

_NOT_COUNTRIES = frozenset({"EU", "EZ", "UN", "QO", "ZZ", "XA", "XB"})

CODES: frozenset[str] = frozenset(
    code
    for code in map(str, Locale.parse("en").territories)
    if len(code) == 2 and code.isalpha() and code not in _NOT_COUNTRIES
)
"""Two-letter codes that a form may carry."""


@cache
def names(locale: str) -> tuple[tuple[str, str], ...]:
    """Pairs of code and name, sorted by name as a reader of the language expects (marks ignored)."""
    territories = Locale.parse(locale).territories
    named = [(code, str(territories.get(code, code))) for code in CODES]
    return tuple(sorted(named, key=lambda pair: unicodedata.normalize("NFKD", pair[1]).casefold()))


def name(code: str, locale: str) -> str:
    """A country's name in a language; the code itself if it has none."""
    return str(Locale.parse(locale).territories.get(code, code))
