"""Which language a browser gets: families of languages, qualities, and headers that are no headers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.settings import LANGUAGES
from campaign.views.language import among
from tests.views.conftest import SLUG, Site

PERSIAN = ("prs-AF", "prs", "pes-IR", "haz", "haz-AF", "fa-AF", "fa_AF", "FA-Arab-AF", "fas", "per", "aiq")


@pytest.mark.parametrize(
    ("header", "language"),
    [
        *((tag, "fa") for tag in PERSIAN),
        *((tag, "ur") for tag in ("ur-IN", "ur-PK", "urd", "ur-Arab-PK")),
        *((tag, "de") for tag in ("de-AT", "de-CH-1996", "gsw-CH", "nds", "deu")),
        *((tag, "en") for tag in ("en-US", "eng", "tlh", "", "*", "faroese", "f", "-", "und-AF")),
        ("ps-AF,prs-AF;q=0.9,en;q=0.8", "fa"),
        ("en;q=0.2, de-AT;q=0.7, haz;q=0.9", "fa"),
        ("fa;q=0,de;q=0.1", "de"),
        ("ur;q=0", "en"),
        ("fr-FR,fr;q=0.9,ur;q=0.1", "ur"),
        ("prs;q=abc,de;q=0.5", "de"),
        ("de;;;q=0.5,,,=,;", "de"),
        ("x" * 10_000, "en"),
    ],
)  # fmt: skip
def test_a_browser_gets_the_language_its_reader_reads(site: Site, header: str, language: str):
    page = site.get(f"/p/{SLUG}/code", headers={"Accept-Language": header})

    assert f'<html lang="{language}"' in page.text


@given(st.text(alphabet=st.characters(codec="latin-1"), max_size=300))
def test_no_header_breaks_the_choice(header: str):
    assert among("", header) in LANGUAGES


@pytest.mark.parametrize(
    ("tag", "language"), [("fa-AF", "fa"), ("FA", "fa"), ("prs", "fa"), ("ur_IN", "ur"), ("xx", "de")]
)
def test_a_family_of_languages_in_the_address_is_read_like_one_of_the_browser(site: Site, tag: str, language: str):
    page = site.client.get(f"/p/{SLUG}?lang={tag}", headers={"Accept-Language": "de"})

    assert f'<html lang="{language}"' in page.text
