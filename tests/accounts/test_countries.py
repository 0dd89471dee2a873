import pytest

from campaign.accounts.countries import CODES, names
from campaign.settings import LANGUAGES


def shown(locale, *codes):
    """Names of some countries in the order of the form."""
    return [name for code, name in names(locale) if code in codes]


@pytest.mark.parametrize("locale", LANGUAGES)
def test_every_country_has_a_name_in_every_language(locale):
    assert {code for code, _ in names(locale)} == CODES
    assert [name for code, name in names(locale) if name == code] == []


def test_persian_countries_stand_in_the_order_of_the_persian_alphabet():
    assert shown("fa", "DE", "AT", "IR", "PK", "PT", "TR", "JP", "CL", "CZ", "CA", "LB", "GN", "KR") == [
        "آلمان", "اتریش", "ایران", "پاکستان", "پرتغال", "ترکیه", "چک", "ژاپن", "شیلی", "کانادا", "کرهٔ جنوبی", "گینه",
        "لبنان",
    ]  # fmt: skip


def test_urdu_countries_stand_in_the_order_of_the_urdu_alphabet():
    assert shown("ur", "AU", "AF", "IN", "PK", "TO", "DE", "CL", "DK", "RU", "FR", "CA", "GH", "LY", "ES", "YE") == [
        "آسٹریلیا", "افغانستان", "بھارت", "پاکستان", "ٹونگا", "جرمنی", "چلی", "ڈنمارک", "روس", "فرانس", "کینیڈا",
        "گھانا", "لیبیا", "ہسپانیہ", "یمن",
    ]  # fmt: skip


def test_german_umlauts_and_accents_stand_with_their_letters():
    assert shown("de", "EG", "AF", "AU", "AT", "OM", "PK", "CI", "CR", "CU", "CL") == [
        "Afghanistan", "Ägypten", "Australien", "Chile", "Costa Rica", "Côte d’Ivoire", "Kuba", "Oman", "Österreich",
        "Pakistan",
    ]  # fmt: skip
