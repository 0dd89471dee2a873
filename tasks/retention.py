"""Retention: erase and purge what is past its time."""

from celery import shared_task

from tasks.process import current


@shared_task(name="personal_data.erase_expired")
def erase_personal_data() -> None:
    """Erase personal data of petitions closed longer than the retention time. A second run finds none left."""
    current().run_job("personal_data.erase_expired")


@shared_task(name="records.purge_expired")
def purge_records() -> None:
    """Delete expired limits, sessions, sign-in links and records of old workers. A second run finds none left."""
    current().run_job("records.purge_expired")
