"""A milestone and an update of the example petition: each person who wants them gets each once (scenario D)."""

import re
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest

from campaign.local.seed.example import SLUG
from tests.journeys.desk import Admin, Organiser, links
from tests.journeys.people import Inspector
from tests.kit.browsers import Visitor
from tests.kit.installation import OF_PETITION, Installation, Mail
from tests.kit.waiting import until

pytestmark = pytest.mark.browser

LONG = 90.0

TEXTS = {
    "en": (
        "We met the minister",
        "Dear {{name}},\n\n**{{count}}** people have signed.\n\n[Your own page]({{own page}})",
    ),
    "de": ("Wir haben die Ministerin getroffen", "Hallo {{name}},\n\n**{{count}}** Menschen haben unterschrieben."),
    "fa": ("با وزیر دیدار کردیم", "{{name}} گرامی،\n\nتا کنون **{{count}}** نفر امضا کرده‌اند."),
    "ur": ("ہم وزیر سے ملے", "محترم {{name}}،\n\nاب تک **{{count}}** لوگ دستخط کر چکے ہیں۔"),
}

WANTS = f"state = 'confirmed' and wants_updates and erased_at is null and {OF_PETITION}"


def wanted(site: Installation) -> Counter[str]:
    """How many want updates, by language."""
    return Counter(dict(site.sql(f"select locale, count(*) from signature where {WANTS} group by 1", slug=SLUG)))


def received(site: Installation, kind: str) -> list[Mail]:
    return site.mails(kind=kind)


def languages(mails: list[Mail]) -> Counter[str]:
    """In which language each mail is written, as its HTML says."""
    return Counter(re.search(r'<html[^>]* lang="(\w+)"', mail.html)[1] for mail in mails)


@pytest.fixture
def inspector(site: Installation) -> Inspector:
    return Inspector(site.url)


@pytest.fixture
def organiser(site: Installation, visitor: Callable[..., Visitor], inspector: Inspector) -> Organiser:
    return Organiser(site, visitor(), inspector, SLUG)


@pytest.fixture
def admin(site: Installation, visitor: Callable[..., Visitor], inspector: Inspector) -> Admin:
    return Admin(site, visitor(), inspector)


def test_a_milestone_and_an_update_reach_everybody_who_wants_them_once(
    site: Installation, organiser: Organiser, admin: Admin, inspector: Inspector
):
    way_in = links(site)
    organiser.enter(way_in["organiser"])
    admin.enter(way_in["admin"])
    organiser.edit("en", summary="A new summary, by the organiser.")
    until(lambda: b"A new summary, by the organiser." in site.get(f"/p/{SLUG}?lang=en").body)
    before = site.count(SLUG)

    said = site.countersign("seed", "--petition", SLUG, "--signatures", "100", "--confirmed")

    assert said.startswith("Added 100 confirmed signatures")
    until(lambda: site.count(SLUG) == before + 100, seconds=LONG)
    everybody = wanted(site)
    assert len(everybody) == 4
    is_announced_once(site, everybody)

    path = organiser.write(TEXTS)
    organiser.look_at_mail(path)
    admin.pause("bulk", "to look at it first")
    moment = organiser.schedule_soon(path)
    blast_id = int(path.rpartition("/")[2])
    until(lambda: site.sql("select 1 from message where blast_id = %(id)s", id=blast_id), seconds=150)
    [(started_at,)] = site.sql("select started_at from blast where id = %(id)s", id=blast_id)
    assert timedelta() <= started_at - moment < timedelta(seconds=30)
    organiser.open(path, "report")
    organiser.press("pause")

    # Meanwhile one of them unsubscribes, and Redis dies.
    unsubscribe(site, received(site, "milestone")[0])
    site.redis.kill()
    admin.resume("bulk")
    until(lambda: site.monitor()["broker"]["ok"], seconds=LONG)
    assert received(site, "update") == []
    organiser.open(path, "report")
    organiser.press("resume")

    total = everybody.total()
    until(lambda: len(received(site, "update")) >= total - 1, seconds=LONG)
    until(lambda: site.sql("select count(*) from message where blast_id = %(id)s and state in"
                           " ('planned', 'claimed', 'submitting')", id=blast_id) == [(0,)], seconds=LONG)  # fmt: skip
    is_sent_once(site, everybody)
    adds_up(site, organiser, admin, path, total)
    organiser.inspector.note(organiser.visitor)
    assert inspector.found == []
    assert inspector.foreign == set()


def is_announced_once(site: Installation, everybody: Counter[str]) -> None:
    until(lambda: len(received(site, "milestone")) >= everybody.total(), seconds=LONG)
    site.rest()
    mails = received(site, "milestone")
    assert languages(mails) == everybody
    assert max(Counter(mail.to for mail in mails).values()) == 1
    assert site.sql(f"select threshold, decision::text from milestone where {OF_PETITION}", slug=SLUG) == [
        (100, "announced")
    ]


