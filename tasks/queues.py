"""Names, queues, routes and the settings of Celery, on one screen. docs/architecture.md says what each is for."""

from typing import Any

from kombu import Exchange, Queue

from campaign.settings import Settings

URGENT = "urgent"
"""Promise: mail that a person waits for; served by its own workers."""
BULK = "bulk"
"""Promise: mail to many; never in the way of urgent."""
UPKEEP = "upkeep"
"""Promise: counting, expiry, recovery; within seconds, in the bulk workers."""

QUEUES = (URGENT, BULK, UPKEEP)

DRAIN = "mail.drain_lane"
RUN_JOB = "upkeep.run_job"

ROUTES: dict[str, str] = {RUN_JOB: UPKEEP}
"""Tasks whose queue is fixed; the drain of a lane goes to the queue named like the lane."""

VISIBILITY = 300
"""Seconds after which Redis hands an unacknowledged wake-up to another worker; every task is far shorter."""


def celery_settings(settings: Settings) -> dict[str, Any]:
    """The whole configuration of the Celery app; each line has its reason."""
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
        "task_routes": {name: {"queue": queue} for name, queue in ROUTES.items()},
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
            # A frozen or half-open Redis must not hold anybody for ever.
            "socket_timeout": 5,
            "socket_connect_timeout": 2,
            "socket_keepalive": True,
            "health_check_interval": 10,
            # Try once more at once: kombu would wait 2 s before, for each wake-up of a tick while Redis is down.
            "max_retries": 1,
            "interval_start": 0,
        },
        "task_publish_retry": False,
        "task_soft_time_limit": 120,
        "task_time_limit": 180,
        # Events cost 40 % of the throughput; the monitor reads the database.
        "worker_send_task_events": False,
        "task_send_sent_event": False,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "timezone": "UTC",
        "imports": ("tasks.mail", "tasks.upkeep"),
    }
