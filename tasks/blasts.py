"""Blasts: start those that are due."""

from celery import shared_task

from tasks.process import current


@shared_task(name="blasts.start_due")
def start_due() -> None:
    """Start due blasts, plan their messages, cancel what cancelled ones left. A second run resumes at the checkpoint.

    Each blast starts once, by its state; each recipient gets one message, by a unique index.
    """
    current().run_job("blasts.start_due")
