"""The Celery app, nothing more: ``celery -A worker worker -Q urgent`` or ``-Q upkeep,bulk`` (see tasks/app.py)."""

from campaign.settings import load_settings
from tasks.app import make_app

app = make_app(load_settings())
