"""The only home of Celery besides worker.py."""
