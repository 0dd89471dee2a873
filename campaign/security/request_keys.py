"""Keys that make repeating a request harmless: pressing twice, or a retry, is one act."""

import re
import secrets


def new_request_key() -> str:
    """A key for a form, which carries it from its first showing."""
    return secrets.token_urlsafe(16)


def is_request_key(text: str) -> bool:
    """True for what :func:`new_request_key` makes."""
    return re.fullmatch(r"[A-Za-z0-9_-]{22}", text) is not None
