"""Upkeep tasks: doors to the periodic jobs."""

from celery import shared_task

from campaign.delivery.jobs import run_job
from tasks.process import current
from tasks.queues import RUN_JOB


@shared_task(name=RUN_JOB)
def run(name: str) -> None:
    """Run a periodic job. Every job is idempotent: it looks for rows in a state and moves them on."""
    run_job(current().runtime, name)
