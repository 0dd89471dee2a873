"""The desk in a real browser: every page by axe-core, without JavaScript, narrow, right-to-left, and in the dark."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from campaign.accounts import accounts, sign_in
from campaign.accounts import queries as account_queries
from campaign.accounts.accounts import Account, Role
from campaign.blasts import blasts as blast_blasts
from campaign.blasts import running as blast_running
from campaign.blasts.rules import BlastText
from campaign.bulk_acts import bulk_acts
from campaign.bulk_acts.rules import Kind, Scope
from campaign.outbox import workers
from campaign.petitions import petitions
from campaign.security.request_keys import new_request_key
from campaign.states import Lane
from tests.browser.conftest import SLUG, Live
from tests.kit.browsers import Visitor
from tests.kit.memory_transport import MemoryTransport

pytestmark = pytest.mark.browser

NAMES = ("Zahra Ahmadi", "زہرا حسینی", "Lena Vogel", "علی رضا", "Tom O’Brien")
TEXTS = {
    "en": BlastText("We met the minister", "Dear {{name}},\n\n**{{count}}** have signed.\n\n[Your page]({{own page}})"),
    "fa": BlastText("با وزیر دیدار کردیم", "{{name}} گرامی،\n\nتا کنون **{{count}}** نفر امضا کرده‌اند."),
}  # fmt: skip


@dataclass
class Desk:
    """A site with signatures, updates in several stages, and an organiser with a browser."""

    live: Live
    olga: Account
    petition_id: int
    signature_id: int
    act_id: int
    blasts: dict[str, int] = field(default_factory=dict)

    def enter(self, visitor: Visitor) -> None:
        link = sign_in.sign_in_link(self.live.world.runtime, self.olga.id)
        visitor.open(link).get_by_role("button").last.click()
        visitor.page.wait_for_url("**/admin")

    def path(self, rest: str = "") -> str:
        return f"{self.live.url}/organiser/p/{SLUG}{rest}"

    def draft(self, key: str) -> int:
        return blast_blasts.save_draft(self.live.world.runtime, self.petition_id, TEXTS, by=self.olga, request_key=key)

    def pages(self) -> dict[str, str]:
        """Name and address of every page of the desk, in the states that look different."""
        one = f"/updates/{self.blasts['draft']}"
        inside = {
            "overview": "", "overview-30d": "?span=30d", "text": "/text", "text-new": "/text?text=de",
            "settings": "/settings", "people": "/people", "signatures": "/signatures",
            "ticked": "/signatures?selected=all", "act": f"/signatures/acts/{self.act_id}",
            "act-new": f"/signatures/acts/new?act=signature.remove_many&id={self.signature_id}",
            "hide-new": "/signatures/acts/new?act=signature.hide_names&all=yes",
            "signature": f"/signatures/{self.signature_id}", "none": "/signatures?state=expired",
            "updates": "/updates", "update-new": "/updates/new", "draft": one,
            "edit": f"{one}/edit", "preview": f"{one}/preview", "preview-ur": f"{one}/preview?text=ur",
            "scheduled": f"/updates/{self.blasts['scheduled']}", "soon": f"/updates/{self.blasts['soon']}",
            "finished": f"/updates/{self.blasts['finished']}", "paused": f"/updates/{self.blasts['paused']}",
            "milestone": f"/updates/{self.blasts['milestone']}",
        }  # fmt: skip
        return {
            "list": f"{self.live.url}/organiser", "new": f"{self.live.url}/organiser/new",
            "account": f"{self.live.url}/organiser/account",
        } | {name: self.path(rest) for name, rest in inside.items()}  # fmt: skip


def _sign(live: Live, petition_id: int) -> int:
    """Signatures of two days; the last one's id."""
    world = live.world
    world.clock.now -= timedelta(hours=30)
    for number in range(14):
        name = f"{NAMES[number % len(NAMES)]} {chr(97 + number)}"
        signature_id = world.signature(
            SLUG, f"signer{number}@example.org", name=name, confirmed=number % 4 > 0, wants_updates=number % 3 > 0,
            country=("DE", "PK", "AU")[number % 3], show_name=True, reason="I live by the river.",
        )  # fmt: skip
        world.clock.forward(hours=2, minutes=10)
    world.sql(
        "update petition set milestones = '{5}', milestone_policy = 'approve' where id = %(id)s returning id",
        id=petition_id,
    )
    world.count(SLUG)
    return signature_id


