"""Periodic jobs have the names of their tasks.

The rows are renamed, so that each job keeps its history and its next turn. Workers of the release before insert rows
of the old names again while they run; nothing reads those.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

NAMES = {
    "count_signatures": "signatures.count",
    "look_at_blasts": "blasts.start_due",
    "recover_leases": "mail.recover_leases",
    "watch_blasts": "blasts.watch_health",
    "watch_lanes": "lanes.watch_health",
    "note_minutes": "throughput.record",
    "tally_queues": "queues.count",
    "expire_signatures": "signatures.expire",
    "remind": "signatures.remind",
    "erase_old": "personal_data.erase_expired",
    "recount": "signatures.recount",
    "forget": "records.purge_expired",
}
"""The new name of each job, by its old one."""


def upgrade() -> None:
    _rename(NAMES)


def downgrade() -> None:
    _rename({new: old for old, new in NAMES.items()})


def _rename(names: dict[str, str]) -> None:
    connection = op.get_bind()
    for before, after in names.items():
        both = {"before": before, "after": after}
        # If workers of the release we go to have run already, their row is the newer one.
        connection.execute(
            sa.text(
                "delete from periodic_job where name = :before"
                " and exists (select from periodic_job where name = :after)"
            ),
            both,
        )
        connection.execute(sa.text("update periodic_job set name = :after where name = :before"), both)
