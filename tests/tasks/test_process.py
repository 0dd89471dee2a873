"""A worker process: what it knows is recorded, whether or not another wake-up comes to it (F25)."""

from collections import Counter

import pytest

from campaign.errors import StoreUnavailableError
from campaign.local.mailserver.faults import FaultRules
from campaign.local.mailserver.running import ServerThread
from campaign.local.mailserver.script import Script
from campaign.local.servers import postgres
from campaign.states import Lane
from tasks.process import Process
from tests.kit.worlds import make_world, settings_for


class Taking(FaultRules):
    """Takes a message, and lets something happen before it answers."""

    def __init__(self, happens):
        super().__init__(Script())
        self.happens = happens

    def message(self, transaction, data):
        answer = super().message(transaction, data)
        self.happens()
        return answer


@pytest.mark.parametrize("without_queue", [False, True])
def test_what_was_taken_while_the_database_went_is_recorded_by_the_next_heartbeat(
    own_server, celery_app, tmp_path, without_queue
):
    settings, url = own_server
    world = make_world(url, tmp_path)
    world.signature(world.petition())
    with ServerThread(Taking(lambda: postgres.stop(settings, hurry=True))) as server:
        used = settings_for(url, tmp_path, redis_url="redis://127.0.0.1:1/0",
                            smtp_url=f"smtp://127.0.0.1:{server.port}")  # fmt: skip
        process = Process(celery_app(used), used, Lane.URGENT)
        with pytest.raises(StoreUnavailableError):
            (process.ticker.drain if without_queue else process.drain)()
        with pytest.raises(StoreUnavailableError):
            process.beat()
        postgres.start(settings)

        process.beat()

        assert Counter(state for (state,) in world.sql("select state from message")) == {"accepted": 1}
        assert len(server.rules.received) == 1
        process.ticker.start()
        process.close()
    world.runtime.close()