def unsubscribe(site: Installation, mail: Mail) -> None:
    answer = site.post(mail.link("/u/"), {"List-Unsubscribe": "One-Click"})
    assert answer.status == 200


def is_sent_once(site: Installation, everybody: Counter[str]) -> None:
    mails, left_out = received(site, "update"), received(site, "milestone")[0]
    assert left_out.to not in {mail.to for mail in mails}
    assert {mail.to for mail in mails} == {mail.to for mail in received(site, "milestone")} - {left_out.to}
    assert max(Counter(mail.to for mail in mails).values()) == 1
    assert languages(mails) == everybody - languages([left_out]) == wanted(site)
    for mail in mails:
        locale = next(iter(languages([mail])))
        assert TEXTS[locale][0] in mail.subject
        assert "{{" not in mail.text
        assert mail.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert mail.message["List-Id"]


def adds_up(site: Installation, organiser: Organiser, admin: Admin, path: str, total: int) -> None:
    """The report, the petition's page, the monitor and the mailbox agree."""
    report = organiser.report(path)
    assert report.pop("Total") == total == sum(report.values())
    assert sorted(report.values())[-2:] == [1, total - 1]
    organiser.open(f"/organiser/p/{SLUG}", "overview")
    assert "100" in organiser.visitor.page.locator("section:has(#milestones-title)").inner_text()
    number = int(path.rpartition("/")[2])
    until(lambda: f"/p/{SLUG}/updates/{number}" in site.get(f"/p/{SLUG}?lang=en").text)
    for locale, (subject, _body) in TEXTS.items():
        public = site.get(f"/p/{SLUG}/updates/{number}?lang={locale}").text
        assert subject in public
        assert "{{" not in public
    admin.open("/admin", "monitor")
    shown = site.monitor()
    # The rate changes from second to second.
    assert admin.sentence.split()[0] == shown["sentence"]["text"].split()[0]
    # Journeys before this one kill workers: a message of theirs may be uncertain, and the monitor then says so.
    assert shown["sentence"]["code"] in {"idle", "flowing", "uncertain"}
    [petition] = [found for found in shown["petitions"] if found["slug"] == SLUG]
    assert petition["count"] == site.count(SLUG)
    ledger = site.ledger(SLUG)
    assert ledger["update", "accepted"] == len(received(site, "update")) == total - 1
    assert ledger["update", "suppressed"] == 1
    assert ledger["milestone", "accepted"] == total


def test_the_desk_and_the_monitor_work_without_javascript(
    site: Installation, visitor: Callable[..., Visitor], inspector: Inspector
):
    slug = site.petition("plain-desk")
    site.countersign("account", "create", "--email", "ada@desk.test", "--name", "Ada", "--role", "admin")
    plain = visitor(java_script_enabled=False)
    person = Organiser(site, plain, Unseen(site.url), slug)
    queues = Admin(site, plain, Unseen(site.url))

    queues.enter(site.countersign("account", "sign-in-link", "ada@desk.test").strip())
    person.edit("de", title="Eine Bitte", addressed_to="Der Rat", body="Bitte.")
    path = person.write({"en": TEXTS["en"], "fa": TEXTS["fa"]})
    person.schedule_soon(path)
    person.open(path, "scheduled")
    person.press("unschedule")
    queues.pause("bulk", "a rehearsal")
    paused = queues.sentence
    queues.resume("bulk")

    assert "Eine Bitte" in site.get(f"/p/{slug}?lang=de").text
    assert "a rehearsal" in paused
    assert site.sql("select send_at from blast where id = %(id)s", id=int(path.rpartition("/")[2])) == [(None,)]
    assert site.sql("select 1 from lane where paused_at is not null") == []


class Unseen(Inspector):
    """Looks at no page: axe-core is a script."""

    def look(self, person: Visitor, name: str) -> None:  # noqa: ARG002 - the name is for those who look
        self.note(person)


def test_an_organiser_reaches_nothing_of_another_petition_and_no_monitor(site: Installation, organiser: Organiser):
    other = site.petition("of-somebody-else")
    site.countersign("account", "create", "--email", "omid@desk.test", "--name", "Omid", "--role", "organiser")
    organiser.enter(site.countersign("account", "sign-in-link", "omid@desk.test").strip())

    seen = [
        organiser.visitor.page.goto(f"{site.url}{path}").status
        for path in (f"/organiser/p/{other}", f"/organiser/p/{SLUG}/signatures", "/admin", "/admin/status.json")
    ]

    assert set(seen) <= {403, 404}
