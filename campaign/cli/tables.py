"""Tables for a terminal: columns aligned, numbers to the right."""

from collections.abc import Collection, Sequence


def render(heads: Sequence[str], rows: Sequence[Sequence[str | int]], *, right: Collection[int] = ()) -> list[str]:
    """The lines of a table, head first.

    A column of numbers is right-aligned, and so do the columns whose positions are in ``right``. The last column is
    not filled up: texts of any script belong there, for how wide a terminal draws them is not ours to know.
    """
    grid = [list(heads), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(line[column]) for line in grid) for column in range(len(heads))]
    numeric = [
        column in right or (bool(rows) and all(isinstance(row[column], int) for row in rows))
        for column in range(len(heads))
    ]
    return [
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(line, widths, numeric, strict=True)
        ).rstrip()
        for line in grid
    ]


def _cell(value: str | int) -> str:
    return f"{value:,}" if isinstance(value, int) else value
