import random
from datetime import timedelta

import pytest

from campaign.accounts.addresses import clean_name, clean_reason
from campaign.local.seed import seed as seeding
from campaign.local.seed.fake_people import COUNTRIES, DOMAINS, PeopleGenerator
from campaign.petitions import petitions
from campaign.signatures import preferences, requests
from campaign.signatures import queries as signature_queries
from campaign.signatures.signing import SignForm, check
from campaign.states import SignatureState
from tests.kit.commands import Shell


class Always(random.Random):
    """Chance that says the same every time: whatever still differs does not come from it."""

    def random(self) -> float:
        return 0.5

    def getrandbits(self, _k: int) -> int:
        return 0


@pytest.fixture
def shell(world):
    return Shell(world)


def test_confirmed_signers_are_added_counted_and_get_no_mail(world, shell):
    slug = world.petition(locales=("en", "de", "fa", "ur"))

    ran = shell("seed", "--petition", slug, "--signatures", "300", "--confirmed", "--updates", "1")

    assert (ran.status, ran.err) == (0, "")
    assert ran.out.startswith("Added 300 confirmed signatures to a-petition in ")
    assert world.count(slug) == 300
    assert world.sql("select count(*) from message") == [(0,)]
    assert world.sql(
        "select count(*), count(distinct address_index), count(distinct person_index), count(distinct locale)"
        " from signature where state = 'confirmed' and wants_updates and updates_consent_id is not null"
    ) == [(300, 300, 300, 4)]
    assert world.sql(
        "select action, actor, detail ->> 'signatures' from audit_entry where action = 'petition.seed'"
    ) == [("petition.seed", "cli", "300")]


def test_confirmations_are_spread_over_the_hours_before_now(world):
    slug = world.petition()

    seeding.sow(world.runtime, slug, seeding.SeedPlan(400, confirmed=True, span=timedelta(hours=10)))

    [(first, last, late)] = world.sql(
        "select min(confirmed_at), max(confirmed_at), count(*) filter (where confirmed_at > %(middle)s) from signature",
        middle=world.clock.now - timedelta(hours=5),
    )
    assert world.clock.now - timedelta(hours=10) <= first < world.clock.now - timedelta(hours=8)
    assert world.clock.now - timedelta(minutes=30) < last <= world.clock.now
    assert late > 250
    assert world.sql("select count(*) from signature where requested_at >= confirmed_at") == [(0,)]


def test_a_seeded_signer_is_a_signer_like_any_other(world):
    slug = world.petition()
    seeding.sow(world.runtime, slug, seeding.SeedPlan(1, confirmed=True))
    [(signature_id,)] = world.sql("select id from signature")
    row, key = world.row(signature_id), petitions.by_slug(world.runtime, slug).open_key
    name = signature_queries.open_field(key, row.id, "name", row.name)
    address = signature_queries.open_field(key, row.id, "address", row.address)

    ref = world.sign(slug, address, name=name)
    shown = requests.look_up(world.runtime, slug, ref).address
    preferences.withdraw(world.runtime, world.manage_token(signature_id))

    assert shown == address
    assert world.sql("select kind from message where state = 'planned'") == []
    assert world.state(signature_id) is SignatureState.WITHDRAWN
    assert len(world.sql("select id from signature")) == 1


def test_unconfirmed_signers_do_not_count_and_are_not_reminded(world, shell):
    slug = world.petition()

    ran = shell("seed", "--petition", slug, "--signatures", "40", "--updates", "0")

    assert "40 unconfirmed" in ran.out
    assert world.count(slug) == 0
    assert world.sql(
        "select state, count(*) from signature where reminded_at is not null and not wants_updates group by state"
    ) == [("pending", 40)]


def test_seeding_twice_adds_other_people(world):
    slug = world.petition()

    for _ in range(2):
        seeding.sow(world.runtime, slug, seeding.SeedPlan(50, confirmed=True), chance=Always())

    assert world.count(slug) == 100


def test_slices_add_up_and_tell_how_far_they_are(world):
    slug, told = world.petition(), []

    added = seeding.sow(world.runtime, slug, seeding.SeedPlan(seeding.SLICE + 1, confirmed=True), progress=told.append)

    assert (added, told) == (seeding.SLICE + 1, [seeding.SLICE, seeding.SLICE + 1])
    assert world.sql("select count(*) from signature") == [(seeding.SLICE + 1,)]


