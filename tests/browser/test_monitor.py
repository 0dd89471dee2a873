"""The monitor in a real browser: every page by axe-core, narrow, right-to-left, dark, without JavaScript, refreshed."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect

from campaign.accounts import accounts, sign_in
from campaign.accounts import queries as account_queries
from campaign.accounts.accounts import Account, Role
from campaign.bulk_acts import running as acts
from campaign.database.connection import Transaction
from campaign.feedback.mailboxes import receive
from campaign.operations import lanes, suppressions, throughput
from campaign.outbox import relay_limits
from campaign.outbox.relays import relay_names
from campaign.petitions import petitions
from campaign.states import EventKind, Lane, LimitKind
from tests.browser.conftest import SLUG, Live
from tests.feedback.kit import dsn, return_address, tell
from tests.kit import ledgers
from tests.kit.browsers import Visitor
from tests.kit.worlds import World

pytestmark = pytest.mark.browser

UNCERTAIN = {"state": "uncertain", "settled_at": -400, "phase": "dot", "reason": "no_outcome"}
REJECTED = {
    "state": "rejected", "settled_at": -900, "phase": "rcpt", "reply_code": 550, "enhanced": "5.1.1",
    "reason": "The mailbox that you tried to reach does not exist here, see https://example.net/help?code=abc12345",
}  # fmt: skip
DEFERRED = {"due_at": 700, "attempts": 2, "phase": "rcpt", "reply_code": 450, "reason": "Greylisted, come back later"}
PAGES = {
    "monitor": "/admin", "causes": "/admin/messages?since=7d", "waiting": "/admin/messages?show=waiting",
    "uncertain": "/admin/messages?show=uncertain", "message": "/admin/messages/1", "petitions": "/admin/petitions",
    "accounts": "/admin/accounts", "suppressions": "/admin/suppressions", "audit": "/admin/audit",
    "feedback": "/admin/feedback", "quarantine": "/admin/feedback/quarantine", "acts": "/admin/acts",
    "act-new": "/admin/acts/new?act=message.cancel_many&id=1", "ticked": "/admin/messages?show=rejected&selected=page",
}  # fmt: skip

LONG_WORDS = "The mailbox does not exist. " * 6 + "https://support.example.net/?p=" + "NoSuchUser" * 6


@dataclass
class Night:
    """A site with troubles of every kind, and an admin."""

    live: Live
    ada: Account

    def enter(self, person: Visitor) -> Visitor:
        """Sign in by a one-time link."""
        person.open(sign_in.sign_in_link(self.live.world.runtime, self.ada.id))
        person.page.get_by_role("button").last.click()
        person.page.wait_for_url("**/admin")
        return person

    def open(self, person: Visitor, path: str, lang: str = "en") -> Page:
        """Open a page of the monitor, and see that it is one."""
        page = person.open(self.url(path, lang))
        expect(page.locator(".admin-tabs [aria-current]")).to_be_visible()
        return page

    def url(self, path: str, lang: str = "en") -> str:
        return f"{self.live.url}{path}{'&' if '?' in path else '?'}lang={lang}"


def _learned(world: World, kind: LimitKind) -> Callable[[Transaction], None]:
    """As a worker notes a limit of the mail server."""
    [relay] = relay_names(world.runtime.settings.smtp_url)
    return lambda tx: relay_limits.keep(tx, relay, kind, value=9.0, pause=5.0, words=LONG_WORDS, age=0.0)


@pytest.fixture
def night(live: Live) -> Night:
    world = live.world
    world.clock.now = datetime.now(UTC)
    ada = ledgers.admin(world)
    olga = accounts.create(world.runtime, email="olga@example.org", name="علی رضا حسینی", role=Role.ORGANISER)
    petition_id = petitions.by_slug(world.runtime, SLUG).petition.id
    world.read(lambda tx: account_queries.add_member(tx, petition_id, olga))
    ledgers.put(world, 17, **UNCERTAIN)
    ledgers.put(world, 230, **REJECTED, lane="bulk", kind="update")
    ledgers.put(world, 40, **DEFERRED)
    ledgers.put(world, 4, due_at=-12)
    for minute in range(1, 60, 3):
        ledgers.put(world, minute, state="accepted", settled_at=-60 * minute)
    ledgers.serve(world)
    throughput.note(world.runtime)
    suppressions.add(world.runtime, "held@example.org", by=ada)
    back = ledgers.put(world, 3, state="accepted", settled_at=-60)
    tell(world, EventKind.BOUNCED, back[:2], status="5.1.1", code=550, text=f"550 5.1.1 {LONG_WORDS}")
    receive(world.runtime, dsn(return_address(world, back[2]), action="nonsense"))
    for kind in LimitKind:
        world.read(_learned(world, kind))
    lanes.pause(world.runtime, Lane.BULK, reason="The provider is being changed", by=ada)
    return Night(live, ada)


@pytest.mark.parametrize(
    ("lang", "scheme"), [("en", "light"), ("de", "dark"), ("fa", "light"), ("ur", "dark")]
)  # fmt: skip
def test_every_page_of_the_monitor_is_accessible(
    night: Night, visitor: Callable[..., Visitor], lang: str, scheme: str
) -> None:
    person = night.enter(visitor(color_scheme=scheme))

    found = []
    for name, path in PAGES.items():
        night.open(person, path, lang)
        found += [f"{name}: {problem}" for problem in person.violations()]
        person.pictures(f"admin-{name}-{lang}")
    assert found == []
    assert [text for text in person.complaints if "Failed to load resource" not in text] == []


def test_what_opens_is_accessible_too(night: Night, visitor: Callable[..., Visitor]) -> None:
    person = night.enter(visitor())
    night.open(person, "/admin")

    for opened in person.page.locator("details > summary").all():
        opened.click()

    assert person.violations() == []


@pytest.mark.parametrize("lang", ["en", "ur"])
@pytest.mark.parametrize("width", [320, 375, 768, 1440])
def test_no_page_of_the_monitor_is_wider_than_its_window(
    night: Night, visitor: Callable[..., Visitor], width: int, lang: str
) -> None:
    person = night.enter(visitor(width=width))

    wide = {}
    for name, path in PAGES.items():
        night.open(person, path, lang)
        wide[name] = person.overflow()
        person.pictures(f"admin-{name}-{lang}-{width}")

    assert set(wide.values()) == {0}, wide


def test_an_admin_at_three_in_the_morning_needs_no_javascript(night: Night, visitor: Callable[..., Visitor]) -> None:
    person = night.enter(visitor(java_script_enabled=False))
    page = night.open(person, "/admin")
    sentence = page.locator(".verdict-sentence")
    expect(sentence).to_contain_text("The provider is being changed")

    page.locator(".verdict").get_by_role("button", name="Resume").click()
    expect(page.get_by_role("status").first).to_contain_text("Lane resumed.")
    page.get_by_text("Pause…").first.click()
    page.get_by_label("Reason (shown to other admins)").first.fill("Night maintenance")
    page.get_by_role("button", name="Pause urgent mail (no confirmations)").click()
    expect(sentence).to_contain_text("Night maintenance")
    for cause, act, button in (
        ("17 messages", "Mark as delivered", "Mark 17 messages as delivered"),
        ("230 messages", "Cancel…", "Cancel 230 messages"),
    ):
        page = night.open(person, "/admin")
        page.get_by_role("listitem").filter(has_text=cause).get_by_role("link", name=act).click()
        page.get_by_label("Reason (for the audit log)").fill("An outage of the provider")
        page.get_by_role("button", name=button).click()
        expect(page.get_by_text("Waiting", exact=True)).to_be_visible()
        acts.carry_out(night.live.world.runtime)
        page.get_by_role("link", name="Refresh").click()
        expect(page.get_by_text("Finished", exact=True)).to_be_visible()

    assert night.live.world.sql("select count(*) from message where state in ('uncertain', 'rejected')") == [(0,)]


def test_the_page_refreshes_itself_but_not_where_somebody_works(night: Night, visitor: Callable[..., Visitor]) -> None:
    person = night.enter(visitor())
    page = night.open(person, "/admin")
    page.get_by_text("Pause…").first.click()
    page.get_by_label("Reason (shown to other admins)").first.fill("half a sen")
    requests: list[str] = []
    page.on("requestfinished", lambda request: requests.append(request.url))

    lanes.resume(night.live.world.runtime, Lane.BULK, by=night.ada)

    expect(page.locator(".verdict-sentence")).not_to_contain_text("The provider is being changed")
    expect(page.get_by_label("Reason (shown to other admins)").first).to_have_value("half a sen")
    assert any("/admin" in url for url in requests)


def test_the_monitor_is_walked_by_keyboard(night: Night, visitor: Callable[..., Visitor]) -> None:
    person = night.enter(visitor())
    page = night.open(person, "/admin")

    reached = []
    for _ in range(30):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.textContent.trim()"))

    assert "Resume" in reached
    assert "Pause…" in reached
    assert reached.index("Resume") < reached.index("Pause…")


def test_long_words_of_a_mail_server_are_wrapped_and_forms_keep_their_distances(night: Night, visitor) -> None:
    person = night.enter(visitor())

    page = night.open(person, "/admin/feedback")
    table = page.locator(".scroll").last
    assert table.evaluate("box => box.scrollWidth <= box.clientWidth")

    page = night.open(person, "/admin/suppressions")
    page.locator("summary").first.click()
    form = page.locator("details[open] form")
    field, button = form.locator("input[name=why]").bounding_box(), form.locator("button").bounding_box()
    assert field is not None
    assert button is not None
    assert button["y"] - (field["y"] + field["height"]) >= 8
