"""Feedback: fetch returned mail, and apply what came back."""

from celery import shared_task

from tasks.process import current


@shared_task(name="feedback.read_mailbox")
def read_mailbox() -> None:
    """Read the return mailbox, if one is to be fetched from. A second run finds nothing new; a mail is stored once."""
    current().run_job("feedback.read_mailbox")


@shared_task(name="feedback.apply")
def apply() -> None:
    """Apply new events: suppressions, what is known of messages, pauses. A second run finds none left."""
    current().run_job("feedback.apply")


@shared_task(name="feedback.purge")
def purge() -> None:
    """Delete old events, and what waited in quarantine for too long. A second run finds none."""
    current().run_job("feedback.purge")
