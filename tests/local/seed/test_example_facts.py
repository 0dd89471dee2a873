"""The example says every fact of the petition it grew from, in each language, and names no other petitioner."""

import html
import re
import unicodedata

import pytest

from campaign.blasts import merge_tags
from campaign.local.seed import example
from campaign.petitions.rules import LADDER
from campaign.settings import LANGUAGES
from campaign.signatures import petition_page

FACTS = {
    "addressed to": ("Government of Germany", "Bundesregierung", "دولت آلمان", "حکومتِ جرمنی"),
    "press the government": (
        "press the Government of Pakistan",
        "die Regierung Pakistans zu drängen",
        "دولت پاکستان را زیر فشار بگذارد",
        "حکومتِ پاکستان پر دباؤ ڈالے",
    ),
    "lives": (
        "protect the lives of Hazaras",
        "das Leben der Hazara zu schützen",
        "از جان هزاره‌ها محافظت کند",
        "جانوں کا تحفظ کرے",
    ),
    "obligations": (
        "international human-rights obligations",
        "internationalen Menschenrechtsverpflichtungen",
        "تعهدات بین‌المللی حقوق بشری",
        "انسانی حقوق سے متعلق اپنی بین الاقوامی ذمہ داریاں",
    ),
    "justice": (
        "bring those who publicly claim the killings to justice",
        "vor Gericht zu bringen, die sich öffentlich",
        "آشکارا مسئولیت کشتارها را بر عهده می‌گیرند، به دست عدالت",
        "انصاف کے کٹہرے میں لائے جو قتل کی ذمہ داری علانیہ",
    ),
    "how long": ("about seventeen years", "etwa siebzehn Jahren", "حدود هفده سال", "تقریباً سترہ برس"),
    "from when to when": (
        "Between 2000 and 2018",
        "Zwischen 2000 und 2018",
        "میان سال‌های 2000 و 2018",
        "سنہ 2000 اور 2018 کے درمیان",
    ),
    "who was killed": (
        "doctors, engineers, civil servants and labourers",
        "Ärzte, Ingenieure, Staatsbedienstete und Arbeiter",
        "پزشکان، مهندسان، کارمندان دولت و کارگران",
        "ڈاکٹر، انجینئر، سرکاری ملازم اور مزدور",
    ),
    "where": (
        "many of them in the city of Quetta",
        "viele von ihnen in der Stadt Quetta",
        "بسیاری از آنان در شهر کویته",
        "بہت سے کوئٹہ شہر میں",
    ),
    "prominent": ("prominent people", "mehrere bekannte Persönlichkeiten", "افراد سرشناس", "کئی معروف شخصیات"),
    "terrorism": (
        "These attacks are terrorism",
        "Diese Angriffe sind Terrorismus",
        "این حمله‌ها تروریسم است",
        "یہ حملے دہشت گردی ہیں",
    ),
    "without interruption": (
        "without interruption, above all in Quetta",
        "ohne Unterbrechung weiter, vor allem in Quetta",
        "بی‌وقفه ادامه دارد، بیش از همه در کویته",
        "بلا تعطل جاری ہیں، خاص طور پر کوئٹہ میں",
    ),
    "acknowledged": (
        "State institutions have themselves acknowledged that the killing is systematic",
        "Staatliche Stellen haben selbst anerkannt, dass die Tötungen systematisch sind",
        "نهادهای دولتی خود پذیرفته‌اند که این کشتارها سیستماتیک است",
        "ریاستی ادارے خود تسلیم کر چکے ہیں کہ یہ قتل منظم",
    ),
    "three claimed it": (
        "Three groups have publicly claimed",
        "Drei Gruppen haben sich öffentlich",
        "سه گروه آشکارا مسئولیت",
        "تین گروہوں نے علانیہ",
    ),
    "first group": ("Lashkari Janghvi", "Lashkari Janghvi", "لشکر جهنگوی", "لشکرِ جھنگوی"),
    "first group, as searched for": ("Lashkar-e-Jhangvi", "Lashkar-e-Jhangvi", "لشکر جهنگوی", "لشکرِ جھنگوی"),
    "second group": ("Ahle Sunnat Wal Jamat", "Ahle Sunnat Wal Jamat", "اهل سنت والجماعت", "اہلِ سنت والجماعت"),
    "third group": ("Jaish ul Islam", "Jaish ul Islam", "جیش الاسلام", "جیش الاسلام"),
    "none charged": (
        "Nobody has been charged",
        "Angeklagt wurde niemand",
        "علیه هیچ‌کس اتهام رسمی",
        "کسی پر فردِ جرم عائد نہیں",
    ),
    "protected": (
        "often enjoyed the protection of parts of government and society",
        "Oft haben Teile der Regierung und der Gesellschaft",
        "اغلب از حمایت بخش‌هایی از دولت و جامعه",
        "اکثر حکومت اور معاشرے کے بعض حلقوں کا تحفظ",
    ),
    "condemned": (
        "federal and provincial governments and the media condemn each attack",
        "Bundes- und Provinzregierungen und die Medien verurteilen jeden Angriff",
        "دولت فدرال و دولت‌های ایالتی پاکستان و رسانه‌ها هر حمله را محکوم",
        "وفاقی اور صوبائی حکومتیں اور میڈیا ہر حملے کی مذمت",
    ),
    "vowed and forgotten": (
        "vow to act. Then the promise is forgotten until the next attack",
        "geloben zu handeln. Dann ist das Versprechen vergessen, bis zum nächsten Angriff",
        "وعدهٔ اقدام می‌دهند. سپس این وعده تا حملهٔ بعدی فراموش",
        "کارروائی کا عزم ظاہر کرتے ہیں۔ پھر یہ وعدہ اگلے حملے تک",
    ),
    "complacent": ("complacent", "selbstzufrieden", "آسوده‌خیال و بی‌اعتنا", "بے فکر اور لاپروا"),
    "local leader": (
        "A local Hazara leader says",
        "Ein führender Vertreter der Hazara vor Ort sagt",
        "یکی از رهبران محلی هزاره می‌گوید",
        "ایک مقامی ہزارہ رہنما کا کہنا",
    ),
    "same drama": (
        "police in Quetta stage the same drama again and again",
        "Polizei in Quetta führe immer wieder dasselbe Schauspiel",
        "پلیس کویته بارها و بارها همان نمایش",
        "کوئٹہ کی پولیس بار بار ایک ہی ڈراما",
    ),
    "safe passage": ("safe passage", "freien Abzug", "راه عبور امن", "محفوظ راستہ"),
    "arrested for show": ("arrested for show", "zum Schein festgenommen", "برای نمایش بازداشت", "دکھاوے کے لیے گرفتار"),
    "released": (
        "released for lack of evidence",
        "aus Mangel an Beweisen freigelassen",
        "به دلیل نبود مدرک آزاد",
        "ثبوت نہ ہونے کی بنا پر رہا",
    ),
    "fear": ("lives in fear", "lebt in Angst", "در ترس زندگی", "خوف میں زندگی"),
    "leaving": (
        "Many of our young, educated people are leaving for Australia and Europe",
        "Viele unserer jungen, gut ausgebildeten Menschen gehen nach Australien und Europa",
        "بسیاری از جوانان تحصیل‌کردهٔ ما به استرالیا و اروپا",
        "بہت سے تعلیم یافتہ نوجوان آسٹریلیا اور یورپ",
    ),
    "hundreds": (
        "hundreds who are looking for safety and a future",
        "Hunderte, die Sicherheit und eine Zukunft suchen",
        "صدها نفر که در جست‌وجوی امنیت و آینده",
        "سینکڑوں ایسے لوگ جو تحفظ اور مستقبل",
    ),
    "words only": (
        "condemnation and condolences",
        "Verurteilungen und Beileidsbekundungen",
        "محکوم کردن و تسلیت گفتن",
        "مذمت اور تعزیت",
    ),
}
"""Each fact of the original petition, as each text says it: in the order of the languages, with Latin digits."""

