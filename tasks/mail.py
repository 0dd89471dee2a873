"""Mail tasks: doors to delivery."""

from celery import shared_task

from tasks.process import current
from tasks.queues import DRAIN


@shared_task(name=DRAIN)
def drain_lane(lane: str) -> None:
    """Send what is due in a lane, for a few seconds. A second run finds nothing to claim."""
    process = current()
    if lane == process.lane:
        process.drain()
