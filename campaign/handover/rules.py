"""What a pack holds: its files, its manifest, and the limits of both."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any, Final

FORMAT: Final = 1
"""Version of the manifest; a reader refuses another one."""

MANIFEST: Final = "manifest.json"
LETTER: Final = "letter.pdf"
SIGNATURES: Final = "signatures.csv"
NAME: Final = re.compile(r"[a-z0-9][a-z0-9./-]{0,79}")
"""Names of files in a pack."""

LIFE: Final = timedelta(days=7)
"""How long a pack can be downloaded: it holds names in clear for all who can open it."""

VOLUME: Final = 5_000
"""Signatures in one PDF: setting them takes 150 to 200 MB of memory."""

MOST_LISTED: Final = 250_000
"""Above this number a pack has its names in the CSV file alone: they would be 6,000 pages."""

MAX_REASON: Final = 300
"""Characters."""

MAX_MANIFEST: Final = 4_000_000
"""Bytes that are read of a manifest."""


@dataclass(frozen=True)
class File:
    """What the manifest says of one file."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Text:
    """One version of the petition's text, and how many signed it."""

    locale: str
    version: int
    sha256: str
    """Over title, addressee and text, each with its length in front."""
    file: str
    signed: int


@dataclass(frozen=True)
class Manifest:
    """What a pack holds. Its numbers add up to ``count``, which is the public count at ``made_at``."""

    slug: str
    url: str
    title: str
    author: str
    addressed_to: str
    locale: str
    """The language of the documents."""
    made_at: str
    count: int
    named: int
    anonymous: int
    """Signers who do not show their name, or whose data was erased."""
    countries: Mapping[str, int]
    texts: Sequence[Text] = ()
    unknown_text: int = 0
    """Signatures whose data was erased, so that the text they were for is not known."""
    files: Mapping[str, File] = field(default_factory=dict)
    format: int = FORMAT


def to_json(manifest: Manifest) -> bytes:
    """The manifest as it lies in the pack; its SHA-256 is the fingerprint."""
    return (json.dumps(asdict(manifest), ensure_ascii=False, indent=2, sort_keys=True) + "\n").encode()


def from_json(raw: bytes) -> Manifest:
    """Read a manifest.

    Raises:
        ValueError: it is none, or one of another format.
    """
    try:
        content: Any = json.loads(raw)
        if content["format"] != FORMAT:
            raise ValueError(f"its format {content['format']!r} is not known here")
        content["texts"] = [Text(**one) for one in content["texts"]]
        content["files"] = {name: File(**one) for name, one in content["files"].items()}
        return Manifest(**content)
    except (TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError("a field of it is missing or of another kind") from error


def fingerprint(raw: bytes) -> str:
    """SHA-256 of a manifest: 64 hexadecimal digits, the same for the same pack wherever it is."""
    return hashlib.sha256(raw).hexdigest()


def volume_name(number: int) -> str:
    """The file of the n-th volume of names, from 1."""
    return f"signatures-{number:03}.pdf"


def text_name(locale: str, version: int) -> str:
    """The file of one version of the petition's text."""
    return f"texts/{locale}-{version}.json"
