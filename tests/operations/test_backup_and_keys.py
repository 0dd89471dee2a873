from datetime import timedelta

from campaign.accounts import sign_in
from campaign.blasts import blasts
from campaign.blasts import running as blast_running
from campaign.blasts.rules import BlastText
from campaign.operations import monitor
from campaign.operations.backup_and_keys import declare_restored
from campaign.operations.diagnosis import judge_all
from campaign.operations.health import Code
from campaign.outbox import lanes, ledger
from campaign.petitions import organisers
from campaign.runtime import build
from campaign.signatures import requests
from campaign.states import Lane
from tests.kit import ledgers
from tests.kit.commands import Shell
from tests.kit.memory_transport import MemoryTransport
from tests.kit.worlds import World

TEXT = {"en": BlastText("News", "Hello")}


def restarted(world: World) -> World:
    """The world after its processes were started anew."""
    runtime = build(world.runtime.settings, clock=world.clock)
    return World(runtime, world.clock)


def test_a_restored_backup_mails_nobody_by_itself(world):
    ada = ledgers.admin(world)
    slug = world.petition()
    petition_id = organisers.may_organise(world.runtime, ada, slug)
    for number in range(3):
        world.signature(slug, f"s{number}@example.org", name=f"S {number}", confirmed=True, wants_updates=True)
    running, scheduled = (
        blasts.save_draft(world.runtime, petition_id, TEXT, by=ada, request_key=key) for key in ("running", "scheduled")
    )
    blasts.send_now(world.runtime, running, petition_id, by=ada)
    world.clock.forward(seconds=31)
    blast_running.look(world.runtime)
    local = world.clock.now.replace(tzinfo=None) + timedelta(hours=1)
    blasts.schedule(world.runtime, scheduled, petition_id, local=local, zone="UTC", by=ada)

    done = declare_restored(world.runtime.store, now=world.clock.now)
    after = restarted(world)
    world.clock.forward(hours=1, seconds=1)
    blast_running.look(after.runtime)
    transports = {lane: MemoryTransport() for lane in Lane}
    for lane, transport in transports.items():
        after.deliverer(lane, transport=transport).drain()

    assert (done.lanes, done.blasts) == (2, 1)
    assert [transport.sent for transport in transports.values()] == [[], []]
    assert world.sql("select id, paused_reason from blast order by id") == [
        (running, "other_epoch"), (scheduled, "other_epoch"),
    ]  # fmt: skip
    assert Code.PAUSED in {finding.code for finding in judge_all(monitor.take(after.runtime))}
    after.runtime.close()


def test_whoever_was_signed_in_signs_in_again(world):
    ada = ledgers.admin(world)
    link = sign_in.sign_in_link(world.runtime, ada.id).rpartition("/")[2]
    cookie = sign_in.sign_in(world.runtime, link)

    done = declare_restored(world.runtime.store, now=world.clock.now)

    assert done.sessions == 1
    assert sign_in.session(world.runtime, cookie) is None


def test_the_command_says_what_was_held_and_may_run_twice(world):
    shell = Shell(world)

    first, second = shell("db", "restored"), shell("db", "restored")

    assert (first.status, second.status) == (0, 0)
    assert "Paused: 2 lanes, 0 updates" in first.out
    assert "Paused: 0 lanes, 0 updates" in second.out
    assert world.sql("select count(distinct detail->>'epoch') from audit_entry where action = 'instance.restored'") == [
        (2,)
    ]


def test_a_sign_in_link_asked_for_after_a_restore_is_mailed_and_nothing_else(world):
    ledgers.admin(world)
    world.petition()
    world.ask("a-petition", "waiting@example.org")
    requests.request_sign_in_link(world.runtime, "ada@example.org", network=None)
    world.admit()
    world.clock.forward(seconds=1)
    declare_restored(world.runtime.store, now=world.clock.now)
    world.clock.forward(seconds=1)
    before = has_due(world)
    requests.request_sign_in_link(world.runtime, "ada@example.org", network=None)
    world.admit()
    after = has_due(world)
    transport = MemoryTransport()
    world.deliver(transport=transport)

    assert (before, after) == (False, True)
    assert [envelope.rcpt_to for envelope in transport.sent] == ["ada@example.org"]
    assert world.sql("select kind::text, state::text from message order by id") == [
        ("confirmation", "planned"), ("sign_in", "planned"), ("sign_in", "accepted"),
    ]  # fmt: skip
    assert has_due(world) is False


def test_a_lane_that_an_admin_paused_lets_no_sign_in_link_pass(world):
    ledgers.admin(world)
    world.read(lambda tx: lanes.pause(tx, Lane.URGENT, by="cli", reason="The relay moves.", now=world.clock.now))
    world.clock.forward(seconds=1)
    requests.request_sign_in_link(world.runtime, "ada@example.org", network=None)
    world.admit()
    transport = MemoryTransport()
    world.deliver(transport=transport)

    assert transport.sent == []
    assert has_due(world) is False


def has_due(world: World) -> bool:
    return world.read(lambda tx: ledger.has_due(tx, Lane.URGENT, now=world.clock.now))
