"""The page "check your inbox" as bytes with two gaps: only these differ from one signer to the next."""

import secrets
from dataclasses import dataclass
from typing import Final

from markupsafe import escape

from campaign.signatures.signing import Requested

HANDLE, MASKED = (f"slot-{secrets.token_hex(16)}" for _slot in range(2))
"""What the page is rendered with; nobody can guess it, so no text can hold it."""

PAGES: Final = "brief pages"
"""Key in Flask's ``extensions`` of the short memory of these pages, by slug and language."""


CAREFULLY: Final = "countersign.carefully"
"""Key in the environment of a request whose express way was tried before Flask, and was not free."""


@dataclass(frozen=True)
class InboxPage:
    """The page, rendered with :data:`HANDLE` and :data:`MASKED`."""

    rendered: bytes

    def filled(self, asked: Requested) -> bytes:
        """The page of one signer."""
        return self.rendered.replace(HANDLE.encode(), str(escape(asked.handle)).encode()).replace(
            MASKED.encode(), str(escape(asked.masked_address)).encode()
        )
