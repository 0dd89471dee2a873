"""Links of organisers' texts lead somewhere, or the mistake is named with its place."""

import re

import pytest

from campaign.mail.templates import to_text
from campaign.petitions.markdown import problems, to_html


def target(markdown):
    found = re.findall(r'href="([^"]*)"', to_html(markdown))
    return found[0] if found else None


@pytest.mark.parametrize(
    ("markdown", "where"),
    [
        ("[our page](www.example.org)", "https://www.example.org"),
        ("[our page](example.org/a)", "https://example.org/a"),
        ("[our page](example.org:8443/a)", "https://example.org:8443/a"),
        ("[our page](//example.org/a)", "https://example.org/a"),
        ("[our page](bücher.org)", "https://xn--bcher-kva.org"),
        ("See www.bücher.org/ä.", "https://www.xn--bcher-kva.org/%C3%A4"),
        ("[write](info@example.org)", "mailto:info@example.org"),
        ("[call](tel:+49-30-1234)", "tel:+49301234"),
        ("[call](<tel:+49 (0)30 1234>)", "tel:+49301234"),
        ("[call](+4930123456)", "tel:+4930123456"),
        ("See https://example.org/a_b_c?x=1, please.", "https://example.org/a_b_c?x=1"),
        ("See (www.example.org/a(b)).", "https://www.example.org/a(b)"),
        ("See example.org/page!", "https://example.org/page"),
        ("Write to info@example.org.", "mailto:info@example.org"),
        ("متن «https://example.org/y»؟", "https://example.org/y"),
        ("**https://example.org**", "https://example.org"),
        (r"https://example.org/a\_b", "https://example.org/a_b"),
    ],
)
def test_what_is_meant_as_a_link_is_one(markdown, where):
    assert target(markdown) == where
    assert problems(markdown) == []


@pytest.mark.parametrize(
    "markdown",
    [
        "J.de Vries met my family.Me and Drs.Ir.Budi, at 5.30 and 1.000.000.", r"https\://example.com/x", "www. and ://",
        "`https://example.org`", "    https://example.org", "and/or a.b.c", "@example", "v1.2.3",
    ],
)  # fmt: skip
def test_what_is_not_meant_as_a_link_is_none(markdown):
    assert target(markdown) is None


@pytest.mark.parametrize(
    ("markdown", "code", "column", "words"),
    [
        ("Read [this](page.html) now", "dead_link", 13, "page.html"),
        ("Read [this](#top) now", "dead_link", 13, "#top"),
        ("Read [this]() now", "dead_link", 1, ""),
        ("Read [this](ftp://example.org) now", "dead_link", 13, "ftp://example.org"),
        ("Read [this](javascript:alert) now", "dead_link", 13, "javascript:alert"),
        ("Read [this](https//example.org) now", "dead_link", 13, "https//example.org"),
        ("Read [this](https:/example.org) now", "dead_link", 13, "https:/example.org"),
        ("Read [this](http://[) now", "dead_link", 13, "http://["),
        ("Read [this](https://exa mple.org) now", "dead_link", 13, "https://exa"),
        ("Read [this](mailto:nobody) now", "dead_link", 13, "mailto:nobody"),
        ("Read <foo:bar> now", "dead_link", 7, "foo:bar"),
        ("It is <b>bold</b>", "html_tag", 7, "<b>"),
        ('<a href="https://example.org">x</a>', "html_tag", 1, '<a href="https://example.org">'),
        ("One<br/>two", "html_tag", 4, "<br/>"),
        ("<!-- hidden -->", "html_tag", 1, "<!--"),
    ],
)
def test_a_dead_link_and_html_are_named_with_their_place(markdown, code, column, words):
    first = problems(f"One\n\n{markdown}")[0]

    assert (first.code, first.line, first.column, first.words) == (code, 3, column, words)


@pytest.mark.parametrize("markdown", [r"\<b>", "`<b>`", "5 < 6 and 7 > 3", "I <3 it", "&lt;b&gt;", "a <name> of ours"])
def test_what_is_no_html_is_not_taken_for_it(markdown):
    assert problems(markdown) == []


def test_the_text_part_shows_an_address_once():
    assert to_text("See www.example.org, info@example.org and [call](tel:+49301234).") == (
        "See www.example.org, info@example.org and call <+49301234>."
    )
