"""Hand-over: packs of signatures, made in the background."""

from celery import shared_task

from tasks.process import current


@shared_task(name="handover.make_packs")
def make_packs() -> None:
    """Make the packs that were asked for and delete old ones. A pack is ready once; a second run finds none waiting."""
    current().run_job("handover.make_packs")
