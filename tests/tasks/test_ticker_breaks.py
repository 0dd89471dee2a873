import threading
import time

import pytest

from campaign.delivery import jobs as delivery_jobs
from campaign.delivery.jobs import Ticker
from campaign.states import Lane
from tests.kit.waiting import until


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_ticker_that_meets_an_error_nobody_foresaw_looks_again(world):
    beats = []

    def beat():
        beats.append(time.monotonic())
        if len(beats) == 1:
            raise ZeroDivisionError

    made = Ticker(
        world.runtime,
        lane=Lane.URGENT,
        schedule={},
        enqueue_job=lambda _: True,
        nudge=lambda _: True,
        drain=lambda: None,
        beat=beat,
        note_store=lambda _: None,
    )
    made.start()
    until(lambda: len(beats) > 1, seconds=delivery_jobs.AFTER_BREAK + 10)
    made.stop()

    assert len(beats) > 1
    assert not [thread for thread in threading.enumerate() if thread.name == "ticker"]
