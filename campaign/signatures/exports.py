"""The signatures of a petition as a CSV file: streamed slice by slice, safe to open, without a limit of rows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from campaign.accounts import audit
from campaign.accounts.accounts import Account
from campaign.database.connection import Transaction
from campaign.petitions import petitions
from campaign.petitions.petitions import Opened
from campaign.runtime import Runtime
from campaign.signatures import lists, queries

_FORMULA_STARTS = frozenset("=+-@\t\r\n＝＋－＠﹦﹢﹣﹫")
"""What makes a spreadsheet take a cell for a formula (OWASP, CSV injection), with the full-width and small variants."""


def safe_cell(text: str) -> str:
    """A text as a cell: one that could be taken for a formula gets a leading apostrophe, which spreadsheets hide.

    A blank in front does not help a formula past this: spreadsheets trim it, so it is looked through.
    """
    if text[:1] in _FORMULA_STARTS or text.lstrip()[:1] in _FORMULA_STARTS:
        return f"'{text}"
    return text


def csv_line(cells: list[str]) -> str:
    """One record (RFC 4180 section 2): every cell quoted, quotes doubled, CRLF at the end."""
    return ",".join('"' + safe_cell(cell).replace('"', '""') + '"' for cell in cells) + "\r\n"


SLICE = 1_000
BOM = "\ufeff"
"""Without it Excel takes UTF-8 for the code page of the machine."""


@dataclass(frozen=True)
class Wording:
    """The words of the file in the language of the user."""

    heads: tuple[str, str, str, str, str, str]
    """Number, name, country code, country, confirmed on (UTC), reason."""
    anonymous: str
    country: Callable[[str], str]


def signatures_csv(runtime: Runtime, petition_id: int, words: Wording, *, hidden: bool, by: Account) -> Iterator[bytes]:
    """Every confirmed signature, oldest first, in pieces of a thousand rows; memory stays flat.

    Names and reasons are opened for signers who show them; the others, and those who erased them, are "anonymous".
    Addresses are never exported: whom a petition is handed to needs none.

    Args:
        runtime: the runtime.
        petition_id: from :func:`campaign.accounts.may_organise`.
        words: headings and the word for "anonymous".
        hidden: keep a row for each hidden name, so that the rows add up to the public count.
        by: who exports; the audit log keeps it.
    """

    def begin(tx: Transaction) -> Opened:
        audit.add(
            tx,
            action="petition.export",
            subject="petition",
            subject_id=petition_id,
            account_id=by.id,
            detail={"hidden": hidden},
        )
        return petitions.by_id(runtime, tx, petition_id)

    # The entry is written before the first byte leaves, whatever becomes of the download.
    opened = runtime.store.transact(begin)
    return _pieces(runtime, opened, words, hidden=hidden)


def _pieces(runtime: Runtime, opened: Opened, words: Wording, *, hidden: bool) -> Iterator[bytes]:
    yield (BOM + csv_line(list(words.heads))).encode()
    number, last = 0, 0
    while True:
        read = partial(lists.confirmed_slice, petition_id=opened.petition.id, after=last, limit=SLICE)
        found = runtime.store.transact(read)
        if not found:
            return
        last = found[-1].id
        lines = []
        for row in found:
            if row.show_name or hidden:
                number += 1
                lines.append(csv_line(_cells(opened, row, number, words)))
        yield "".join(lines).encode()


def _cells(opened: Opened, row: lists.Listed, number: int, words: Wording) -> list[str]:
    name = reason = ""
    if row.show_name and opened.key is not None:
        name = queries.open_field(opened.key, row.id, "name", row.name) or ""
        reason = queries.open_field(opened.key, row.id, "reason", row.reason) or ""
    # The day, not the second: comparing lists must not reveal an anonymous signer.
    confirmed_on = row.confirmed_at.date().isoformat() if row.confirmed_at else ""
    return [str(number), name or words.anonymous, row.country, words.country(row.country), confirmed_on, reason]
