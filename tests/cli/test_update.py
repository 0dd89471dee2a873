"""``countersign update``: from the shell as from the desk."""

import json

import pytest

from campaign.accounts import accounts
from campaign.accounts.accounts import Role
from campaign.blasts import blasts
from campaign.blasts import running as blast_running
from campaign.blasts.rules import BlastText
from campaign.petitions import organisers
from tests.kit.commands import Shell


@pytest.fixture
def shell(world):
    return Shell(world)


@pytest.fixture
def update(world):
    """An update on its way to three people; its id."""
    account_id = accounts.create(world.runtime, email="olga@example.org", name="Olga", role=Role.ADMIN)
    olga = next(account for account in accounts.list_all(world.runtime) if account.id == account_id)
    slug = world.petition("our-river")
    for n in range(3):
        world.signature(slug, f"p{n}@example.org", confirmed=True, wants_updates=True)
    petition_id = organisers.may_organise(world.runtime, olga, slug)
    texts = {"en": BlastText("News", "Dear {{name}}, good news.")}
    blast_id = blasts.save_draft(world.runtime, petition_id, texts, by=olga, request_key="one")
    blasts.send_now(world.runtime, blast_id, petition_id, by=olga)
    world.clock.forward(seconds=31)
    blast_running.look(world.runtime)
    return str(blast_id)


def test_an_update_is_paused_resumed_and_cancelled_from_the_shell(world, shell, update):
    runs = [shell("update", word, update) for word in ("pause", "pause", "resume", "cancel", "cancel")]

    assert [ran.status for ran in runs] == [0, 1, 0, 0, 1]
    assert f"countersign update resume {update}" in runs[0].out
    assert world.sql("select action, actor from audit_entry where subject = 'blast' and actor = 'cli' order by id") == [
        ("blast.pause", "cli"), ("blast.resume", "cli"), ("blast.cancel", "cli"),
    ]  # fmt: skip


def test_those_who_did_not_get_it_get_it_from_the_shell(world, shell, update):
    shell("update", "cancel", update)
    [before] = json.loads(shell("update", "list", "our-river", "--json").out)

    ran = shell("update", "again", update)
    [after] = json.loads(shell("update", "list", "our-river", "--json").out)

    assert (before["missing"], before["stage"]) == (3, "cancelled")
    assert (ran.status, ran.out) == (0, "Queued for 3 recipients.\n")
    assert (after["missing"], after["open"], after["stage"]) == (0, 3, "sending")


def test_the_list_is_a_table(shell, update):
    head, line = shell("update", "list", "our-river").out.splitlines()

    assert head.split()[:4] == ["ID", "STAGE", "PLANNED", "ACCEPTED"]
    assert line.split()[:5] == [update, "sending", "3", "0", "3"]
    assert line.endswith("News")


def test_an_update_that_is_not_there_is_said_so(shell):
    ran = shell("update", "again", "99")

    assert ran.status == 1
    assert "no such update" in ran.err