def test_invented_people_pass_the_rules_of_the_form_and_reach_nobody(world):
    crowd = PeopleGenerator(random.SystemRandom())

    people = [crowd.person(number) for number in range(2_000)]

    for person in people:
        assert clean_name(person.name) == person.name
        assert clean_reason(person.reason) == person.reason
        assert person.address.rpartition("@")[2] in DOMAINS
        check(world.runtime, SignForm(name=person.name, email=person.address, country=person.country))
    assert all(domain.endswith((".test", "example.org", "example.com", "example.net")) for domain in DOMAINS)
    assert {person.country for person in people} <= set(COUNTRIES)
    assert len({person.name for person in people}) > 1_000


def test_a_public_site_is_not_seeded_unless_that_is_meant(world, shell, tmp_path):
    slug = world.petition()
    key = tmp_path / "dkim.pem"
    key.write_text("-----BEGIN PRIVATE KEY-----\nnever read here\n")
    public = {"COUNTERSIGN_BASE_URL": "https://petitions.example.org", "COUNTERSIGN_DKIM_KEY_FILE": str(key)}
    command = ("seed", "--petition", slug, "--signatures", "3", "--confirmed")

    refused = shell(*command, **public)
    agreed = shell(*command, "--yes-on-a-public-site", **public)

    assert (refused.status, refused.out) == (1, "")
    assert "https://petitions.example.org is a public site" in refused.err
    assert "--yes-on-a-public-site" in refused.err
    assert agreed.status == 0
    assert world.count(slug) == 3


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (("--petition", "nothing", "--signatures", "3"), 1, "there is no such petition"),
        (("--petition", "a-draft", "--signatures", "3"), 1, "only a live one can be seeded"),
        (("--petition", "a-draft", "--signatures", "0"), 2, "--signatures"),
        (("--petition", "a-draft", "--signatures", "3", "--updates", "1.1"), 2, "--updates"),
    ],
)
def test_what_can_not_be_seeded_is_said_so(world, shell, arguments, status, sentence):
    world.petition("a-draft", live=False)

    ran = shell("seed", *arguments)

    assert (ran.status, ran.out) == (status, "")
    assert sentence in ran.err
    assert world.sql("select count(*) from signature") == [(0,)]


def test_help_shows_an_example(world, shell):
    assert "Example: countersign seed --petition" in shell("seed", "--help").out


def test_messages_are_all_settled_and_as_many_as_wanted(world, shell):
    slug = world.petition()

    ran = shell(
        *("seed", "--petition", slug, "--signatures", "400", "--confirmed", "--hours", "8760"),
        *("--messages", "4000", "--random-seed", "7"),
    )

    assert (ran.status, ran.err) == (0, "")
    assert ran.out.startswith("Added 400 confirmed signatures and 4,000 messages to a-petition in ")
    assert world.sql("select count(*), count(settled_at) from message") == [(4000, 4000)]
    assert world.sql("select kind, count(*) from message where lane = 'urgent' group by kind order by kind") == [
        ("confirmation", 400),
        ("thank_you", 400),
    ]
    states = dict(world.sql("select state, count(*) from message group by state"))
    assert set(states) >= {"accepted", "rejected", "suppressed", "cancelled"}
    assert not set(states) & {"planned", "claimed", "submitting"}
    assert states["accepted"] > 3000
    assert world.sql(
        "select count(*) from message m join signature s on s.id = m.signature_id where m.planned_at < s.requested_at"
    ) == [(0,)]
    assert world.sql("select count(*) from message where settled_at > now()") == [(0,)]
    for table in ("blast", "delivery_event", "suppression", "attempt"):
        assert world.sql(f"select count(*) > 10 from {table}") == [(True,)]


def test_the_same_random_seed_gives_the_same_outcomes(world):
    outcomes = []
    for slug in ("first", "second"):
        world.petition(slug)
        wanted = seeding.SeedPlan(100, confirmed=True, messages=500)
        world.sql("select setval('signature_id_blocks', 33, false)")
        world.sql("delete from delivery_event returning 1")
        world.sql("delete from message returning 1")
        world.sql("delete from signature returning 1")
        seeding.sow(world.runtime, slug, wanted, chance=random.Random(3))  # noqa: S311 - invented people are no secret
        outcomes.append(world.sql("select kind, state, came_back, settled_at from message order by 1, 2, 3, 4"))

    assert outcomes[0] == outcomes[1]


def test_unconfirmed_signers_have_confirmations_and_reminders_but_no_updates(world, shell):
    slug = world.petition()

    ran = shell("seed", "--petition", slug, "--signatures", "50", "--messages", "80")
    refused = shell("seed", "--petition", slug, "--signatures", "50", "--messages", "200")

    assert ran.status == 0
    assert world.sql("select distinct kind from message order by 1") == [("confirmation",), ("reminder",)]
    assert refused.status == 1
    assert "200 messages are too many for these signatures" in refused.err
    assert world.sql("select count(*) from signature") == [(50,)]
