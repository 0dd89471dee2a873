"""Wording what is wrong with what organisers type, field by field."""

from collections.abc import Mapping

from campaign.views.forms import OTHERWISE, Problems
from campaign.views.language import gettext, lazy

WORDS: Mapping[str, Mapping[str, str]] = {
    "locale": {"unknown": lazy("Choose a language from the list.")},
    "time_zone": {"unknown": lazy("Choose a time zone from the list.")},
}
"""What the page says for a problem code of a field."""


def worded(problems: Mapping[str, str]) -> Problems:
    """A sentence for each field with a problem, in the order in which they were found."""
    return Problems({name: gettext(WORDS.get(name, {}).get(code, OTHERWISE)) for name, code in problems.items()})
