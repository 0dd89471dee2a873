"""Mail: send what is due, and recover what dead workers held."""

from celery import shared_task

from campaign.states import Lane
from tasks.process import current


@shared_task(name="mail.send_urgent")
def send_urgent() -> None:
    """Send due mail of the urgent lane, for a few seconds. A second run finds nothing left to claim."""
    current().send_lane(Lane.URGENT)


@shared_task(name="mail.send_bulk")
def send_bulk() -> None:
    """Send due mail of the bulk lane, for a few seconds. A second run finds nothing left to claim."""
    current().send_lane(Lane.BULK)


@shared_task(name="mail.recover_leases")
def recover_leases() -> None:
    """Settle what dead workers held, by their journals and expired leases. A second run finds no expired lease."""
    current().run_job("mail.recover_leases")
