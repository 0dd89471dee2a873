from campaign.blasts import running as blast_running
from campaign.signatures import preferences
from campaign.states import Lane
from tests.kit.memory_transport import MemoryTransport


def set_ladder(world, ladder, policy="announce"):
    world.sql(
        "update petition set milestones = %(ladder)s, milestone_policy = %(policy)s returning id",
        ladder=ladder,
        policy=policy,
    )


def decisions(world):
    return world.sql("select threshold, decision from milestone order by threshold")


def signers(world, slug, numbers):
    return [
        world.signature(slug, f"s{n}@example.org", name=f"Signer {n}", confirmed=True, wants_updates=True)
        for n in numbers
    ]


def test_of_several_milestones_crossed_at_once_the_largest_is_announced_once(world):
    slug = world.petition()
    set_ladder(world, [1, 2, 3])
    signers(world, slug, range(4))

    world.count(slug)
    blast_running.look(world.runtime)
    transport = MemoryTransport()
    world.deliverer(Lane.BULK, transport=transport).drain()

    assert decisions(world) == [(1, "merged"), (2, "merged"), (3, "announced")]
    assert len(transport.sent) == 4
    assert b"List-Id" in transport.sent[0].data


def test_withdrawing_and_signing_again_repeats_no_milestone(world):
    slug = world.petition()
    set_ladder(world, [2])
    first, _ = signers(world, slug, range(2))
    world.count(slug)
    preferences.withdraw(world.runtime, world.manage_token(first))
    world.count(slug)

    signers(world, slug, [7])
    count = world.count(slug)

    assert count == 2
    assert decisions(world) == [(2, "announced")]
    assert world.sql("select count(*) from blast") == [(1,)]


def test_a_milestone_reached_long_ago_is_recorded_but_no_news(world):
    slug = world.petition()
    set_ladder(world, [1])
    signers(world, slug, [1])
    world.clock.forward(hours=25)

    world.count(slug)

    assert decisions(world) == [(1, "late")]
    assert world.sql("select count(*) from blast") == [(0,)]


def test_the_approval_policy_waits_for_an_organiser(world):
    slug = world.petition()
    set_ladder(world, [1], policy="approve")
    signers(world, slug, [1])

    world.count(slug)
    blast_running.look(world.runtime)

    assert decisions(world) == [(1, "waiting")]
    assert world.sql("select started_at from blast") == [(None,)]


def test_the_record_policy_only_records(world):
    slug = world.petition()
    set_ladder(world, [1], policy="record")
    signers(world, slug, [1])

    world.count(slug)

    assert decisions(world) == [(1, "recorded")]
