"""The Celery app, nothing more: ``celery -A worker worker -Q urgent``."""

from campaign.settings import load_settings
from tasks.app import make_app

app = make_app(load_settings())
