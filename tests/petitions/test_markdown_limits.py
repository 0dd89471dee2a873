"""Texts that can't be rendered are named with their place, and shown as they were typed."""

import pytest

from campaign.errors import InvalidInputError
from campaign.mail.templates import to_text
from campaign.petitions import petitions, rules
from campaign.petitions.markdown import problems, to_html

DEEP = {
    "emphasis": "*" * 600 + "words" + "*" * 600,
    "spaced emphasis": "*a " * 600 + "b" + "*" * 600,
    "underscores": "_a " * 2000 + " b_" * 2000,
    "quotations": "> " * 30 + "x",
    "lists": "\n".join("  " * depth + "- a" for depth in range(40)),
    "a list on one line": "- " * 40 + "x",
    "emphasis in a table": "|a|b|\n|-|-|\n|" + "*a " * 60 + "b*" * 60 + "|b|",
    "emphasis in a link": "[" + "*a " * 60 + " b*" * 60 + "](https://example.org)",
}
MUCH = {
    "brackets": ("[" * 50_000 + "x", "too_much_markup"),
    "unclosed links": ("[a](" * 20_000, "too_much_markup"),
    "backticks": ("`a``b" * 15_000, "too_much_markup"),
    "entities": ("&" * 99_000, "too_much_markup"),
    "a wide table": ("|a" * 4000 + "|\n" + "|-" * 4000 + "|\n" + "|a\n" * 500, "too_large_table"),
    "a tall table": ("|a|b|\n|-|-|\n" + "|a|b|\n" * 2600, "too_large_table"),
    "definitions": ("[a]: x\n" * 12_000, "too_many_lines"),
    "lines": ("\n" * 99_000, "too_many_lines"),
    "nested lists in every line": (("- " * 9 + "x\n") * 2900, "too_much_markup"),
}


@pytest.mark.parametrize("markdown", DEEP.values(), ids=DEEP)
def test_a_text_that_is_nested_too_deeply_is_named_with_its_line(markdown):
    [problem] = problems(f"One\n\nTwo\n\n{markdown}")

    assert problem.code == "too_deep"
    assert problem.line >= 5


@pytest.mark.parametrize(("markdown", "code"), MUCH.values(), ids=MUCH)
def test_a_text_that_takes_long_to_render_is_refused_before_it_is_parsed(markdown, code):
    assert [problem.code for problem in problems(markdown)] == [code]


@pytest.mark.parametrize("markdown", [*DEEP.values(), *(text for text, _ in MUCH.values())], ids=[*DEEP, *MUCH])
def test_what_an_older_release_has_saved_is_shown_as_it_was_typed(markdown):
    html, text = to_html(markdown), to_text(markdown)

    assert "<strong>" not in html
    assert "<em>" not in html
    assert text == markdown.strip()


def test_many_blanks_inside_a_line_are_tidied_at_once():
    """A pattern for blanks at line ends took a minute for this text."""
    assert to_html("\t" * 90_000 + "a").startswith("<pre>")


@pytest.mark.parametrize("depth", [1, 8])
def test_what_people_write_is_within_the_limits(depth):
    lists = "\n".join("  " * level + f"- **a** _b_ [c](https://example.org/{level})" for level in range(depth))
    table = "|a|b|c|\n|-|-|-|\n" + "|1|2|3|\n" * 200

    assert problems(f"# Title\n\n> > said\n\n{lists}\n\n{table}\n\n" + "Some words, 5 * 3 < 20 & so on.\n" * 1000) == []


def test_a_petition_with_such_a_text_is_refused_with_the_place(world):
    slug = world.petition()

    with pytest.raises(InvalidInputError) as refused:
        petitions.edit_text(
            world.runtime,
            slug,
            "en",
            rules.Draft(title="T", addressed_to="X", body="One\r\n\r\n" + "*" * 600 + "a" + "*" * 600),
        )

    assert refused.value.problems == {"body": "too_deep 3:1 10"}
