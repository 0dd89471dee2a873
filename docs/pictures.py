"""Take the pictures of README and docs: `make pictures`, with Debian's chromium installed.

It runs an installation of its own, on empty data and, if it can, on port 8000. Nothing in the pictures is drawn: people
sign, mail arrives, an organiser writes to them, and the queues are looked at.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from campaign.local.seed.example import SLUG
from tests.journeys.desk import links
from tests.kit.browsers import ARGUMENTS, find_program
from tests.kit.installation import Installation, Mail, installation
from tests.kit.old_browsers import age
from tests.kit.waiting import until

FOLDER = Path(__file__).with_name("pictures")
LARGEST = 150_000
"""Bytes of a picture: a README with ten of them is still read on a phone."""

WIDE, NARROW = ViewportSize(width=1100, height=760), ViewportSize(width=390, height=800)
LETTER, DESK = ViewportSize(width=680, height=600), ViewportSize(width=1300, height=860)
HEIGHT = "document.body.scrollHeight"
PEOPLE = {
    "en": ("Zahra Ahmadi", "zahra@example.org"),
    "fa": ("زهرا احمدی", "zahra@example.com"),
    "ur": ("زہرا حسینی", "zehra@example.net"),
}
TEXT = """Dear {{name}},

yesterday a delegation handed the first **{{count}}** signatures to the committee for human rights.

The committee has promised an answer by the end of the month. Until then, three things help:

