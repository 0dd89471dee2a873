"""Signatures: admit what was asked, count them, remind of them once, expire those that were not confirmed."""

from celery import shared_task

from tasks.process import current


@shared_task(name="signatures.admit")
def admit() -> None:
    """Decide on waiting requests and send the mail they lead to. A request is decided once; a second run finds none."""
    current().admit()


@shared_task(name="signatures.count")
def count() -> None:
    """Add new confirmations to the cached counts and record milestones. Each signature is counted once, by its flag."""
    current().run_job("signatures.count")


@shared_task(name="signatures.recount")
def recount() -> None:
    """Count every petition from its rows and correct a drift. A second run finds no drift."""
    current().run_job("signatures.recount")


@shared_task(name="signatures.rekey")
def rekey() -> None:
    """Make blind indexes anew after the rule for Gmail addresses has changed. A second run finds the pass done."""
    current().run_job("signatures.rekey")


@shared_task(name="signatures.measure_funnel")
def measure_funnel() -> None:
    """Measure how many confirm, by mail provider. A second run writes the same rows."""
    current().run_job("signatures.measure_funnel")


@shared_task(name="signatures.remind")
def remind() -> None:
    """Plan one reminder for each signature that has waited a day. The row is marked, so that a second run skips it."""
    current().run_job("signatures.remind")


@shared_task(name="signatures.expire")
def expire() -> None:
    """End signatures not confirmed in time and erase their personal data. A second run finds none pending."""
    current().run_job("signatures.expire")


@shared_task(name="signatures.forget")
def forget() -> None:
    """Remove name, address and reason of counted signers who chose it. A second run finds none left to do."""
    current().run_job("signatures.forget")
