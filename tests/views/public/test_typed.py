"""What people type in the sign form, over the web: a sentence at the field, what was typed stays, never a failure."""

import pytest

from tests.views.conftest import Site, words

HOSTILE = [
    "Zah\0ra",
    "Zahra\ud800".encode("utf-8", "surrogatepass").decode("utf-8", "replace"),
    "\u202eZahra\u202c\u2067",
    "A" * 10_240,
    "Z" + "\u0301" * 300,
    "زهرا احمدی",
    "रमा देवी",
    "李小龍",
    "Зарина",
]


def test_the_sentence_names_the_word_that_looks_like_a_web_address(site: Site):
    answer = site.sign(name="Zahra scam.app")

    assert answer.status_code == 422
    assert "Leave out “scam.app”: it looks like a web address." in words(answer)
    assert 'value="Zahra scam.app"' in answer.text
    assert site.states() == []


def test_a_name_with_an_email_address_in_it_is_refused_by_that_address(site: Site):
    answer = site.sign(name="Zahra z@example.org")

    assert answer.status_code == 422
    assert "Leave out “z@example.org”: a name can’t contain an email address." in words(answer)


def test_an_address_pasted_with_invisible_marks_is_taken(site: Site):
    answer = site.sign(email="\u202a<mailto:zahra@exam\u200bple.org>\u202c,")

    assert "Check your inbox" in words(answer)
    assert site.states() == ["pending"]


@pytest.mark.parametrize("typed", HOSTILE)
def test_whatever_is_typed_as_a_name_or_reason_is_taken_or_refused_in_words(site: Site, typed: str):
    for form in ({"name": typed}, {"reason": typed}, {"email": typed}, {"country": typed}):
        assert site.sign(**form).status_code in {200, 303, 422}
