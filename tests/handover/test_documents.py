"""Documents: what people typed is never markup, and a petition's text keeps its shape."""

import pytest

from campaign.handover.prose import blocks
from campaign.handover.typesetting import FAMILIES, TypesettingError, typeset
from campaign.petitions.markdown import to_html

HOSTILE = [
    "#set page(fill: red)", '") #read("/etc/passwd")', "$x^2$ *b* _i_ @a <b> \\ `c`", "\u202eevil\u2066",
    "\u0600" * 200,
    "𐀀🏳️‍🌈", "", "-" * 400, "#panic()", "\\u{0}", "http://evil.example/",
]  # fmt: skip


def frame(locale="en"):
    return {
        "title": "#panic()", "author": "$", "lang": locale, "rtl": locale in {"fa", "ur"}, "fonts": FAMILIES[locale],
        "digit": "۱" if locale == "fa" else "1", "footer": '#read("x")', "part": "*", "head": ["a", "b", "c", "d"],
    }  # fmt: skip


@pytest.mark.parametrize("locale", ["en", "de", "fa", "ur"])
def test_nothing_that_was_typed_is_read_as_markup(locale):
    rows = [[word, word, word, word] for word in HOSTILE]

    assert typeset("names", frame(locale) | {"rows": rows}).startswith(b"%PDF")


def test_a_letter_takes_any_text(tmp_path):
    text = "\n\n".join(
        [
            "## #panic()",
            *HOSTILE,
            "1. one\n2. two\n\n> quoted *a* **b** [c](https://example.org/)",
            "| a | b |\n|---|---|\n| 1 | 2 |",
        ]
    )
    said = {
        "head": HOSTILE, "count": "5", "counted": "signed", "text": blocks(to_html(text)), "method": HOSTILE,
        "method_heading": "#x",
        "tables": [{"heading": "$", "columns": ["wide", "number"], "head": ["a", "b"], "rows": [["#a", "$1"]]}],
    }  # fmt: skip

    assert typeset("letter", frame() | said).startswith(b"%PDF")


def test_a_document_that_can_not_be_set_is_named_without_its_words():
    with pytest.raises(TypesettingError) as error:
        typeset("names", {"title": "Zahra"})

    assert "names" in str(error.value)
    assert "Zahra" not in str(error.value)


def test_a_text_keeps_headings_lists_quotations_and_links():
    html = to_html(
        "## Why\n\nRivers **matter** *much*.\n\n- fish\n- people\n\n3. three\n4. four\n\n> said\n\n[Page](https://example.org/)"
    )
    found = blocks(html)

    assert [one["kind"] for one in found] == ["heading", "text", "item", "item", "item", "item", "quote", "text"]
    assert [one["mark"] for one in found if one["kind"] == "item"] == ["•", "•", "1.", "2."]
    assert [run["text"] for run in found[1]["runs"] if run["bold"]] == ["matter"]
    assert [run["text"] for run in found[1]["runs"] if run["italic"]] == ["much"]
    assert found[-1]["runs"][0]["link"] == "https://example.org/"
