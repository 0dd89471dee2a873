"""Near names: whether two names at one mailbox may be two spellings of one name.

The answer decides nothing alone: the confirm page asks its reader.
"""

import unicodedata
from typing import Final

from campaign.accounts.addresses import person_key

_ONE_FROM: Final = 6
"""Letters of the shorter name from which one mistake is allowed: "Ali" and "Alia" are two names."""

_TWO_FROM: Final = 12
"""Letters of the shorter name from which two mistakes are allowed."""

_ACCENTS: Final = "\u0300\u0301\u0302\u0303\u0306\u0309\u031b\u0323"
"""The marks of Vietnamese."""

_LONGEST: Final = 200
"""Letters compared; the cost grows with their square."""


def is_near(one: str, other: str) -> bool:
    """True if two names are equal, differ by a typing mistake or two, or hold the same parts in another order.

    Args:
        one: a name, as typed.
        other: another.
    """
    keys = [person_key(name)[:_LONGEST] for name in (one, other)]
    if keys[0] == keys[1] or _parts(one) == _parts(other):
        return True
    shorter = min(len(key) for key in keys)
    if shorter >= _ONE_FROM and _without_accents(one) == _without_accents(other):
        # Vietnamese, typed without its tones: another name when it is short, and more often the same when it is long.
        return True
    allowed = 0 if shorter < _ONE_FROM else 1 if shorter < _TWO_FROM else 2
    return abs(len(keys[0]) - len(keys[1])) <= allowed and _distance(*keys) <= allowed


def _without_accents(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).casefold().replace("đ", "d")
    return "".join(letter for letter in plain if letter not in _ACCENTS and not letter.isspace())


def _parts(name: str) -> list[str]:
    return sorted(filter(None, map(person_key, name.split())))


def _distance(one: str, other: str) -> int:
    """The optimal string alignment distance: letters added, left out, changed, or swapped with their neighbour."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        row, before, last = [i], row, before
        for j, match in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != match))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == match:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]
