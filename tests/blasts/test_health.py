"""A blast that is badly received pauses by itself (F49)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.blasts import queries as blast_queries
from campaign.blasts import running as blast_running
from campaign.blasts.rules import BlastReception
from campaign.delivery.composer import Composer
from campaign.states import Lane
from tests.kit import servers
from tests.kit.memory_transport import MemoryTransport, accepted
from tests.kit.worlds import PatientDeliverer

REFUSAL = servers.refusing(550, "5.2.2")


@pytest.fixture
def blast(world):
    """A running blast to sixty people."""
    slug = world.petition()
    for n in range(60):
        world.signature(slug, f"p{n}@example.org", confirmed=True, wants_updates=True)
    world.sql("update message set state = 'cancelled', settled_at = now()")
    petition_id = world.opened(slug).petition.id

    def work(tx):
        blast_id = blast_queries.add(tx, petition_id=petition_id, kind="update", request_key="k")
        blast_queries.save_texts(tx, blast_id, {"en": ("News", "Hello {{name}}", "<p>Hello {{name}}</p>")})
        blast_queries.start(tx, blast_id, count=60, now=world.clock())
        return blast_id

    blast_id = world.read(work)
    blast_running.freeze(world.runtime)
    return blast_id


def send(world, script, *, batch):
    transport = MemoryTransport(script=script)
    deliverer = PatientDeliverer(world.runtime, Lane.BULK, composer=Composer(world.runtime), transport=transport)
    deliverer._limit = batch  # noqa: SLF001 - smaller batches than the first
    deliverer.drain()
    deliverer.close()


def stage(world):
    return world.sql("select paused_reason from blast")[0][0]


def states(world):
    return dict(world.sql("select state, count(*) from message where blast_id is not null group by 1"))


def test_a_blast_that_every_server_refuses_stops_before_it_reaches_everybody(world, blast):
    send(world, REFUSAL, batch=10)

    assert stage(world) == "rejections"
    assert states(world)["rejected"] <= 40
    assert states(world)["planned"] >= 20
    assert world.sql("select detail->>'reason' from audit_entry where action = 'blast.pause'") == [("rejections",)]


def test_a_few_refusals_are_people_not_a_bad_list(world, blast):
    send(world, lambda envelope: REFUSAL(envelope) if envelope.id % 6 == 0 else accepted(envelope), batch=10)

    assert stage(world) is None
    assert "planned" not in states(world)


def test_who_lets_it_go_on_is_not_asked_again_for_what_was_known(world, blast):
    send(world, REFUSAL, batch=10)
    world.read(lambda tx: blast_queries.resume(tx, blast))
    world.sql(
        "insert into audit_entry (actor, action, subject, subject_id, at)"
        " values ('system', 'blast.resume', 'blast', %(id)s, %(now)s)", id=blast, now=world.clock(),
    )  # fmt: skip

    world.clock.forward(seconds=10)
    send(world, accepted, batch=10)

    assert stage(world) is None
    assert "planned" not in states(world)


@given(st.integers(0, 10**6), st.integers(0, 10**4), st.integers(0, 10**3), st.integers(0, 10**4))
def test_the_limits_are_shares_and_never_a_single_mail(accepted_, rejected, complained, bounced):
    reason = BlastReception(accepted_, rejected, complained, bounced=bounced).reason_to_pause()

    if reason in {"rejections", "bounces"}:
        assert rejected + bounced >= 20
        assert (rejected + bounced) > 0.05 * (accepted_ + rejected)
        assert reason == ("rejections" if rejected >= bounced else "bounces")
    elif reason == "complaints":
        assert complained >= 5
        assert complained > 0.001 * accepted_
