"""Packs: made in one snapshot, whole or not at all, and kept for a week under the petition's key."""

import csv
import io
import json
import threading

import pytest

from campaign.blasts import milestones
from campaign.errors import ConflictError, InvalidInputError, NotFoundError
from campaign.handover import packs, queries
from campaign.handover.queries import PackState
from campaign.handover.rules import LIFE
from campaign.handover.verifying import verify
from campaign.operations import site as site_rules
from campaign.signatures import preferences
from campaign.site.current import SwitchName
from tests.handover.kit import SLUG, ask, content, organiser, petition_id, save, signed, unpacked


@pytest.fixture
def olga(world):
    return organiser(world)


def state(world):
    [pack] = packs.of_petition(world.runtime, petition_id(world))
    return pack.state, pack.problem


@pytest.mark.parametrize("locale", ["en", "de", "fa", "ur"])
def test_a_pack_holds_every_signature_once_and_is_right(world, olga, tmp_path, locale):
    signed(world)
    ask(world, olga, locale=locale)

    made = packs.make(world.runtime)
    raw = content(world, olga)
    files = unpacked(raw)
    [pack] = packs.of_petition(world.runtime, petition_id(world))
    rows = list(csv.reader(io.StringIO(files["signatures.csv"].decode("utf-8-sig"))))
    manifest = json.loads(files["manifest.json"])

    assert made == 1
    assert (pack.state, pack.count, pack.size) == (PackState.READY, 5, len(raw))
    assert [row[0] for row in rows[1:]] == ["1", "2", "3", "4", "5"]
    assert [("Ahmadi" in row[1]) for row in rows[1:]] == [False, True, True, False, True]
    assert rows[2][6] == "'=1+1 Water"
    assert manifest["countries"] == {"DE": 3, "PK": 2}
    assert (manifest["count"], manifest["named"], manifest["anonymous"]) == (5, 3, 2)
    assert set(files) == {
        "manifest.json", "letter.pdf", "signatures.csv", "signatures-001.pdf", "texts/en-1.json", "texts/fa-1.json",
    }  # fmt: skip
    verdict = verify(save(tmp_path, raw), expected=pack.fingerprint)
    assert verdict.problems == ()


def test_no_address_and_no_hidden_name_is_in_a_pack(world, olga):
    signed(world)
    ask(world, olga)
    packs.make(world.runtime)

    files = unpacked(content(world, olga))

    assert not [name for name, raw in files.items() if b"example.org" in raw and name != "manifest.json"]
    assert "Ahmadi 0" not in files["signatures.csv"].decode()


def test_a_pack_lies_encrypted_in_the_database(world, olga):
    signed(world)
    ask(world, olga)
    packs.make(world.runtime)
    raw = content(world, olga)

    [(sealed,)] = world.sql("select sealed from pack_piece")

    assert raw[:4] == b"PK\x03\x04"
    assert len(bytes(sealed)) == len(raw) + 28
    assert b"manifest.json" in raw
    assert b"manifest.json" not in bytes(sealed)


def test_who_withdraws_before_the_pack_is_made_is_not_in_it_and_the_count_is_right(world, olga):
    signed(world)
    gone = world.sql("select min(id) from signature")[0][0]
    preferences.withdraw(world.runtime, world.manage_token(gone))
    ask(world, olga)

    early = packs.make(world.runtime), state(world)
    milestones.count_signatures(world.runtime)
    world.clock.forward(seconds=5)
    made = packs.make(world.runtime)

    assert early == (0, (PackState.WAITING, None))
    assert made == 1
    assert json.loads(unpacked(content(world, olga))["manifest.json"])["count"] == 4


def test_a_form_sent_twice_asks_once_and_a_second_pack_waits_for_the_first(world, olga):
    signed(world)
    ask(world, olga, key="one")
    ask(world, olga, key="one")
    with pytest.raises(ConflictError):
        ask(world, olga, key="two")
    packs.make(world.runtime)
    ask(world, olga, key="one")
    ask(world, olga, key="two")

    assert [pack.state for pack in packs.of_petition(world.runtime, petition_id(world))] == ["waiting", "ready"]


