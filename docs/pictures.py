"""Take the pictures of README and docs from a running installation: `python docs/pictures.py http://localhost:8000`.

Start it on empty data (`COUNTERSIGN_DATA=/tmp/pictures make run`), with Debian's chromium installed. The script signs,
confirms, seeds nothing itself: run `countersign seed --petition stop-hazara-genocide --signatures 1234 --confirmed`
before, if the organiser's pictures shall show a petition that has grown.
"""

import json
import re
import sys
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

FOLDER = Path(__file__).with_name("pictures")
SLUG = "stop-hazara-genocide"
ADDRESS = f"zahra.{int(time.time())}@example.org"


def save(page: Page, name: str, *, whole: bool = False) -> None:
    """Write one picture."""
    page.screenshot(path=str(FOLDER / f"{name}.png"), full_page=whole)


def mail_for(base: str, kind: str) -> str:
    """The id of the newest mail of a kind to our signer; waits for it."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        with urllib.request.urlopen(f"{base}/mailbox/messages.json") as answer:  # noqa: S310 - our own installation
            for mail in json.load(answer):
                if ADDRESS in str(mail["to"]) and mail["kind"] == kind:
                    return str(mail["id"])
        time.sleep(0.2)
    sys.exit(f"no mail of kind {kind} arrived for {ADDRESS}")


def links(base: str, mail: str) -> list[str]:
    """The links in a mail's source."""
    with urllib.request.urlopen(f"{base}/mailbox/{mail}.eml") as answer:  # noqa: S310 - our own installation
        source = answer.read().decode().replace("=\r\n", "").replace("=3D", "=")
    return re.findall(re.escape(base) + r"/[^\s\"<>]+", source)


def supporter(page: Page, base: str) -> None:
    """Sign and confirm."""
    page.goto(f"{base}/p/{SLUG}?lang=en")
    save(page, "petition")
    page.fill('[name="name"]', "Zahra")
    page.fill('[name="email"]', ADDRESS)
    page.select_option('[name="country"]', "DE")
    page.check('[name="wants_updates"]')
    page.click('form[action*="/sign"] button')
    save(page, "inbox")
    mail = mail_for(base, "confirmation")
    page.goto(f"{base}/mailbox/{mail}")
    save(page, "mail")
    page.goto(next(link for link in links(base, mail) if "/c/" in link))
    save(page, "confirm")
    page.click("main form button")
    page.goto(next(link for link in links(base, mail_for(base, "thank_you")) if "/me/" in link))
    save(page, "own")


def organiser(page: Page, base: str, link: str) -> None:
    """The desk: overview, the draft update, the report of what was sent."""
    page.goto(link)
    page.click("main form button")
    page.goto(f"{base}/organiser/p/{SLUG}")
    save(page, "overview")
    page.goto(f"{base}/organiser/p/{SLUG}/updates")
    found = [a.get_attribute("href") or "" for a in page.query_selector_all('main a[href*="/updates/"]')]
    blasts = sorted({match[0] for href in found if (match := re.search(r"/updates/\d+", href))})
    for blast in blasts:
        page.goto(f"{base}/organiser/p/{SLUG}{blast}")
        if page.query_selector("text=It adds up"):
            save(page, "report")
        else:
            page.goto(f"{base}/organiser/p/{SLUG}{blast}/edit")
            save(page, "editor")


def main() -> int:
    """Take all pictures; the sign-in links of organiser and admin may follow the address."""
    base, *sign_ins = sys.argv[1:]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        wide = browser.new_context(viewport={"width": 1100, "height": 760})
        supporter(wide.new_page(), base)
        phone = browser.new_context(viewport={"width": 390, "height": 800}).new_page()
        phone.goto(f"{base}/p/{SLUG}?lang=fa")
        save(phone, "petition-fa")
        if sign_ins:
            organiser(browser.new_context(viewport={"width": 1100, "height": 760}).new_page(), base, sign_ins[0])
        if len(sign_ins) > 1:
            admin = browser.new_context(viewport={"width": 1100, "height": 760}).new_page()
            admin.goto(sign_ins[1])
            admin.click("main form button")
            admin.goto(f"{base}/admin")
            save(admin, "monitor")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
