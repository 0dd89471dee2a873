"""Acts of admins on many messages, suppressions and items in quarantine, from the tick to the audit log."""

import html
import re

import pytest

from campaign.bulk_acts import running
from campaign.feedback.mailboxes import Receipt, receive
from campaign.states import EventKind
from tests.feedback.kit import dsn, return_address, tell
from tests.kit import ledgers, nights
from tests.kit.nights import Night
from tests.views.conftest import words

night = nights.night

UNCERTAIN = {"state": "uncertain", "settled_at": -60, "reason": "no_outcome", "phase": "dot"}
REJECTED = {"state": "rejected", "settled_at": -60, "reason": "no such user", "phase": "rcpt", "reply_code": 550}
HIDDEN = re.compile(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)">')


def link(page, part: str) -> str:
    """The address of the link that leads to the page before an act."""
    found = next(one for one in re.findall(r'href="([^"]*/admin/acts/new[^"]*)"', page.text) if part in one)
    return html.unescape(found)


def fields(page) -> dict[str, object]:
    form = page.text.partition('action="/admin/acts"')[2].partition("</form>")[0]
    found: dict[str, object] = {}
    for name, value in HIDDEN.findall(form):
        found[name] = [*found.get(name, []), value] if name == "id" else html.unescape(value)
    return {name: value for name, value in found.items() if name not in {"csrf", "form_of"}}


def carry_out(night: Night, path: str, why: str = "our own fault"):
    """Ask on the second page, press, let a worker do it; the page of progress."""
    begun = night.press("/admin/acts", **fields(night.get(path)), why=why)
    assert begun.status_code == 303
    running.carry_out(night.world.runtime)
    return night.get(begun.headers["Location"])


def log(night: Night) -> list:
    return night.world.sql(
        "select action, account_id, detail->>'number', detail->>'reason' from audit_entry where subject = 'bulk_act'"
    )


def states(night: Night) -> dict[str, int]:
    return dict(night.world.sql("select cast(state as text), count(*) from message group by 1"))


def test_all_messages_of_a_cause_are_settled_and_the_log_says_it_once(night: Night):
    ledgers.put(night.world, 3, **UNCERTAIN)
    ledgers.put(night.world, 2, **REJECTED)
    path = link(night.get("/admin/messages?since=7d"), "act=message.accept_many")

    asked = words(night.get(path))
    page = carry_out(night, path)

    assert "Mark 3 messages as delivered" in asked
    assert "3 of 3" in words(page)
    assert states(night) == {"accepted": 3, "rejected": 2}
    assert log(night) == [("message.accept_many", night.ada.id, "3", "our own fault")]


def test_sending_again_says_first_that_it_may_arrive_twice(night: Night):
    ledgers.put(night.world, 2, **UNCERTAIN)
    path = link(night.get("/admin"), "act=message.retry_many")

    asked = words(night.get(path))
    carry_out(night, path)

    assert "may arrive twice" in asked
    assert "Send 2 messages again" in asked
    assert states(night) == {"planned": 2}
    assert {"urgent", "bulk"} <= {str(lane) for lanes in night.world.nudged for lane in lanes}


def test_what_failed_after_the_numbers_were_shown_is_left_alone(night: Night):
    ledgers.put(night.world, 2, **UNCERTAIN)
    [slow] = ledgers.put(night.world, state="claimed", lease_until=60)
    sent = fields(night.get(link(night.get("/admin/messages"), "act=message.cancel_many")))
    night.world.clock.forward(seconds=30)
    ledgers.put(night.world, 1, **UNCERTAIN | {"settled_at": 0})
    night.world.sql(
        "update message set state = 'uncertain', settled_at = %(now)s, reason = 'no_outcome', phase = 'dot', "
        "lease_until = null where id = %(id)s",
        id=slow, now=night.world.clock(),
    )  # fmt: skip

    night.press("/admin/acts", **sent, why="broken relay")
    running.carry_out(night.world.runtime)

    assert states(night) == {"cancelled": 2, "uncertain": 2}


def test_ticked_messages_are_sent_again_and_those_that_can_not_be_are_told(night: Night):
    ids = ledgers.put(night.world, 3, **REJECTED)
    [arrived] = ledgers.put(night.world, state="accepted", settled_at=-60)
    listed = night.get("/admin/messages?show=rejected")
    ticked = night.get("/admin/messages?show=rejected&selected=page")
    chosen = "&".join(f"id={one}" for one in (*ids[:2], arrived))

    asked = words(night.get(f"/admin/acts/new?act=message.retry_many&{chosen}"))
    page = carry_out(night, f"/admin/acts/new?act=message.retry_many&{chosen}")

    assert listed.text.count('type="checkbox" name="id"') == ticked.text.count(' checked><span class="unseen">') == 3
    assert f"Select message {ids[0]}" in words(listed)
    assert "Send 2 messages again" in asked
    assert "Their state doesn’t allow it1" in asked
    assert "Their state doesn’t allow it1" in words(page)
    assert states(night) == {"planned": 2, "rejected": 1, "accepted": 1}


