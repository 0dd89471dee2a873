"""Cells of a CSV file that a spreadsheet shows and never runs."""

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
