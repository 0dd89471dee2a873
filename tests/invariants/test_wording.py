"""The words of the catalogues keep the glossary, and supporters' English is plain. See docs/glossary.md."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Set as AbstractSet
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from campaign.settings import LANGUAGES
from tests.kit.engines import ROOT
from tests.kit.wording import Text, forbidden, missing, problems

GLOSSARY = tomllib.loads((ROOT / "translations/glossary.toml").read_text())
EXCEPTIONS: dict[str, str] = GLOSSARY["exceptions"]
SUPPORTERS = re.compile(r"templates/(pages|email)/|campaign/views/(public/|errors|forms|language)|campaign/signatures/")


@pytest.fixture(scope="module")
def supporters(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The English texts of public pages and emails."""
    file = tmp_path_factory.mktemp("texts") / "messages.pot"
    command = ["-q", "extract", "-F", "babel.cfg", "-k", "lazy", "-o", str(file), "campaign", "templates"]
    subprocess.run([Path(sys.executable).with_name("pybabel"), *command], cwd=ROOT, check=True, timeout=60)
    with file.open("rb") as opened:
        found = [m for m in read_po(opened) if m.id and any(SUPPORTERS.search(place) for place, _ in m.locations)]
    return {text for m in found for text in (m.id if isinstance(m.id, tuple) else (m.id,))}


def texts(locale: str, supporters: AbstractSet[str] = frozenset()) -> list[Text]:
    with (ROOT / f"translations/{locale}.po").open("rb") as file:
        catalogue = read_po(file, locale=locale)
    found = []
    for m in catalogue:
        if not m.id:
            continue
        ids = m.id if isinstance(m.id, tuple) else (m.id,)
        words = m.string if isinstance(m.string, tuple) else (m.string,)
        found += [Text(locale, ids[-1], one, ids[0] in supporters) for one in words]
    return found


def excepted(english: str) -> bool:
    return any(english.startswith(begin) for begin in EXCEPTIONS)


@pytest.mark.parametrize("locale", LANGUAGES[1:])
def test_translations_keep_the_rules_of_their_script(locale: str, supporters: set[str]):
    found = [
        (t.english, t.words, p) for t in texts(locale, supporters) if (p := problems(t)) and not excepted(t.english)
    ]

    assert found == []


@pytest.mark.parametrize("locale", LANGUAGES[1:])
def test_translations_use_no_forbidden_word(locale: str):
    table = GLOSSARY["forbidden"][locale]

    found = [(t.words, p) for t in texts(locale) if (p := forbidden(t.words, table)) and not excepted(t.english)]

    assert found == []


@pytest.mark.parametrize("locale", LANGUAGES[1:])
def test_translations_use_the_words_of_the_glossary(locale: str):
    terms = GLOSSARY["term"]

    found = [(t.english, t.words, p) for t in texts(locale) if (p := missing(t.english, t.words, locale, terms))]

    assert found == []


def test_what_supporters_read_in_english_is_plain(supporters: set[str]):
    table = GLOSSARY["forbidden"]["en"]

    found = [(text, p) for text in sorted(supporters) if (p := forbidden(text, table)) and not excepted(text)]

    assert len(supporters) > 300
    assert found == []


def test_every_exception_is_still_needed(supporters: set[str]):
    known = {t.english for t in texts("de")} | supporters

    assert [begin for begin in EXCEPTIONS if not any(text.startswith(begin) for text in known)] == []


@pytest.mark.parametrize(
    ("locale", "english", "words", "rule"),
    [
        ("fa", "Email", "ايميل", "letters of another language"),
        ("ur", "No", "نه", "letters of another language"),
        ("fa", "It comes.", "می آید.", "blank instead of a joiner"),
        ("ur", "Yes, now", "جی, ابھی", "ASCII comma, semicolon or question mark"),
        ("ur", "Yes.", "جی.", "ASCII full stop"),
        ("de", "Yes", "Ja ", "blank at an edge, two blanks or three dots"),
        ("fa", "Yes", "\u2068بله", "isolates"),
        ("de", "%(a)s of %(b)s", "%(a)s von %(a)s", "placeholders"),
        ("de", "Yes.", "Ja", "last mark"),
        ("fa", "5 days", "5 روز", "digits"),
        ("ur", "5 days", "۵ دن", "digits"),
        ("de", "for", "fu\u0308r", "not NFC"),
        ("fa", "It", "می\u200c آید", "joiner beside a blank"),
        ("de", "Your name", "dein Name", "familiar form"),
        ("fa", "Send", "بفرست", "familiar form"),
        ("ur", "Do", "کرو", "familiar form"),
        ("ur", "“Yes”", "«جی»", "quotation marks"),
        ("de", "Your address", "Ihre Adresse", "address of an unsaid kind"),
        ("fa", "Your address", "آدرس شما", "address of an unsaid kind"),
        ("ur", "Your address", "آپ کا پتہ", "address of an unsaid kind"),
    ],
)
def test_each_rule_finds_a_wrong_sample(locale: str, english: str, words: str, rule: str):
    assert problems(Text(locale, english, words, supporters=True)) == [rule]


@pytest.mark.parametrize(
    ("locale", "wrong"),
    [
        ("de", "Ein Fingerabdruck"),
        ("de", "Die Überwachung"),
        ("fa", "نشانی شما"),
        ("ur", "تازہ خبریں"),
        ("en", "We sent two mails."),
        ("en", "Whoever signs"),
        ("en", "Anyone who signs. Who hides the name is anonymous."),
        ("en", "Somebody signed."),
        ("en", "It does not count."),
        ("en", "It can’t be signed any more."),
    ],
)
def test_a_forbidden_word_is_found(locale: str, wrong: str):
    assert len(forbidden(wrong, GLOSSARY["forbidden"][locale])) == 1


def test_a_term_translated_by_another_word_is_found():
    assert missing("Milestone", "نقطهٔ عطف", "fa", GLOSSARY["term"]) == [r"\b[Mm]ilestones?\b"]
    assert missing("Milestone", "مرز", "fa", GLOSSARY["term"]) == []
