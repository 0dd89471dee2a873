"""Slots: places in a compiled mail that are filled per recipient.

While templates render, a slot is a token of letters and digits that passes unchanged through Jinja2's escaping,
Markdown, sanitising and css-inline. The token holds random bits, so that no written text can contain one.
"""

import re
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from campaign.errors import MailTemplateError


@dataclass(frozen=True)
class Slots:
    """The slots of one compilation: names with their tokens.

    A caller that places slots in an organiser's text (merge tags) writes ``slots[name]`` where the value belongs, and
    hands the same object to the composer.
    """

    names: tuple[str, ...]
    nonce: str

    @classmethod
    def create(cls, names: Iterable[str]) -> "Slots":
        """Make tokens for ``names`` that can't be guessed."""
        return cls(tuple(sorted(names)), secrets.token_hex(12))

    def __getitem__(self, name: str) -> str:
        return f"z{self.nonce}q{self.names.index(name)}z"

    def tokens(self) -> dict[str, str]:
        """Token by name: what the templates get as values."""
        return {name: self[name] for name in self.names}

    def split(self, rendered: str) -> Iterator[tuple[str, str | None]]:
        """Cut ``rendered`` at its tokens: pairs of literal text and the name of the slot that follows, None at the end.

        Raises:
            MailTemplateError: when a template changed a token (say, by a filter on a slot).
        """
        pieces = re.split(f"z{self.nonce}q([0-9]+)z", rendered)
        for index in range(0, len(pieces), 2):
            literal = pieces[index]
            if self.nonce in literal.lower():
                raise MailTemplateError(
                    "A template changes the value of a recipient; only plain {{ name }} can be filled."
                )
            yield literal, self.names[int(pieces[index + 1])] if index + 1 < len(pieces) else None
