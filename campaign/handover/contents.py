"""What goes into a pack: read in one snapshot, so that every list and every sum is of the same moment."""

import hashlib
import io
import json
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from campaign import i18n
from campaign.database.connection import Transaction
from campaign.handover import queries
from campaign.handover.prose import blocks
from campaign.handover.queries import Row, StoredText
from campaign.handover.rules import (
    LETTER,
    MANIFEST,
    MOST_LISTED,
    SIGNATURES,
    VOLUME,
    File,
    Manifest,
    Text,
    fingerprint,
    text_name,
    to_json,
    volume_name,
)
from campaign.handover.typesetting import FAMILIES, typeset
from campaign.handover.words import Totals, Wording
from campaign.petitions.petitions import Opened
from campaign.runtime import Runtime
from campaign.signatures.exports import BOM, csv_line
from campaign.signatures.queries import open_field

OnProgress = Callable[[int, int], None]
"""Takes signatures done, and all."""

CONSTANT: Final = (2000, 1, 1, 0, 0, 0)
"""The time of each file in the archive: the same contents give the same bytes."""


@dataclass(frozen=True)
class Archive:
    """A whole pack."""

    content: bytes
    fingerprint: str
    count: int


class Builder:
    """Makes one pack."""

    def __init__(
        self, runtime: Runtime, opened: Opened, *, locale: str, made_at: datetime, on_progress: OnProgress
    ) -> None:
        self._opened = opened
        self._key = opened.open_key
        self._url = f"{runtime.settings.base_url}/p/{opened.petition.slug}"
        self._made_at = made_at
        self._on_progress = on_progress
        self._words = Wording(locale, made_at)
        self._named = 0
        self._countries: Counter[str] = Counter()
        self._texts: Counter[tuple[str, int]] = Counter()
        self._unknown_text = 0
        self._files: dict[str, File] = {}
        self._buffer = io.BytesIO()

    def build(self, tx: Transaction, count: int) -> Archive:
        """Read, set and pack everything.

        Args:
            tx: of one snapshot.
            count: the signatures there are in it.

        Raises:
            TypesettingError: a document can't be made.
            DecryptionError: a name does not open.
        """
        texts = queries.texts(tx, self._opened.petition.id)
        is_listed = count <= MOST_LISTED
        with zipfile.ZipFile(self._buffer, "w", zipfile.ZIP_DEFLATED) as pack:
            lines = io.BytesIO((BOM + csv_line(self._words.heads())).encode())
            lines.seek(0, io.SEEK_END)
            number = 0
            for volume, rows in enumerate(self._slices(tx), start=1):
                listed = [self._cells(number + n, row) for n, row in enumerate(rows, start=1)]
                lines.write("".join(map(csv_line, listed)).encode())
                if is_listed:
                    self._add(pack, volume_name(volume), self._volume(listed, number + 1), is_packed=False)
                number += len(rows)
                self._on_progress(number, count)
            totals = Totals(number, self._named, self._countries, self._texts, self._unknown_text)
            self._add(pack, LETTER, self._letter(totals, texts, is_listed=is_listed), is_packed=False)
            self._add(pack, SIGNATURES, lines.getvalue())
            for one in texts:
                self._add(pack, text_name(one.locale, one.version), _text(one))
            manifest = to_json(self._manifest(totals, texts))
            self._add(pack, MANIFEST, manifest)
        return Archive(self._buffer.getvalue(), fingerprint(manifest), number)

    def _slices(self, tx: Transaction) -> Iterator[list[Row]]:
        last = 0
        while rows := queries.rows(tx, self._opened.petition.id, after=last, limit=VOLUME):
            last = rows[-1].id
            yield rows

    def _cells(self, number: int, row: Row) -> list[str]:
        name = reason = ""
        if row.show_name:
            name = open_field(self._key, row.id, "name", row.name) or ""
            reason = open_field(self._key, row.id, "reason", row.reason) or ""
        self._named += bool(name)
        self._countries[row.country] += 1
        signed = ""
        if row.locale is None or row.version is None:
            self._unknown_text += 1
        else:
            self._texts[row.locale, row.version] += 1
            signed = f"{row.locale} {row.version}"
        # The day, not the second: comparing lists must not reveal an anonymous signer.
        day = row.confirmed_at.date().isoformat()
        country = self._words.country(row.country)
        return [str(number), name or self._words.anonymous(), row.country, country, day, signed, reason]

    def _frame(self) -> dict[str, object]:
        locale = self._words.locale
        return {
            "title": self._opened.text_for(locale).title,
            "author": self._opened.petition.author,
            "lang": locale,
            "rtl": i18n.is_rtl(locale),
            "fonts": FAMILIES[locale],
            "digit": self._words.number(1),
            "footer": self._words.footer(self._url),
        }

    def _volume(self, listed: list[list[str]], first: int) -> bytes:
        rows = [[self._words.number(first + n), line(cells[1]), cells[3], cells[4]] for n, cells in enumerate(listed)]
        part = self._words.part(first, first + len(listed) - 1)
        return typeset("names", self._frame() | {"part": part, "head": self._words.column_heads(), "rows": rows})

    def _letter(self, totals: Totals, texts: list[StoredText], *, is_listed: bool) -> bytes:
        body = blocks(self._opened.text_for(self._words.locale).body_html)
        said = self._words.letter(self._opened, totals, texts, is_listed=is_listed)
        return typeset("letter", self._frame() | said | {"text": body})

    def _manifest(self, totals: Totals, texts: list[StoredText]) -> Manifest:
        shown = self._opened.text_for(self._words.locale)
        return Manifest(
            slug=self._opened.petition.slug,
            url=self._url,
            title=shown.title,
            author=self._opened.petition.author,
            addressed_to=shown.addressed_to,
            locale=self._words.locale,
            made_at=self._made_at.isoformat(timespec="seconds"),
            count=totals.count,
            named=totals.named,
            anonymous=totals.count - totals.named,
            countries=dict(totals.by_country),
            texts=[
                Text(
                    one.locale, one.version, one.hash.hex(), text_name(one.locale, one.version),
                    totals.by_text.get((one.locale, one.version), 0),
                )
                for one in texts
            ],
            unknown_text=totals.unknown_text,
            files=self._files,
        )  # fmt: skip

    def _add(self, pack: zipfile.ZipFile, name: str, content: bytes, *, is_packed: bool = True) -> None:
        if name != MANIFEST:
            self._files[name] = File(len(content), hashlib.sha256(content).hexdigest())
        kind = zipfile.ZIP_DEFLATED if is_packed else zipfile.ZIP_STORED
        pack.writestr(zipfile.ZipInfo(name, CONSTANT), content, compress_type=kind)


def line(name: str) -> str:
    """A name on one line of the list: cut where it would run into the next column; the CSV file has all of it."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


LONGEST: Final = 60
"""Characters of a name in the PDF."""


def _text(one: StoredText) -> bytes:
    content = {
        "locale": one.locale,
        "version": one.version,
        "title": one.title,
        "addressed_to": one.addressed_to,
        "body_markdown": one.body_markdown,
    }
    return (json.dumps(content, ensure_ascii=False, indent=2) + "\n").encode()
