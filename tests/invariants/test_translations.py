"""The catalogues: each text translated, with the placeholders of the original.

`make check` also compares them with the sources.
"""

import pytest
from babel.messages.pofile import read_po

from campaign.settings import LANGUAGES
from tests.kit.engines import ROOT

FOLDER = ROOT / "translations"


def test_every_language_but_that_of_the_sources_has_a_catalogue():
    assert {file.stem for file in FOLDER.glob("*.po")} == set(LANGUAGES[1:])


@pytest.mark.parametrize("locale", LANGUAGES[1:])
def test_every_text_is_translated_with_the_placeholders_of_the_original(locale: str):
    with (FOLDER / f"{locale}.po").open("rb") as file:
        catalogue = read_po(file, locale=locale)
    texts = [message for message in catalogue if message.id]

    untranslated = [m.id for m in texts if m.fuzzy or not all(m.string if m.pluralizable else [m.string])]
    errors = [(m.id, str(error)) for m in texts for error in m.check(catalogue)]

    assert texts
    assert untranslated == []
    assert errors == []
