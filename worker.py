"""The Celery app, nothing more: ``celery -A worker worker -Q urgent``."""

from campaign import config
from tasks.app import make_app

app = make_app(config.load())
