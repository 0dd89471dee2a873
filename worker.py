"""The Celery app, nothing more: ``celery -A worker worker -Q urgent`` or ``-Q upkeep,bulk`` (see tasks/app.py)."""

from campaign import log_lines
from campaign.settings import load_settings
from tasks.app import make_app

settings = load_settings()
if log_lines.asks_for_json(settings.log_format):
    # Before Celery looks: it leaves a root logger alone that has a handler.
    log_lines.configure(level=settings.log_level)
app = make_app(settings)
