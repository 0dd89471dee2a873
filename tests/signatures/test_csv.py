import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.signatures.exports import csv_line, safe_cell

RUNS = "=+-@＝＋－＠"


@pytest.mark.parametrize("start", RUNS)
@pytest.mark.parametrize("before", ["", "\t", "\r", " ", "\u00a0", "\u3000"])
def test_what_a_spreadsheet_would_run_gets_an_apostrophe(start, before):
    assert safe_cell(f"{before}{start}cmd|' /C calc'!A0") == f"'{before}{start}cmd|' /C calc'!A0"


@pytest.mark.parametrize("text", ["Zahra", "زہرا حسینی", "O’Brien", "", "1+1", "a=b"])
def test_what_is_harmless_stays_as_it_is(text):
    assert safe_cell(text) == text


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=4))
def test_a_line_is_read_back_as_it_was_written(cells):
    [read] = csv.reader(io.StringIO(csv_line(cells), newline=""), strict=True)

    assert read == [safe_cell(cell) for cell in cells]
    assert not any(cell.lstrip()[:1] in set(RUNS) for cell in read)
