"""The text part of an update: what the HTML says, as a letter."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from campaign.mail.templates import to_text
from campaign.petitions.markdown import to_html

LETTER = """\
Dear Zahra,
thank you.

# What happened

The *minister* **listened**. Read [the report](https://example.org/a_b?x=1&y=2), or <https://example.org>,
or [https://example.org](https://example.org), or write to [us](mailto:us@example.org) or <mailto:us@example.org>.
Not [this](ftp://example.org), 5 \\* 3.

1. one
2. two
   - within
   - `code`

- a

  b
- c

> He said:
>
> > never

---

    indented
      more

| A | B |
|---|---|
| 1 | 2 |
"""

AS_TEXT = """\
Dear Zahra,
thank you.

What happened
-------------

The minister listened. Read the report <https://example.org/a_b?x=1&y=2>, or https://example.org,
or https://example.org, or write to us <us@example.org> or us@example.org.
Not this, 5 * 3.

1. one
2. two
   - within
   - code

- a

  b

- c

> He said:
>
> > never

--------------------

    indented
      more

A | B
1 | 2"""


def test_an_update_reads_like_a_letter():
    assert to_text(LETTER) == AS_TEXT


def test_a_list_that_begins_with_a_number_goes_on_from_there():
    assert to_text("7. seven\n8. eight") == "7. seven\n8. eight"


def test_the_place_of_a_personal_link_survives():
    token = "z0123456789abcdef01234567q1z"

    assert to_text(f"[Your page]({token}), {token}", own_links={token}) == f"Your page <{token}>, {token}"


@pytest.mark.parametrize(
    "address", ["https://x.test/سلام", "https://x.test/für?q=%20a", "x.test/سلام", "https://x.test/a"]
)
def test_a_bare_address_is_written_once_in_any_letters(address):
    assert to_text(f"see {address} now") == f"see {address} now"


@pytest.mark.parametrize("markdown", ["", " ", "\r\n", "#", "-", "> ", "[]()", "```\n```", "| |\n|-|"])
def test_almost_nothing_is_almost_nothing(markdown):
    assert len(to_text(markdown)) <= 6


def words(text):
    """Its letters; where one word ends and the next begins is another matter in a table or behind a link."""
    return "".join(re.findall(r"[a-zß-ÿ؀-ۿ]+", re.sub(r"https://\w\.test/", "", text)))


class _Html(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.text, self.links = "", []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        if tag == "a" and (target := dict(attributes).get("href")):
            self.links.append(target)

    def handle_data(self, data):
        self.text += data


PIECES = st.sampled_from([
    "word", "سلام", "für", " ", "\n", "\n\n", "*", "**", "`", "> ", "- ", "1. ", "# ", "[go](https://x.test/)", "\\",
    "    ", "```\n", "---\n", "| a | b |\n|---|---|\n| c | d |\n", "<b>", "&amp;", "<https://y.test/>", "![pic](https://z.test/)",
])  # fmt: skip


@given(st.lists(PIECES, max_size=25).map("".join))
@example("\\[go](https://x.test/)wordسلام")
def test_it_has_the_words_and_the_links_of_the_html(markdown):
    html, text = _Html(to_html(markdown)), to_text(markdown)

    assert words(text) == words(html.text)
    targets = [target for target in html.links if "x.test" in target]
    assert text.count("<https://x.test/>") <= len(targets) <= text.count("https://x.test/")


@given(st.text(max_size=300))
def test_no_text_breaks_it(markdown):
    to_text(markdown)