def test_wrongly_suppressed_addresses_are_freed_by_cause_and_only_those(night: Night):
    world = night.world
    slug = world.petition()
    signers = [world.signature(slug, f"p{n}@example.org", confirmed=True) for n in range(5)]
    sent = [world.sql("select max(id) from message where signature_id = %(id)s", id=one)[0][0] for one in signers]
    world.sql("update message set state = 'accepted', settled_at = %(now)s", now=world.clock())
    tell(world, EventKind.BOUNCED, sent[:3], status="5.1.1", code=550, text="550 5.1.1 relay says no a1b2c3d4")
    tell(world, EventKind.BOUNCED, sent[3:4], status="5.1.1", code=550, text="no such user here")
    tell(world, EventKind.COMPLAINED, sent[4:])
    page = night.get("/admin/suppressions?since=24h")
    path = link(page, "act=suppression.lift_group")

    typed = fields(night.get(path))
    nothing = night.press("/admin/acts", **typed, why=" ")
    done = carry_out(night, path, why="our relay's fault")
    again = night.press("/admin/acts", **typed, why="once more")

    assert "relay says no …" in words(page)
    assert (nothing.status_code, again.status_code) == (422, 409)
    assert "Nothing to change" in words(again)
    assert "3 of 3" in words(done)
    assert world.sql("select message_id from suppression where lifted_at is null order by 1") == [
        (sent[3],), (sent[4],),
    ]  # fmt: skip
    assert log(night) == [("suppression.lift_group", night.ada.id, "3", "our relay's fault")]


@pytest.fixture
def held(night: Night) -> list[int]:
    """Three items in quarantine."""
    [message_id] = ledgers.put(night.world, state="accepted", settled_at=-60)
    for number in range(3):
        raw = dsn(return_address(night.world, message_id), action="nonsense", number=number)
        assert receive(night.world.runtime, raw)[0] is Receipt.HELD
    return [row[0] for row in night.world.sql("select id from delivery_event order by id")]


def test_all_items_of_one_problem_are_deleted(night: Night, held):
    page = carry_out(night, link(night.get("/admin/feedback/quarantine"), "problem=unreadable"))

    assert "3 of 3" in words(page)
    assert "The quarantine is empty." in words(night.get("/admin/feedback/quarantine"))
    assert night.world.sql("select count(*) from delivery_event where sealed is not null") == [(0,)]
    assert log(night) == [("feedback.drop_many", night.ada.id, "3", "our own fault")]
    assert night.get("/admin/acts/new?act=feedback.drop_many&problem=nonsense").status_code == 404


def test_ticked_items_are_deleted_and_the_others_stay(night: Night, held):
    listed = night.get("/admin/feedback/quarantine?selected=page").text

    carry_out(night, f"/admin/acts/new?act=feedback.drop_many&id={held[0]}&id={held[2]}")

    assert listed.count(' checked><span class="unseen">') == 3
    assert night.world.sql("select id from delivery_event where quarantine_reason is not null") == [(held[1],)]


def test_all_acts_are_listed_and_can_be_stopped(night: Night, held):
    path = f"/admin/acts/new?act=feedback.drop_many&id={held[0]}"
    begun = night.press("/admin/acts", **fields(night.get(path)), why="spam")

    open_page = night.get(begun.headers["Location"])
    night.press(f"{begun.headers['Location']}/stop")
    running.carry_out(night.world.runtime)

    assert "data-refresh" in open_page.text
    assert "Stopped Delete items in quarantine 0 changed" in words(night.get("/admin/acts"))
    assert night.world.sql("select count(*) from delivery_event where quarantine_reason is not null") == [(3,)]
    assert log(night) == [("feedback.drop_many", night.ada.id, "0", "spam")]


@pytest.mark.parametrize("act", ["signature.remove_many", "nonsense"])
def test_what_is_no_act_of_admins_is_not_there(night: Night, act: str):
    assert night.get(f"/admin/acts/new?act={act}&id=5").status_code == 404
    assert night.press("/admin/acts", act=act, id="5", why="x").status_code == 404


@pytest.mark.parametrize(
    "query",
    ["", "?act=message.retry_many", "?act=message.retry_many&group=000000000000", "?act=feedback.drop_many&id=9999"],
)
def test_what_is_not_there_is_a_kind_page(night: Night, query: str):
    page = night.get(f"/admin/acts/new{query}")

    assert page.status_code == 200
    assert "Nothing" in words(page)