BYLINES = {
    "en": "on behalf of the Hazara community",
    "de": "im Namen der Gemeinschaft der Hazara",
    "fa": "به نمایندگی از جامعهٔ هزاره",
    "ur": "ہزارہ برادری کی جانب سے",
}
ORGANISATIONS = re.compile(
    r"\b(?:initiative|organi[sz]ation|association|foundation|campaign|committee|NGO|organisation|verein|stiftung|bündnis)"
    r"|ابتکار|سازمان|انجمن|بنیاد |کمیته|تنظیم|فاؤنڈیشن|مہم|کمیٹی",
    re.IGNORECASE,
)
"""Words that would name somebody else as the petitioner."""


def latin_digits(text: str) -> str:
    """The text with the digits of every script as 0 to 9."""
    return "".join(str(unicodedata.decimal(letter)) if letter.isdecimal() else letter for letter in text)


def reading(world, locale: str) -> tuple[petition_page.PetitionPage, str]:
    """The example as the public page has it, and its body without marks."""
    page = petition_page.show(world.runtime, example.create_example(world.runtime), locale)
    return page, latin_digits(html.unescape(re.sub(r"<[^>]+>", " ", page.body_html)))


@pytest.mark.parametrize("locale", LANGUAGES)
def test_each_text_says_every_fact_of_the_original(world, locale):
    page, body = reading(world, locale)

    said = f"{page.addressed_to} {body}"
    assert {fact for fact, words in FACTS.items() if words[LANGUAGES.index(locale)] not in said} == set()


