"""The Celery app: made from checked settings, the same for workers and publishers."""

from celery import Celery

from campaign.settings import Settings
from tasks.queues import celery_settings


def make_app(settings: Settings) -> Celery:
    """An app for these settings; it becomes the default, so that nothing is published without a broker."""
    app = Celery("countersign", set_as_current=True)
    app.conf.update(celery_settings(settings))
    app.set_default()
    return app
