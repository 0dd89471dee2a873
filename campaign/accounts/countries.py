"""Countries by ISO 3166 code, named in each language (Unicode CLDR, through Babel)."""

import unicodedata
from collections.abc import Mapping
from functools import cache

from babel import Locale

_NOT_COUNTRIES = frozenset({"EU", "EZ", "UN", "QO", "ZZ", "XA", "XB"})
_UNNAMED = frozenset({"CQ"})
"""Sark: CLDR names it in English alone."""

CODES: frozenset[str] = frozenset(
    code
    for code in map(str, Locale.parse("en").territories)
    if len(code) == 2 and code.isalpha() and code not in _NOT_COUNTRIES | _UNNAMED
)
"""Two-letter codes that a form may carry."""

_ALPHABETS: Mapping[str, str] = {
    "fa": "آابپتثجچحخدذرزژسشصضطظعغفقکگلمنوهی",
    "ur": "آابپتٹثجچحخدڈذرڑزژسشصضطظعغفقکگلمنںوہھءیے",
}
"""Letters in the order of the dictionaries. Unicode has those that Arabic lacks (پ چ ژ گ …) far behind the others."""

_ARABIC_TWINS = str.maketrans("يىك", "ییک")


@cache
def names(locale: str) -> tuple[tuple[str, str], ...]:
    """Pairs of code and name, sorted by name as a reader of the language expects (marks ignored)."""
    territories = Locale.parse(locale).territories
    named = [(code, str(territories.get(code, code))) for code in CODES]
    order = {letter: place for place, letter in enumerate(_ALPHABETS.get(locale, ""))}
    return tuple(sorted(named, key=lambda pair: _sort_key(pair[1], order)))


def _sort_key(name: str, order: Mapping[str, int]) -> list[int]:
    """Places of the letters in the alphabet; what has none there is a blank, or sorted by its code point behind."""
    places = []
    for letter in unicodedata.normalize("NFC", name.casefold()).translate(_ARABIC_TWINS):
        # آ is a letter of its own; any other mark only colours the letter below it.
        plain = letter if letter in order else unicodedata.normalize("NFKD", letter)[0].translate(_ARABIC_TWINS)
        if plain.isalpha():
            places.append(1 + order.get(plain, len(order) + ord(plain)))
        elif plain.isspace() or plain == "-":
            places.append(0)
    return places


def name(code: str, locale: str) -> str:
    """A country's name in a language; the code itself if it has none."""
    return str(Locale.parse(locale).territories.get(code, code))
