"""A petition's text as a file: Markdown, optionally under a head of ``name: value`` lines between two ``---``."""

from collections.abc import Mapping
from dataclasses import dataclass

from campaign.errors import InvalidInputError

FENCE = "---"
FIELDS = ("title", "addressed_to", "summary", "byline")


@dataclass(frozen=True)
class TextFile:
    """What a file says: the fields of its head (none, if it has no head) and the Markdown below."""

    fields: Mapping[str, str]
    body: str


def parse(source: str) -> TextFile:
    """Read a text with or without a head.

    Args:
        source: the content of the file; its lines may end as on any system.

    Raises:
        InvalidInputError: ``head``: ``not_closed``, or a line that is not ``name: value``; ``head.<name>``:
            ``unknown`` or ``twice``.
    """
    # Editors of another system begin a file with a byte order mark.
    lines = source.removeprefix("\ufeff").splitlines()
    if not lines or lines[0].strip() != FENCE:
        return TextFile({}, source.removeprefix("\ufeff").strip())
    ends = [number for number, line in enumerate(lines) if number > 0 and line.strip() == FENCE]
    if not ends:
        raise InvalidInputError({"head": "not_closed"})
    fields: dict[str, str] = {}
    for line in filter(str.strip, lines[1 : ends[0]]):
        name, separator, value = line.partition(":")
        name = name.strip()
        if not separator:
            raise InvalidInputError({"head": "not_a_field"})
        if name not in FIELDS or name in fields:
            raise InvalidInputError({f"head.{name}": "twice" if name in fields else "unknown"})
        fields[name] = value.strip()
    return TextFile(fields, "\n".join(lines[ends[0] + 1 :]).strip())
