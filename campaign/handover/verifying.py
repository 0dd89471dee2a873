"""Checking a pack without a server: every file is what the manifest says, and all numbers add up."""

import csv
import hashlib
import io
import json
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from campaign.handover.rules import (
    LETTER,
    MANIFEST,
    MAX_MANIFEST,
    NAME,
    SIGNATURES,
    File,
    Manifest,
    Text,
    fingerprint,
    from_json,
)
from campaign.security.encryption import text_hash

PIECE: Final = 1 << 20
"""Bytes that are read at once."""

MAX_TEXT: Final = 2_000_000
"""Bytes of a text of the petition."""

COLUMNS: Final = 7
COUNTRY, TEXT = 2, 5
"""Columns of the list that are counted."""

BROKEN: Final = (
    OSError,
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    RuntimeError,
    EOFError,
    ValueError,
    OverflowError,
    KeyError,
    struct.error,
    zlib.error,
)
"""What reading an archive raises: it is none, encrypted, cut off, damaged, or packed in an unknown way."""


@dataclass(frozen=True)
class Verdict:
    """What was found."""

    problems: tuple[str, ...]
    """In sentences; empty if the pack is whole."""
    fingerprint: str = ""
    manifest: Manifest | None = None


def verify(path: Path, *, expected: str = "") -> Verdict:
    """Check a pack.

    Args:
        path: the zip file.
        expected: the fingerprint that the desk shows; empty if it is not known.
    """
    try:
        with zipfile.ZipFile(path) as pack:
            return _verify(pack, expected.strip().lower())
    except BROKEN as error:
        words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return Verdict((f"The file can't be read as a pack: {words or 'it breaks off'}.",))


def _verify(pack: zipfile.ZipFile, expected: str) -> Verdict:
    names = pack.namelist()
    if any(one.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED} for one in pack.infolist()):
        return Verdict(("The file is no pack: it is packed in another way.",))
    if MANIFEST not in names:
        return Verdict((f"The file is no pack: it has no {MANIFEST}.",))
    with pack.open(MANIFEST) as file:
        raw = file.read(MAX_MANIFEST + 1)
    if len(raw) > MAX_MANIFEST:
        return Verdict((f"{MANIFEST} is larger than any real one.",))
    try:
        manifest = from_json(raw)
    except ValueError as error:
        return Verdict((f"{MANIFEST} can't be read: {error}.",))
    problems = list(_files(pack, names, manifest))
    if not problems:
        problems = [*_numbers(manifest), *_list(pack, manifest), *_texts(pack, manifest)]
    printed = fingerprint(raw)
    if expected and expected != printed:
        problems.insert(0, f"This is another pack: its fingerprint is {printed}, not {expected}.")
    return Verdict(tuple(problems), printed, manifest)


def _files(pack: zipfile.ZipFile, names: list[str], manifest: Manifest) -> Iterator[str]:
    for name, times in Counter(names).items():
        if times > 1:
            yield f"{name} is in the pack {times} times."
        elif name != MANIFEST and name not in manifest.files:
            yield f"{name} is in the pack, and the manifest does not name it."
    for needed in (LETTER, SIGNATURES):
        if needed not in manifest.files:
            yield f"The manifest does not name {needed}."
    for name, told in manifest.files.items():
        yield from _file(pack, name, told) if name in names else [f"{name} is missing."]


def _file(pack: zipfile.ZipFile, name: str, told: File) -> Iterator[str]:
    if not NAME.fullmatch(name) or ".." in name:
        yield f"{name} is no name of a file of a pack."
    elif pack.getinfo(name).file_size != told.bytes:
        yield f"{name} has {pack.getinfo(name).file_size:,} bytes, and the manifest says {told.bytes:,}."
    elif _sha256(pack, name, told.bytes) != told.sha256:
        yield f"{name} was changed: its SHA-256 is not the one in the manifest."


def _sha256(pack: zipfile.ZipFile, name: str, size: int) -> str:
    digest, left = hashlib.sha256(), size
    with pack.open(name) as file:
        while left >= 0 and (piece := file.read(min(PIECE, left + 1))):
            digest.update(piece)
            left -= len(piece)
    return digest.hexdigest()


def _numbers(manifest: Manifest) -> Iterator[str]:
    sums = {
        "Named and anonymous signers": manifest.named + manifest.anonymous,
        "The countries": sum(manifest.countries.values()),
        "The versions of the text": sum(one.signed for one in manifest.texts) + manifest.unknown_text,
    }
    for what, total in sums.items():
        if total != manifest.count:
            yield f"{what} add up to {total:,}, and the count is {manifest.count:,}."


def _list(pack: zipfile.ZipFile, manifest: Manifest) -> Iterator[str]:
    countries: Counter[str] = Counter()
    texts: Counter[str] = Counter()
    number = 0
    with pack.open(SIGNATURES) as file:
        rows = csv.reader(io.TextIOWrapper(file, "utf-8-sig", newline=""))
        try:
            next(rows, None)
            for number, row in enumerate(rows, start=1):
                if len(row) != COLUMNS or row[0] != str(number):
                    yield f"Line {number + 1} of {SIGNATURES} is not the signature number {number}."
                    return
                countries[row[COUNTRY]] += 1
                texts[row[TEXT]] += 1
        except (csv.Error, UnicodeDecodeError):
            yield f"{SIGNATURES} is no CSV file."
            return
    if number != manifest.count:
        yield f"{SIGNATURES} lists {number:,} signatures, and the count is {manifest.count:,}."
    if dict(countries) != {code: n for code, n in manifest.countries.items() if n}:
        yield f"The countries in {SIGNATURES} are not those of the manifest."
    told = {f"{one.locale} {one.version}": one.signed for one in manifest.texts if one.signed}
    if dict(texts) != told | ({"": manifest.unknown_text} if manifest.unknown_text else {}):
        yield f"The versions of the text in {SIGNATURES} are not those of the manifest."


def _texts(pack: zipfile.ZipFile, manifest: Manifest) -> Iterator[str]:
    for one in manifest.texts:
        if one.file not in manifest.files:
            yield f"The manifest does not name {one.file}."
        elif not _is_text(pack, one):
            yield f"{one.file} is not the text that was signed: its hash is another one."


def _is_text(pack: zipfile.ZipFile, one: Text) -> bool:
    with pack.open(one.file) as file:
        raw = file.read(MAX_TEXT + 1)
    try:
        content: Any = json.loads(raw)
        parts = [content[name] for name in ("title", "addressed_to", "body_markdown")]
        return text_hash(*parts).hex() == one.sha256
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False
