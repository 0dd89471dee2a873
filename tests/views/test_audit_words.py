"""The audit log tells each action as a sentence, with names and local times."""

import html
import re

import pytest

from campaign.accounts import audit
from campaign.bulk_acts.rules import Kind
from campaign.variables import ROOT
from campaign.views.admin.audit_words import ACTIONS
from tests.kit import ledgers
from tests.kit.sites import borrow_web
from tests.kit.worlds import World
from tests.views.conftest import TAG, words

ACTION = re.compile(r'(?:action=|_(?:audit|note)\(tx, |action = )"([a-z_]+\.[a-z_]+)"')
CHOSEN = re.compile(r'action = "([a-z_]+\.[a-z_]+)" if .* else "([a-z_]+\.[a-z_]+)"')
COMPOSED = {"message": ("accept", "cancel", "retry"), "petition": ("closed", "live")}
"""Actions whose verb is a value: of operations/rules.py and of the state of a petition."""

RAW = re.compile(r"<details class=\"small raw-values\">.*?</details>", re.DOTALL)
CODE = re.compile(
    r"\b[a-z]+(?:_[a-z]+)+\b|\b[a-z]+\.[a-z_]+\b|\b\d{4}-\d\d-\d\dT|\bTrue\b|\bFalse\b|\bNone\b|\[\]|\+00:00"
)


def recorded() -> set[str]:
    """Every action that the source records."""
    found = {f"{noun}.{verb}" for noun, verbs in COMPOSED.items() for verb in verbs} | {str(kind) for kind in Kind}
    for path in (ROOT / "campaign").rglob("*.py"):
        source = path.read_text("utf-8")
        if "audit" in source:
            found |= set(ACTION.findall(source)) | {one for pair in CHOSEN.findall(source) for one in pair}
            # Where the moves of an update are listed with the actions they are recorded as.
            found |= set(re.findall(r'"(blast\.[a-z_]+)"', source)) if path.parent.name == "blasts" else set()
    return found


def test_every_action_that_is_recorded_has_its_words():
    assert recorded() == set(ACTIONS)


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_an_entry_shows_no_code_no_id_and_no_machine_time(world: World, action: str):
    ada = ledgers.admin(world)
    detail = {
        "send_at": "2026-11-28T12:25:37.870139+00:00", "confirmed": False, "found": [], "role": "organiser",
        "reason": "no_outcome", "lane": "bulk", "was": "planned", "member": ada.id, "discreet": True, "text_version": 7,
        "kind": "thank_you", "phase": "dot", "problem": "too_large", "locale": "de", "threshold": 1000, "hours": 24.0,
        "setting": "site_name", "switch": "signing", "before": "running", "after": "stopped",
    }  # fmt: skip
    # A petition is told by its title, so its row must be there.
    noun = action.partition(".")[0]
    subject = "instance" if noun == "petition" else noun
    world.read(
        lambda tx: audit.add(tx, action=action, subject=subject, subject_id=4711, account_id=ada.id, detail=detail)
    )
    client = ledgers.sign_in(world, borrow_web(world.runtime), ada)

    page = client.get(f"/admin/audit?lang=en&action={action}").text
    row = re.findall(r"<tr><td>(.*?)</tr>", RAW.sub("", page), re.DOTALL)[0]
    shown = TAG.sub(" ", row)

    assert ACTIONS[action] in html.unescape(shown)
    assert not CODE.findall(shown)
    assert "4711" not in shown
    assert "Ada" in shown


def test_an_action_of_another_release_is_shown_with_its_raw_values(world: World):
    ada = ledgers.admin(world)
    world.read(
        lambda tx: audit.add(tx, action="comet.caught", subject="comet", subject_id=None, account_id=ada.id, detail={})
    )

    page = ledgers.sign_in(world, borrow_web(world.runtime), ada).get("/admin/audit?lang=en")

    assert "Another action" in words(page)
    assert "comet.caught" in page.text
