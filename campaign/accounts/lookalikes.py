"""Domains of mail addresses as people read them, and those that may be taken for another."""

import unicodedata
from typing import Final

_ALONE: Final = frozenset({"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE"})
"""Scripts with letters that look like those of another; in one label only one of them may occur."""

_LIKE_LATIN: Final = frozenset("асеорхуіјѕһԁԛԝӏвкмнтгᴦοανρυκιτχ" + "ɡɑɩıȷƿǀʙʜɪʟɴʀʏᴀᴄᴅᴇᴊᴋᴍᴏᴘᴛᴜᴠᴡᴢꜱ")
"""Letters of Cyrillic, of Greek and of the Latin script itself that are drawn like those of ASCII: a label of these and
plain ones alone reads as another word."""


def domain_in_letters(address: str) -> str:
    """An address with its domain in Unicode, if each label is of one script and can't be taken for a Latin one.

    Every other address stays as it is on the wire, with ``xn--`` (RFC 5891).
    """
    local, at, domain = address.rpartition("@")
    decoded = _decoded(domain)
    return f"{local}{at}{domain}" if _is_doubtful(decoded) else f"{local}{at}{decoded}"


def lookalike(address: str) -> str | None:
    """How the domain of an address reads, if it mixes scripts or imitates Latin letters; None if it does not."""
    decoded = _decoded(address.rpartition("@")[2])
    return decoded if _is_doubtful(decoded) else None


def with_reading(address: str) -> str:
    """An address as it is on the wire, and how its domain reads if it may be taken for another."""
    reading = lookalike(address)
    return address if reading is None else f"{address} (reads {reading}, with letters that look like others)"


def _decoded(domain: str) -> str:
    try:
        return domain.encode("ascii").decode("idna")
    except UnicodeError:
        return domain


def _is_doubtful(domain: str) -> bool:
    return any(not label.isascii() and _label_is_doubtful(label) for label in domain.lower().split("."))


def _label_is_doubtful(label: str) -> bool:
    letters = [character for character in label if character.isalpha()]
    scripts = {unicodedata.name(character, "?").partition(" ")[0] for character in letters}
    mixed = len(scripts) > 1 and bool(scripts & _ALONE)
    return mixed or (bool(letters) and all(letter.isascii() or letter in _LIKE_LATIN for letter in letters))