@pytest.mark.parametrize("locale", LANGUAGES)
def test_no_text_adds_a_figure_of_its_own(world, locale):
    page, body = reading(world, locale)

    assert re.findall(r"\d+", body) == ["2000", "2018"]
    assert re.findall(r"\d", latin_digits(page.title + page.summary)) == []


@pytest.mark.parametrize("locale", LANGUAGES)
def test_the_petition_is_asked_on_behalf_of_the_community_and_of_no_organisation(world, locale):
    page, body = reading(world, locale)

    assert page.byline == BYLINES[locale]
    assert {page.author, page.on_behalf_of} == {"the Hazara community"}
    assert ORGANISATIONS.findall(f"{page.title} {page.summary} {page.byline} {body}") == []


@pytest.mark.parametrize("locale", LANGUAGES)
def test_the_summary_of_each_text_holds_its_three_requests(world, locale):
    page, _ = reading(world, locale)

    asked = {
        "en": ("protect the lives", "international human-rights obligations", "to justice"),
        "de": ("das Leben der Hazara", "internationalen Menschenrechtsverpflichtungen", "vor Gericht"),
        "fa": ("از جان هزاره‌ها", "تعهدات بین‌المللی حقوق بشری", "به دست عدالت"),
        "ur": ("جانوں کا تحفظ", "بین الاقوامی ذمہ داریاں", "انصاف کے کٹہرے"),
    }[locale]
    assert [words for words in asked if words not in page.summary] == []


@pytest.mark.parametrize("locale", LANGUAGES)
def test_the_draft_update_repeats_the_requests_and_can_be_sent_as_it_is(locale):
    update = example.read_update()[locale]

    assert merge_tags.problems(update.subject + "\n" + update.body_markdown) == []
    assert merge_tags.used(update.body_markdown) == {"name", "count", "goal", "link", "own page"}
    for fact in ("lives", "obligations"):
        assert FACTS[fact][LANGUAGES.index(locale)] in update.body_markdown
    assert ORGANISATIONS.findall(update.subject + update.body_markdown) == []


def test_the_example_announces_its_first_hundred_five_hundred_and_thousand():
    assert LADDER[:3] == (100, 500, 1_000)