- ask two friends to sign
- write to your member of parliament
- come to the vigil on Saturday
"""


def save(page: Page, name: str) -> None:
    """Write one picture of what is in the window."""
    path = FOLDER / f"{name}.png"
    page.screenshot(path=str(path), animations="disabled")
    size = path.stat().st_size
    print(f"{name:<14}{size // 1000:>5} KB{'  too large' if size > LARGEST else ''}")  # noqa: T201 - a script


@contextmanager
def window(
    browser: Browser, size: ViewportSize | None = None, lang: str = "en", *, java_script: bool = True
) -> Iterator[Page]:
    """A browser of its own."""
    context = browser.new_context(
        viewport=size or WIDE,
        locale=lang,
        extra_http_headers={"X-Forwarded-For": "198.51.100.7"},
        java_script_enabled=java_script,
    )
    yield context.new_page()
    context.close()


def click(page: Page, selector: str) -> None:
    """Press something that leads to another page."""
    with page.expect_navigation():
        page.click(selector)


def supporter(page: Page, site: Installation, lang: str, *, suffix: str = "") -> None:
    """Sign, read the mail, confirm, open the own page; a picture of each."""
    name, address = PEOPLE[lang]
    page.goto(f"{site.url}/p/{SLUG}?lang={lang}")
    page.fill("#name", name)
    page.fill("#email", address)
    page.select_option("#country", "DE")
    page.check("#wants_updates")
    click(page, "#sign button[type=submit]")
    save(page, f"inbox{suffix}")
    page.goto(site.mail(address, "confirmation").link("/c/"))
    save(page, f"confirm{suffix}")
    click(page, "main form button")
    save(page, f"thanks{suffix}")
    page.goto(site.mail(address, "thank_you").link("/me/"))
    save(page, f"own{suffix}")


def old_phone(browser: Browser, site: Installation) -> None:
    """The form and the page after it as a browser of before 2022 without JavaScript shows them."""
    with window(browser, NARROW, "fa", java_script=False) as page:
        age(page)
        page.goto(f"{site.url}/p/{SLUG}?lang=fa#sign")
        save(page, "old-browser-fa")


def discreet(browser: Browser, site: Installation, desk: Page) -> None:
    """Turn discreet mode on; what a signer on a phone sees then, from the form to the code of the own page."""
    desk.goto(f"{site.url}/organiser/p/{SLUG}/settings?lang=en")
    desk.check("[name=discreet]")
    click(desk, "form:has([name=discreet]) button[type=submit]")
    desk.goto(f"{site.url}/organiser/p/{SLUG}/discreet?lang=en")
    desk.set_viewport_size({"width": DESK["width"], "height": 640})
    save(desk, "discreet-preview")
    address = "leyla@example.org"
    with window(browser, NARROW, "fa") as page:
        page.goto(f"{site.url}/p/{SLUG}?lang=fa")
        page.fill("#name", "لیلا احمدی")
        page.fill("#email", address)
        page.select_option("#country", "DE")
        page.locator("#sign").scroll_into_view_if_needed()
        save(page, "discreet-form-fa")
        click(page, "#sign button[type=submit]")
        save(page, "discreet-inbox-fa")
        page.goto(discreet_mail(site, address, "/c/").link("/c/"))
        click(page, "main form button")
        save(page, "discreet-thanks-fa")
        page.goto(discreet_mail(site, address, "/me/").link("/me/"))
        click(page, "main form button")
        save(page, "discreet-code-fa")
    with window(browser, LETTER) as page:
        mail = discreet_mail(site, address, "/c/")
        page.goto(f"{site.url}/mailbox/{mail.id}/html")
        page.set_viewport_size({"width": LETTER["width"], "height": int(page.evaluate(HEIGHT))})
        save(page, "discreet-mail-fa")


def discreet_mail(site: Installation, address: str, path: str) -> Mail:
    """The mail to an address that holds a link of ours; in discreet mode nothing else tells its kind."""
    until(lambda: any(mail.to == address and f"{site.url}{path}" in mail.text for mail in site.mails()), seconds=60)
    return next(mail for mail in site.mails() if mail.to == address and f"{site.url}{path}" in mail.text)


def letter(page: Page, site: Installation, kind: str, lang: str, name: str) -> None:
    """A mail as a mail program shows it, without the page around it."""
    mail = next(mail for mail in site.mails(kind=kind) if f' lang="{lang}"' in mail.html)
    page.goto(f"{site.url}/mailbox/{mail.id}/html")
    page.set_viewport_size({"width": LETTER["width"], "height": int(page.evaluate(HEIGHT))})
    save(page, name)


def organiser(page: Page, site: Installation) -> str:
    """Write an update and schedule it, then send it; the path of its report."""
    page.goto(f"{site.url}/organiser/p/{SLUG}/updates/new?lang=en")
    page.fill("#en-subject", "The committee has your signatures")
    page.fill("#en-body", TEXT)
    until(lambda: "vigil" in page.locator("[data-looks]").first.inner_text())
    page.locator("h1").first.click()
    page.evaluate("document.querySelector('details.language').scrollIntoView()")
    save(page, "editor")
    click(page, "button[value=save]")
    path = page.url.removeprefix(site.url).partition("?")[0]
    page.goto(f"{site.url}{path}/preview?lang=en")
    save(page, "preview")
    page.goto(f"{site.url}{path}?lang=en")
    sunday = _before_the_clocks_change()
    page.fill("input[name=date]", f"{sunday:%Y-%m-%d}")
    page.fill("input[name=time]", "02:30")
    page.select_option("select[name=zone]", "Europe/Berlin")
    click(page, "form:has(select[name=zone]) button")
    save(page, "schedule")
    page.goto(f"{site.url}{path}?lang=en")
    click(page, "form[action*='/send'] button")
    return path


def _before_the_clocks_change() -> datetime:
    """The next day on which 02:30 comes twice, or not at all, in Berlin."""
    zone = ZoneInfo("Europe/Berlin")
    day = datetime.now(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    while (day + timedelta(days=1)).utcoffset() == day.utcoffset():
        day += timedelta(days=1)
    return day


def take_all(site: Installation, browser: Browser) -> None:
    """All pictures, in the order of a day."""
    with window(browser) as page:
        page.goto(f"{site.url}/p/{SLUG}?lang=en")
        save(page, "petition")
    site.countersign(
        "seed", "--petition", SLUG, "--signatures", "412", "--confirmed", "--updates", "0.6", "--hours", "40"
    )
    site.countersign("seed", "--petition", SLUG, "--signatures", "61", "--hours", "40")
    until(lambda: site.count(SLUG) == 412, seconds=60)
    with window(browser) as page:
        supporter(page, site, "en")
        page.goto(f"{site.url}/mailbox?lang=en")
        save(page, "mailbox")
    with window(browser, NARROW, "ur") as page:
        supporter(page, site, "ur", suffix="-ur")
    with window(browser, NARROW, "fa") as page:
        page.goto(f"{site.url}/p/{SLUG}?lang=fa")
        save(page, "petition-fa")
        supporter(page, site, "fa", suffix="-fa")
    old_phone(browser, site)
    until(lambda: len(site.mails(kind="milestone")) > 20, seconds=60)
    for lang, kind, name in (("en", "confirmation", "mail"), ("ur", "confirmation", "mail-ur"),
                             ("fa", "milestone", "milestone-fa")):  # fmt: skip
        with window(browser, LETTER) as page:
            letter(page, site, kind, lang, name)
    entrance = links(site)
    with window(browser, DESK) as page, window(browser, DESK) as other:
        for who, link in ((page, entrance["organiser"]), (other, entrance["admin"])):
            who.goto(link)
            click(who, "main form button")
        page.goto(f"{site.url}/organiser/p/{SLUG}?lang=en")
        save(page, "overview")
        path = organiser(page, site)
        until(lambda: site.mails(kind="update"), seconds=90)
        other.goto(f"{site.url}/admin?lang=en")
        save(other, "monitor")
        site.rest()
        page.goto(f"{site.url}{path}?lang=en")
        save(page, "report")
        discreet(browser, site, page)


def main() -> int:
    """Take all pictures."""
    program = find_program()
    if program is None:
        print("No chromium on this machine: apt-get install chromium", file=sys.stderr)  # noqa: T201 - a script
        return 1
    with installation(wanted=8000) as site, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        take_all(site, browser)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