@pytest.fixture
def desk(live: Live) -> Desk:
    runtime, world = live.world.runtime, live.world
    accounts.create(runtime, email="olga@example.org", name="Olga Organiser", role=Role.ADMIN)
    accounts.create(runtime, email="omid@example.org", name="امید", role=Role.ORGANISER)
    olga, omid = accounts.find(runtime, "olga@example.org"), accounts.find(runtime, "omid@example.org")
    assert olga is not None
    assert omid is not None
    petition_id = petitions.by_slug(runtime, SLUG).petition.id
    for account in (olga, omid):
        world.read(lambda tx, account=account: account_queries.add_member(tx, petition_id, account.id))
    signature_id = _sign(live, petition_id)
    act_id = bulk_acts.begin(
        runtime, Kind.HIDE_NAMES, Scope(ids=(signature_id,)), reason="threats", by=olga,
        request_key=new_request_key(), petition_id=petition_id,
    )  # fmt: skip
    made = Desk(live, olga, petition_id, signature_id, act_id)
    world.read(lambda tx: workers.add(tx, host="here", pid=1, lane=Lane.BULK))
    for name in ("finished", "paused"):
        made.blasts[name] = made.draft(name)
        blast_blasts.send_now(runtime, made.blasts[name], petition_id, by=olga)
    world.clock.forward(minutes=1)
    blast_running.look(runtime)
    blast_blasts.pause(runtime, made.blasts["paused"], petition_id, by=olga)
    world.deliverer(Lane.BULK, transport=MemoryTransport()).drain()
    for name in ("draft", "scheduled", "soon"):
        made.blasts[name] = made.draft(name)
    local = world.clock.now.replace(tzinfo=None) + timedelta(days=3)
    blast_blasts.schedule(runtime, made.blasts["scheduled"], petition_id, local=local, zone="Europe/Berlin", by=olga)
    blast_blasts.send_now(runtime, made.blasts["soon"], petition_id, by=olga)
    [(made.blasts["milestone"],)] = world.sql("select id from blast where kind = 'milestone'")
    return made


@pytest.mark.parametrize(
    ("width", "lang", "scheme"), [(1440, "en", "light"), (375, "fa", "dark"), (768, "ur", "light")]
)
def test_every_page_of_the_desk_can_be_used_by_everybody(
    desk: Desk, visitor: Callable[..., Visitor], width: int, lang: str, scheme: str
):
    person = visitor(width, color_scheme=scheme)
    desk.enter(person)

    found = {}
    for page, address in desk.pages().items():
        person.open(f"{address}{'&' if '?' in address else '?'}lang={lang}")
        person.pictures(f"desk-{width}-{page}")
        found[page] = (person.violations(), person.overflow())

    assert {page: what for page, what in found.items() if what != ([], 0)} == {}
    assert person.complaints == []


@pytest.mark.parametrize("lang", ["en", "fa"])
def test_the_way_in_can_be_used_by_everybody(desk: Desk, visitor: Callable[..., Visitor], lang: str):
    person = visitor(375)
    link = sign_in.sign_in_link(desk.live.world.runtime, desk.olga.id)

    found = []
    for name, address in (("form", f"{desk.live.url}/sign-in"), ("link", link), ("refused", f"{link}x")):
        person.open(f"{address}?lang={lang}")
        person.pictures(f"sign-in-{name}-{lang}")
        found.append((person.violations(), person.overflow()))

    assert found == [([], 0)] * 3


def test_the_preview_follows_the_writing(desk: Desk, visitor: Callable[..., Visitor]):
    person = visitor()
    desk.enter(person)
    page = person.open(desk.path(f"/updates/{desk.blasts['draft']}/edit?lang=en"))

    page.locator("#en-body").fill("Hello {{name}}, **well done**.")
    page.locator("[data-looks]", has_text="Hello Zahra Ahmadi").first.wait_for()
    bold = page.locator("[data-looks] strong").first.inner_text()
    page.locator("#en-body").fill("Hello {{nmae}}")
    page.locator("[data-looks]", has_text="unknown placeholder {{nmae}}").first.wait_for()

    assert bold == "well done"
    assert page.get_by_role("button", name="Preview without saving").count() == 0


def test_an_update_is_written_scheduled_and_taken_back_without_javascript(desk: Desk, visitor: Callable[..., Visitor]):
    person = visitor(java_script_enabled=False)
    desk.enter(person)
    page = person.open(desk.path("/updates/new?lang=en"))

    page.locator("#en-subject").fill("News of the river")
    page.locator("#en-body").fill("Dear {{name}}, it is **clean**.")
    page.get_by_role("button", name="Preview without saving").click()
    looked = page.locator("#look").inner_text()
    page.get_by_role("button", name="Save draft").click()
    page.get_by_role("link", name="Preview").wait_for()
    page.locator("#date").fill("2027-03-28")
    page.locator("#time").fill("02:30")
    page.locator("#time_zone").select_option("Europe/Berlin")
    page.get_by_role("button", name="Continue").click()
    moment = page.locator("main").inner_text()
    page.get_by_role("button", name="Send to 7 people on Sunday, 28 March 2027, 03:30").click()
    scheduled = page.locator("#standing").inner_text()
    page.get_by_role("button", name="Unschedule").click()

    assert "Dear Zahra Ahmadi, it is clean." in looked
    assert "02:30 doesn’t exist" in moment
    assert "It will be sent on" in scheduled
    assert "It is a draft again" in page.locator("main").inner_text()


def test_send_now_counts_down_and_can_be_undone(desk: Desk, visitor: Callable[..., Visitor]):
    person = visitor()
    desk.enter(person)
    page = person.open(desk.path(f"/updates/{desk.blasts['draft']}?lang=en"))

    page.get_by_role("button", name="Send to 7 people now").click()
    page.get_by_role("button", name="Undo").wait_for()
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("It is a draft again").wait_for()

    sql = desk.live.world.sql("select send_at from blast where id = %(id)s", id=desk.blasts["draft"])
    assert sql == [(None,)]
    assert person.complaints == []


def test_the_desk_is_usable_by_keyboard_alone(desk: Desk, visitor: Callable[..., Visitor]):
    person = visitor()
    desk.enter(person)
    page = person.open(desk.path("?lang=en"))

    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.textContent.trim().slice(0, 40)"))

    for name in ("Skip to the content", "Petitions", "Sign out", "Updates", "Write an update"):
        assert name in reached
