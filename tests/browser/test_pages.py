from collections.abc import Callable
from dataclasses import replace

import pytest
from playwright.sync_api import expect

from campaign.petitions import petitions
from tests.browser.conftest import LONG, SLUG, TEXTS, Live
from tests.kit.browsers import Visitor
from tests.views.public.test_mailbox import receive

pytestmark = pytest.mark.browser

NOBODY = ["0", "have", "signed.", "Let’s", "get", "to", "1,000!"]
ONE = ["1", "has", "signed.", "Let’s", "get", "to", "1,000!"]

PUBLIC = {
    "home": "/",
    "petition": f"/p/{SLUG}",
    "code": f"/p/{SLUG}/code",
    "thanks": f"/p/{SLUG}/thanks",
    "privacy": "/privacy",
    "refused": "/c/no-such-token",
    "missing": "/nothing",
    "mailbox": "/mailbox",
    "mine": "/mine",
    "sent": "/mine/sent",
}


def paths(live: Live) -> dict[str, str]:
    """Every page of a supporter, with tokens that work."""
    confirm = live.token(live.world.confirm_token, confirmed=False)
    manage = live.token(live.world.manage_token, confirmed=True)
    return PUBLIC | {
        "confirm": f"/c/{confirm}",
        "decline": f"/c/{confirm}/decline",
        "correct": f"/c/{confirm}/correct",
        "own": f"/me/{manage}",
        "withdraw": f"/me/{manage}/withdraw",
        "erase": f"/me/{manage}/erase",
        "forget": f"/me/{manage}/forget",
    }


def set_count(live: Live, count: int) -> None:
    live.world.read(lambda tx: tx.connection.exec_driver_sql("update petition set count = %(n)s", {"n": count}))


@pytest.mark.parametrize(
    ("lang", "scheme"), [("en", "light"), ("de", "light"), ("fa", "light"), ("ur", "light"), ("ur", "dark")]
)
def test_every_page_is_accessible(live: Live, visitor: Callable[..., Visitor], lang: str, scheme: str):
    person = visitor(color_scheme=scheme)

    found = []
    for name, path in paths(live).items():
        person.open(f"{live.url}{path}?lang={lang}")
        found += [f"{name}: {problem}" for problem in person.violations()]

    assert found == []
    assert [text for text in person.complaints if "Failed to load resource" not in text] == []


@pytest.mark.parametrize("lang", ["de", "fa", "ur"])
@pytest.mark.parametrize("width", [320, 375, 768, 1440])
def test_no_page_is_wider_than_its_window(live: Live, visitor: Callable[..., Visitor], width: int, lang: str):
    person = visitor(width=width)

    wide = {}
    for name, path in paths(live).items():
        person.open(f"{live.url}{path}?lang={lang}")
        person.pictures(f"{name}-{width}-{lang}")
        if person.overflow() > 0:
            wide[name] = person.overflow()

    assert wide == {}


@pytest.mark.parametrize("count", [0, 1, 999, 1_234_567])
def test_a_long_title_and_any_count_fit_a_small_screen(live: Live, visitor: Callable[..., Visitor], count: int):
    slug = live.world.petition("long")
    live.world.read(lambda tx: tx.connection.exec_driver_sql("update text_version set title = %(t)s", {"t": LONG}))
    set_count(live, count)
    person = visitor(width=320)

    person.open(f"{live.url}/p/{slug}?lang=en")

    person.pictures(f"long-{count}")
    assert person.overflow() == 0


def test_signing_works_without_javascript(live: Live, visitor: Callable[..., Visitor]):
    page = visitor(java_script_enabled=False).open(f"{live.url}/p/{SLUG}?lang=en")

    page.fill("#name", "Zahra Ahmadi")
    page.fill("#email", "zahra@example.org")
    page.select_option("#country", "DE")
    page.click("button[type=submit]")
    assert page.locator("h1").inner_text() == "Check your inbox"
    live.world.admit()
    live.world.deliver()
    [row] = live.world.rows(SLUG, "zahra@example.org")
    page.fill("#code", live.world.code(row.id))
    page.click("button[type=submit]")

    assert page.locator("h1").inner_text() == "Thank you. Your signature is confirmed."
    assert live.world.state(row.id) == "confirmed"
    assert page.url == f"{live.url}/p/{SLUG}/thanks?lang=en"


