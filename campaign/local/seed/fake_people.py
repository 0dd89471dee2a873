"""Fake people for demonstrations and load: names in four scripts, addresses in reserved domains."""

import random
from dataclasses import dataclass, field

from campaign.settings import LANGUAGES

DOMAINS = ("example.org", "example.com", "example.net", "post.test", "mail.test", "inbox.test")
"""Reserved for such use (RFC 2606, RFC 6761): no mail to them ever leaves for anybody."""

COUNTRIES = ("DE", "DE", "DE", "PK", "PK", "AF", "AU", "AU", "GB", "CA", "US", "SE", "NO", "AT", "CH", "NL", "FR", "IR")
"""Weighted by repetition."""

_GIVEN = {
    "en": "Amelia Arthur Beatrice Callum Daisy Edward Florence George Hannah Harvey Imogen Isaac Jessica Joseph "
    "Lily Lucas Martha Nathan Olivia Oscar Phoebe Rowan Sophie Toby",
    "de": "Anneliese Bastian Charlotte Dörte Emil Frieda Götz Hannelore Jörg Jürgen Katharina Lukas Marlene Moritz "
    "Nele Otto Paula Rüdiger Sabine Theo Ursula Volker Wiebke Zoë",
    "fa": "آرزو امیر بهاره بهمن پروین جواد حسین رضا رقیه زهرا زینب سکینه شکریه صادق طاهره عارف علی‌رضا فاطمه فرزانه "
    "قربان کاظم مرضیه نادر یاسمین",
    "ur": "آمنہ احمد اسماء بلال ثمینہ جاوید حمیرا خالد رابعہ راشد زرینہ سجاد شازیہ صائمہ طارق عابدہ عمران فرح "
    "کامران مریم ناصر نسرین وقار یاسر",
}
_FAMILY = {
    "en": "Abbott Barker Chapman Dawson Ellison Fletcher Goodwin Hartley Irving Jennings Knowles Lambert Marsden "
    "Norris O’Neill Parsons Quinn Radcliffe Sheldon Thornton Underhill Vaughan Whitaker Yates",
    "de": "Ackermann Brüggemann Clausen Dörfler Ebersbach Fröhlich Großmann Hübner Iversen Jäger Köhler Lindenau "
    "Möller Neubauer Oltmanns Pfeiffer Quandt Rößler Schönfeld Thielemann Uhlig Voß Wächter Zschoche",
    "fa": "احمدی اکبری امینی بهرامی توسلی جعفری حسینی حیدری رحیمی رضایی سلطانی شریفی صالحی عزیزی علی‌زاده غلامی "
    "فکوری قاسمی کریمی محمدی مرادی نظری نوری هاشمی",
    "ur": "اعوان انصاری بٹ بلوچ بنگش چغتائی چوہدری حسین خان درانی رضوی زیدی شاہ شیخ صدیقی علوی فاروقی قریشی کاظمی "
    "لودھی مرزا ملک نقوی ہاشمی",
}
_ROOTS = "amir anna bilal emil fatima hannah jawad khalid lucas maryam nadir omar paula rabia sophie tariq yasmin zahra"
_REASONS = {
    "en": ("This concerns all of us.", "I sign for my children.", "Silence has lasted long enough."),
    "de": ("Das geht uns alle an.", "Ich unterschreibe für meine Kinder.", "Geschwiegen wurde lange genug."),
    "fa": ("این به همهٔ ما مربوط است.", "برای فرزندانم امضا می‌کنم.", "سکوت بس است."),
    "ur": ("یہ ہم سب کا معاملہ ہے۔", "اپنے بچوں کے لیے۔", "خاموشی بہت ہو چکی۔"),
}

SHOWN = 0.4
REASONED = 0.1
"""Shares of people who show their name, and who give a reason."""


@dataclass(frozen=True)
class Person:
    """A fake person."""

    name: str = field(repr=False)
    address: str = field(repr=False)
    locale: str
    country: str
    reason: str = field(repr=False)
    show_name: bool


class PeopleGenerator:
    """Invents people, one like another by chance."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._given = {locale: names.split() for locale, names in _GIVEN.items()}
        self._family = {locale: names.split() for locale, names in _FAMILY.items()}
        self._roots = _ROOTS.split()

    def person(self, number: int) -> Person:
        """A fake person whose address holds a number: another number, another address."""
        pick = self._chance.choice
        locale = pick(LANGUAGES)
        return Person(
            name=f"{pick(self._given[locale])} {pick(self._family[locale])}",
            address=f"{pick(self._roots)}.{number}@{pick(DOMAINS)}",
            locale=locale,
            country=pick(COUNTRIES),
            reason=pick(_REASONS[locale]) if self._chance.random() < REASONED else "",
            show_name=self._chance.random() < SHOWN,
        )
