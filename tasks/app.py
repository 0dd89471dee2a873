"""Celery on one screen: the tasks with their queues, the schedule, the limits, and the app made from them.

A task is a wake-up and carries no data: what is to do is in the database. Each task is a function of a few lines in
the module of its area (``mail.send_urgent`` in tasks/mail.py), which says what makes a second run harmless.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from celery import Celery
from kombu import Exchange, Queue

from campaign.blasts import milestones
from campaign.blasts import running as blast_running
from campaign.bulk_acts import running as act_running
from campaign.delivery import cleanup, journal
from campaign.delivery.jobs import Job
from campaign.feedback import applying, quarantine, return_mailbox
from campaign.handover import packs
from campaign.operations import alert_hook, throughput
from campaign.settings import Settings
from campaign.signatures import forgetting, funnel, rekeying
from tasks import redis_transport

URGENT = "urgent"
"""Promise: mail that one reader waits for; served by workers of its own."""
BULK = "bulk"
"""Promise: mail to many; never in the way of urgent."""
UPKEEP = "upkeep"
"""Promise: periodic jobs, within seconds, in the bulk workers, before bulk mail."""

QUEUES = (URGENT, BULK, UPKEEP)

WAKE_UPS: Mapping[str, str] = {
    "signatures.admit": URGENT,
    "mail.send_urgent": URGENT,
    "mail.send_bulk": BULK,
    "acts.begin": UPKEEP,
}
"""Tasks that are sent after a commit which left work for them, each with its queue."""


def schedule(settings: Settings) -> Mapping[str, Job]:
    """Tasks that are sent at intervals, all to the queue "upkeep"; the database decides which ticker sends one."""
    return {
        "acts.carry_out": Job(timedelta(seconds=2), act_running.carry_out),
        "acts.forget": Job(timedelta(hours=6), act_running.forget_rows),
        "signatures.count": Job(timedelta(seconds=settings.count_interval), milestones.count_signatures, vital=True),
        "signatures.recount": Job(timedelta(hours=24), milestones.recount),
        "signatures.rekey": Job(timedelta(minutes=10), rekeying.rekey),
        "signatures.measure_funnel": Job(timedelta(minutes=5), funnel.measure),
        "signatures.remind": Job(timedelta(minutes=10), cleanup.remind),
        "signatures.expire": Job(timedelta(minutes=10), cleanup.expire_signatures),
        "signatures.forget": Job(timedelta(seconds=10), forgetting.forget_counted),
        "blasts.start_due": Job(timedelta(seconds=1), blast_running.look),
        "feedback.read_mailbox": Job(timedelta(seconds=15), return_mailbox.read_configured),
        "feedback.apply": Job(timedelta(seconds=5), applying.apply),
        "feedback.purge": Job(timedelta(hours=6), quarantine.purge),
        "handover.make_packs": Job(timedelta(seconds=3), packs.make),
        "mail.recover_leases": Job(timedelta(seconds=3), journal.recover, vital=True),
        "lanes.watch_health": Job(timedelta(seconds=10), alert_hook.watch, vital=True),
        "throughput.record": Job(timedelta(seconds=15), throughput.note, vital=True),
        "queues.count": Job(timedelta(seconds=15), throughput.tally, vital=True),
        "personal_data.erase_expired": Job(timedelta(hours=6), cleanup.erase_old),
        "records.purge_expired": Job(timedelta(hours=1), cleanup.forget),
    }


SOFT_LIMIT, HARD_LIMIT = 120, 180
"""Seconds after which a task gets an exception, then its process a SIGKILL."""

VISIBILITY = 300
"""Seconds after which Redis hands an unacknowledged task to another worker: longer than any task may take."""

MODULES = (
    *("tasks.mail", "tasks.signatures", "tasks.blasts", "tasks.feedback", "tasks.operations", "tasks.retention"),
    "tasks.acts",
    "tasks.handover",
)
"""Where the tasks are."""


def make_app(settings: Settings) -> Celery:
    """An app for these settings; it becomes the default, so that nothing is published without a broker."""
    redis_transport.use()
    app = Celery("countersign", set_as_current=True)
    app.conf.update(celery_settings(settings))
    app.set_default()
    return app


def celery_settings(settings: Settings) -> dict[str, Any]:
    """The whole configuration of the Celery app; each line has its reason."""
    queues = {**WAKE_UPS, **dict.fromkeys(schedule(settings), UPKEEP)}
    return {
        "broker_url": settings.redis_url,
        # Nothing grows in Redis: state is in the database.
        "task_ignore_result": True,
        "task_store_errors_even_if_ignored": False,
        # No pickle, ever.
        "task_serializer": "json",
        "accept_content": ["json"],
        # A typo in a queue's name is an error, not a dead queue.
        # One key per queue: with a shared key a wake-up would be copied into all of them.
        "task_queues": [Queue(name, Exchange("countersign", type="direct"), routing_key=name) for name in QUEUES],
        "task_default_queue": UPKEEP,
        "task_create_missing_queues": False,
        "task_routes": {name: {"queue": queue} for name, queue in queues.items()},
        # Wake-ups come again fast when a worker dies; safe, because claims are in the database.
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "worker_prefetch_multiplier": 1,
        # A deploy: finish what is on the wire, below the supervisor's kill time.
        "worker_soft_shutdown_timeout": 20,
        "worker_enable_soft_shutdown_on_idle": False,
        # Cancelling would run tasks again at each blip of Redis.
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        # Wait for Redis as long as it takes; the default gives up.
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_connection_timeout": 2,
        "broker_transport_options": {
            "visibility_timeout": VISIBILITY,
            "unacked_restore_interval": 5,
            "queue_order_strategy": "priority",
            "global_keyprefix": settings.redis_prefix,
            # A frozen or half-open Redis must not hold a process for ever.
            "socket_timeout": 5,
            "socket_connect_timeout": 2,
            "socket_keepalive": True,
            "health_check_interval": 10,
            # Try once more at once: kombu would wait 2 s before, for each wake-up of a tick while Redis is down.
            "max_retries": 1,
            "interval_start": 0,
        },
        "task_publish_retry": False,
        "task_soft_time_limit": SOFT_LIMIT,
        "task_time_limit": HARD_LIMIT,
        # Events cost 40 % of the throughput; the monitor reads the database.
        "worker_send_task_events": False,
        "task_send_sent_event": False,
        # A line says which process and which module wrote it; Celery's own lines hold the names of tasks.
        "worker_log_format": "[%(asctime)s: %(levelname)s/%(processName)s] %(name)s: %(message)s",
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "timezone": "UTC",
        "imports": MODULES,
    }
