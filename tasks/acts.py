"""Acts on many rows: carry out what was begun, and forget what can't be undone any longer."""

from celery import shared_task

from tasks.process import current


@shared_task(name="acts.begin")
def begin() -> None:
    """Carry out open acts at once, after a commit that left one. A second run begins where the last slice ended."""
    current().run_job("acts.carry_out")


@shared_task(name="acts.carry_out")
def carry_out() -> None:
    """Carry out open acts in bounded slices. A second run begins where the last slice ended; each row is met once."""
    current().run_job("acts.carry_out")


@shared_task(name="acts.forget")
def forget() -> None:
    """Delete which rows old acts changed, once they can't be undone any longer. A second run finds none."""
    current().run_job("acts.forget")