def test_two_workers_make_a_pack_once(world, olga):
    signed(world)
    ask(world, olga)
    made = []
    threads = [threading.Thread(target=lambda: made.append(packs.make(world.runtime))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(made) == [0, 1]
    assert world.sql("select count(*) from pack_piece") == [(1,)]


def test_a_pack_whose_maker_died_is_made_anew_and_given_up_after_three_tries(world, olga):
    signed(world)
    ask(world, olga)
    for _ in range(3):
        world.read(lambda tx: queries.take(tx, now=world.clock.now, abandoned=packs.ABANDONED))
        world.clock.forward(minutes=6)
    third = state(world)
    packs.make(world.runtime)

    assert third == (PackState.MAKING, None)
    assert state(world) == (PackState.FAILED, "tries")


def test_a_pack_that_is_deleted_while_it_is_made_is_gone(world, olga):
    signed(world)
    ask(world, olga)
    pack = world.read(lambda tx: queries.take(tx, now=world.clock.now, abandoned=packs.ABANDONED))
    packs.delete(world.runtime, petition_id(world), pack.id, by=olga)
    kept = world.read(
        lambda tx: queries.finish(
            tx, pack.id, queries.Made(1, 1, "f" * 64, [b"x"]), now=world.clock.now, expires_at=world.clock.now
        )
    )

    assert kept is False
    assert world.sql("select count(*) from pack_piece") == [(0,)]


def test_while_counting_is_switched_off_a_pack_says_so(world, olga):
    signed(world)
    site_rules.switch(world.runtime, SwitchName.COUNTING, stop=True, reason="tests", by=None)
    world.runtime.cache.clear()
    ask(world, olga)

    packs.make(world.runtime)

    assert state(world) == (PackState.FAILED, "counting_off")


def test_after_a_week_a_pack_is_gone(world, olga):
    signed(world)
    ask(world, olga)
    packs.make(world.runtime)
    [pack] = packs.of_petition(world.runtime, petition_id(world))
    world.clock.forward(days=LIFE.days, seconds=1)

    assert packs.of_petition(world.runtime, petition_id(world)) == []
    with pytest.raises(NotFoundError):
        packs.download(world.runtime, petition_id(world), pack.id, by=olga)
    packs.make(world.runtime)
    assert world.sql("select count(*) from pack, pack_piece") == [(0,)]


def test_a_pack_of_another_petition_is_not_there(world, olga):
    signed(world)
    world.petition("other")
    ask(world, olga)
    packs.make(world.runtime)
    [pack] = packs.of_petition(world.runtime, petition_id(world))

    with pytest.raises(NotFoundError):
        packs.download(world.runtime, petition_id(world, "other"), pack.id, by=olga)
    packs.delete(world.runtime, petition_id(world, "other"), pack.id, by=olga)
    assert state(world) == (PackState.READY, None)


@pytest.mark.parametrize(("reason", "code"), [("", "missing"), (" \n ", "missing"), ("x" * 301, "too_long")])
def test_a_pack_needs_a_reason(world, olga, reason, code):
    signed(world)
    with pytest.raises(InvalidInputError) as error:
        ask(world, olga, reason=reason)

    assert error.value.problems == {"reason": code}


def test_a_draft_has_no_pack(world, olga):
    world.petition(SLUG, live=False)
    with pytest.raises(ConflictError):
        ask(world, olga)


def test_every_act_is_in_the_audit_log(world, olga):
    signed(world)
    ask(world, olga)
    packs.make(world.runtime)
    content(world, olga)
    [pack] = packs.of_petition(world.runtime, petition_id(world))
    packs.delete(world.runtime, petition_id(world), pack.id, by=olga)
    packs.delete(world.runtime, petition_id(world), pack.id, by=olga)

    assert world.sql("select action, account_id from audit_entry where action like 'petition.pack%%' order by id") == [
        ("petition.pack", olga.id),
        ("petition.pack_download", olga.id),
        ("petition.pack_delete", olga.id),
    ]
