"""Operations: what the monitor shows, and alerts to admins."""

from celery import shared_task

from tasks.process import current


@shared_task(name="lanes.watch_health")
def watch_lanes() -> None:
    """Plan a mail to admins when a lane or a blast has stopped. A second run finds the alert and plans none."""
    current().run_job("lanes.watch_health")


@shared_task(name="throughput.record")
def record_throughput() -> None:
    """Record how many messages each lane sent in the last minutes. A second run writes the same rows."""
    current().run_job("throughput.record")


@shared_task(name="queues.count")
def count_queues() -> None:
    """Count long queues and large blasts for the monitor. A second run replaces the counts."""
    current().run_job("queues.count")
