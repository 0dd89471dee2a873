import csv
import io
import tracemalloc

import pytest

from campaign.accounts import accounts
from campaign.accounts.accounts import Role
from campaign.petitions import petitions
from campaign.signatures import exports, preferences, removal

WORDS = exports.Wording(("No.", "Name", "Code", "Country", "On", "Reason"), "anonymous", lambda code: f"land {code}")


@pytest.fixture
def organiser(world):
    accounts.create(world.runtime, email="olga@example.org", name="Olga", role=Role.ADMIN)
    return accounts.find(world.runtime, "olga@example.org")


def exported(world, slug, organiser, *, hidden=True):
    petition_id = petitions.by_slug(world.runtime, slug).petition.id
    data = b"".join(exports.signatures_csv(world.runtime, petition_id, WORDS, hidden=hidden, by=organiser))
    return data, list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def test_the_file_holds_confirmed_signatures_and_hidden_names_are_anonymous(world, organiser):
    slug = world.petition()
    world.signature(slug, "a@example.org", name="زہرا", reason="I swim.", show_name=True, confirmed=True, country="PK")
    world.signature(slug, "b@example.org", name="Secret Person", reason="Secret", confirmed=True)
    world.signature(slug, "c@example.org", name="Pending Person")

    data, rows = exported(world, slug, organiser)

    assert data.startswith(b"\xef\xbb\xbf")
    assert rows == [
        ["No.", "Name", "Code", "Country", "On", "Reason"],
        ["1", "زہرا", "PK", "land PK", "2026-11-22", "I swim."],
        ["2", "anonymous", "DE", "land DE", "2026-11-22", ""],
    ]
    assert b"ecret" not in data
    assert b"example.org" not in data


def test_hidden_names_may_be_left_out(world, organiser):
    slug = world.petition()
    world.signature(slug, "a@example.org", name="Shown", show_name=True, confirmed=True)
    world.signature(slug, "b@example.org", name="Hidden", confirmed=True)

    _, rows = exported(world, slug, organiser, hidden=False)

    assert [row[1] for row in rows[1:]] == ["Shown"]


def test_the_lines_add_up_to_the_public_count(world, organiser):
    slug = world.petition()
    ids = [world.signature(slug, f"s{n}@example.org", name="Signer", confirmed=True) for n in range(5)]
    preferences.withdraw(world.runtime, world.manage_token(ids[0]))
    preferences.erase(world.runtime, world.manage_token(ids[1]))
    petition_id = petitions.by_slug(world.runtime, slug).petition.id
    removal.remove(world.runtime, petition_id, ids[2], reason="duplicate", by=organiser)

    _, rows = exported(world, slug, organiser)

    assert len(rows) - 1 == world.count(slug) == 3


def test_a_name_that_is_a_formula_opens_harmless(world, organiser):
    slug = world.petition()
    world.signature(slug, name="=cmd|calc", show_name=True, confirmed=True)

    _, rows = exported(world, slug, organiser)

    assert rows[1][1] == "'=cmd|calc"


def test_every_export_is_written_into_the_audit_log_before_its_first_byte(world, organiser):
    slug = world.petition()
    petition_id = petitions.by_slug(world.runtime, slug).petition.id

    exports.signatures_csv(world.runtime, petition_id, WORDS, hidden=True, by=organiser)

    assert world.sql("select action, account_id from audit_entry where action = 'petition.export'") == [
        ("petition.export", organiser.id)
    ]


def test_many_rows_are_streamed_without_a_limit_in_flat_memory(world, organiser):
    slug = world.petition()
    first = world.signature(slug, confirmed=True)
    world.sql(
        """
        insert into signature (id, petition_id, text_version_id, consent_id, state, locale, country, show_name,
            wants_updates, nonce, requested_at, confirmed_at)
        select 1000000 + n, petition_id, text_version_id, consent_id, 'confirmed', locale, country, false, false,
            nonce, requested_at, confirmed_at
        from signature, generate_series(1, 20000) n where id = %(first)s returning id""",
        first=first,
    )
    petition_id = petitions.by_slug(world.runtime, slug).petition.id

    tracemalloc.start()
    lines = 0
    for piece in exports.signatures_csv(world.runtime, petition_id, WORDS, hidden=True, by=organiser):
        lines += piece.count(b"\r\n")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert lines == 20_002
    assert peak < 8_000_000