def test_mistakes_are_summed_up_on_top_and_lead_to_their_fields(live: Live, visitor: Callable[..., Visitor]):
    person = visitor(width=375)
    page = person.open(f"{live.url}/p/{SLUG}?lang=en")

    page.fill("#name", "Zahra Ahmadi")
    page.click("button[type=submit]")

    assert page.title().startswith("Error: ")
    assert page.evaluate("document.activeElement.className") == "summary"
    page.click("text=Enter your email address.")
    assert page.evaluate("document.activeElement.id") == "email"
    assert page.input_value("#name") == "Zahra Ahmadi"
    assert person.violations() == []


def test_the_form_is_reached_and_filled_by_keyboard_alone(live: Live, visitor: Callable[..., Visitor]):
    page = visitor().open(f"{live.url}/p/{SLUG}?lang=en")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")

    order = []
    for typed in ("Zahra Ahmadi", "zahra@example.org", "Germany", "", " ", " "):
        page.keyboard.press("Tab")
        order.append(page.evaluate("document.activeElement.id"))
        page.keyboard.type(typed)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/inbox/**")
    live.world.admit()

    assert order == ["name", "email", "country", "reason", "show_name", "wants_updates"]
    [row] = live.world.rows(SLUG, "zahra@example.org")
    assert (row.country, row.show_name, row.wants_updates) == ("DE", True, True)


def test_what_has_the_focus_can_be_seen(live: Live, visitor: Callable[..., Visitor]):
    page = visitor().open(f"{live.url}/p/{SLUG}?lang=en")

    for _ in range(16):
        page.keyboard.press("Tab")

        style = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert style == "solid", page.evaluate("document.activeElement.outerHTML")


def test_the_count_refreshes_by_itself(live: Live, visitor: Callable[..., Visitor]):
    person = visitor()
    page = person.open(f"{live.url}/p/{SLUG}?lang=en")
    assert page.locator(".tally-sentence").inner_text().split() == NOBODY

    set_count(live, 1)

    expect(page.locator("[data-figure]")).to_have_text("1")
    assert page.locator(".tally-sentence").inner_text().split() == ONE
    assert page.locator("[data-few]").is_hidden()
    assert person.complaints == []


def test_a_goal_that_is_reached_meanwhile_is_said_to_be_reached(live: Live, visitor: Callable[..., Visitor]):
    live.world.read(lambda tx: tx.connection.exec_driver_sql("update petition set fixed_goal = 5, count = 4"))
    page = visitor().open(f"{live.url}/p/{SLUG}?lang=en")
    before = " ".join(page.locator(".tally-sentence").inner_text().split())

    set_count(live, 5)

    expect(page.locator(".tally-sentence")).to_have_text("5 have signed. The goal of 5 is reached.")
    assert before == "4 have signed. Let’s get to 5!"


def test_the_link_can_be_copied(live: Live, visitor: Callable[..., Visitor]):
    person = visitor(permissions=["clipboard-read", "clipboard-write"])
    page = person.open(f"{live.url}/p/{SLUG}/thanks?lang=en")

    page.click("text=Copy")

    assert page.evaluate("navigator.clipboard.readText()") == f"{live.url}/p/{SLUG}"
    assert page.locator("[data-copy]").inner_text() == "Copied"


def test_the_card_stays_in_view_and_its_button_can_be_reached(live: Live, visitor: Callable[..., Visitor]):
    live.world.read(
        lambda tx: tx.connection.exec_driver_sql("update text_version set body_html = repeat('<p>Water.</p>', 200)")
    )
    page = visitor(height=700).open(f"{live.url}/p/{SLUG}?lang=en")

    page.mouse.wheel(0, 4000)
    expect(page.locator("h1")).not_to_be_in_viewport()

    box = page.locator("button[type=submit]").bounding_box()
    assert box is not None
    assert 0 < box["y"] < 700
    assert box["y"] + box["height"] <= 700


def test_a_page_makes_no_request_to_anybody_else(live: Live, visitor: Callable[..., Visitor]):
    person = visitor()
    asked: list[str] = []
    person.page.on("request", lambda request: asked.append(request.url))

    for path in (f"/p/{SLUG}", f"/p/{SLUG}/thanks", "/"):
        person.open(f"{live.url}{path}")

    assert [url for url in asked if not url.startswith((live.url, "data:"))] == []
    assert person.page.context.cookies() == []


def test_printing_shows_the_petition_and_no_form(live: Live, visitor: Callable[..., Visitor]):
    page = visitor().open(f"{live.url}/p/{SLUG}?lang=en")

    page.emulate_media(media="print")

    assert page.locator("h1").is_visible()
    assert page.locator("form").is_hidden()


@pytest.mark.parametrize("lang", ["fa", "ur"])
def test_a_long_summary_in_a_list_is_cut_but_in_urdu_whose_letters_would_reach_over_the_edge(
    live: Live, visitor: Callable[..., Visitor], lang: str
):
    text = replace(TEXTS[lang], summary=" ".join([TEXTS[lang].summary] * 12)[:300])
    petitions.edit_text(live.world.runtime, SLUG, lang, text)

    summary = visitor(width=390).open(f"{live.url}/?lang={lang}").locator(".petition-card .clip")

    is_whole = summary.evaluate("node => node.scrollHeight - node.clientHeight <= 1")
    assert is_whole is (lang == "ur")


def test_a_mail_is_read_in_its_frame_and_its_script_does_not_run(live: Live, visitor: Callable[..., Visitor]):
    receive(live.world)
    person = visitor()
    page = person.open(f"{live.url}/mailbox?lang=en")

    page.click(".mails a")

    expect(page.frame_locator("iframe").locator("p")).to_have_text("Press")
    assert person.violations() == []
    assert page.frame_locator("iframe").locator("base").get_attribute("target") == "_blank"


TYPED = {
    "wide": ("W" * 200, "W" * 400),
    "marks": ("Z" + "\u0335\u0489\u0301" * 40 + "ahra", "o" + "\u0e47" * 60),
    "urdu": ("محترمہ" + "زہرا" * 40, "انصاف" * 60),
}


@pytest.mark.parametrize("lang", ["en", "de", "fa", "ur"])
def test_whatever_people_type_no_page_gets_wider_than_the_screen(
    live: Live, visitor: Callable[..., Visitor], lang: str
):
    world, wide = live.world, {}
    manage = ""
    for kind, (name, reason) in TYPED.items():
        signed = world.signature(
            SLUG, f"{kind}@example.org", name=name, reason=reason, show_name=True, confirmed=True, locale="en"
        )
        manage = manage or world.manage_token(signed)
    world.count(SLUG)
    world.read(lambda tx: tx.connection.exec_driver_sql("update text_version set title = %(t)s", {"t": "W" * 110}))

    person = visitor(width=320)
    for path in ("/", f"/p/{SLUG}", f"/me/{manage}"):
        page = person.open(f"{live.url}{path}?lang={lang}")
        if person.overflow() > 0:
            wide[path] = person.overflow()
        if path == f"/p/{SLUG}":
            shown = page.locator("main").inner_text()
            assert "W" * 200 in shown.replace("\n", "")
    person.pictures(f"typed-{lang}")

    assert wide == {}


@pytest.mark.parametrize(("lang", "locale", "others"), [
    ("ur", "ur_PK", ["en_GB", "fa_IR"]), ("fa", "fa_IR", ["en_GB", "ur_PK"]), ("en", "en_GB", ["fa_IR", "ur_PK"]),
])  # fmt: skip
def test_a_link_preview_agrees_with_the_page_it_leads_to(
    live: Live, visitor: Callable[..., Visitor], lang: str, locale: str, others: list[str]
):
    page = visitor(locale="de").open(f"{live.url}/p/{SLUG}?lang={lang}")

    def said(name: str) -> list[str]:
        found: list[str] = page.eval_on_selector_all(f'meta[property="{name}"]', "all => all.map(one => one.content)")
        return found

    [url], [title] = said("og:url"), said("og:title")
    assert said("og:locale") == [locale]
    assert sorted(said("og:locale:alternate")) == others
    assert page.locator("link[rel=canonical]").get_attribute("href") == url
    assert page.locator("h1").inner_text() == title
    assert page.title().startswith(f"{title} ")
    alternate = page.locator(f'link[rel=alternate][hreflang="{lang}"]')
    assert alternate.get_attribute("href") == url
    page.goto(url)
    assert page.evaluate("document.documentElement.lang") == lang
    assert page.locator("h1").inner_text() == title
