from datetime import timedelta

import pytest

from campaign import accounts, blast_reports, blast_running, blasts, runtime
from campaign.accounts import Role
from campaign.domain.blast import BlastStage, BlastText
from tests.kit.commands import Shell


@pytest.fixture
def organiser(world):
    accounts.create(world.runtime, email="olga@example.org", name="Olga", role=Role.ADMIN)
    return accounts.list_all(world.runtime)[0]


def test_after_a_new_epoch_nothing_that_was_scheduled_before_starts_by_itself(world, organiser):
    petition_id = accounts.may_organise(world.runtime, organiser, world.petition())
    texts = {"en": BlastText("News", "News.")}
    blast_id = blasts.save_draft(world.runtime, petition_id, texts, by=organiser, request_key="one")
    blasts.send_now(world.runtime, blast_id, petition_id, by=organiser)

    ran = Shell(world)("db", "new-epoch")

    restarted = runtime.build(world.runtime.settings, clock=lambda: world.clock.now + timedelta(minutes=1))
    blast_running.look(restarted)
    stage = blast_reports.report(restarted, blast_id, petition_id).stage
    restarted.close()
    assert ran.status == 0, ran.err
    assert stage is BlastStage.HELD
