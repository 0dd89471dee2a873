"""What comes back: raw events with their quarantine, what is known of a message since, and bounces told later.

Columns without a value for old rows, and indexes of a table that no release has filled yet: the release before this one
goes on meanwhile, and writes no event.
"""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("create type came_back as enum ('deferred', 'delivered', 'bounced', 'complained')")
    op.execute("alter table message add column came_back came_back")
    op.execute("alter table bounce_strike add column came_back boolean not null default false")
    op.execute(
        "alter table delivery_event add column status varchar(12), add column cause varchar(12),"
        " add column mail_provider varchar(12), add column sealed bytea, add column quarantined_at timestamptz, add column quarantine_reason varchar(40)"
    )
    op.execute(
        "create index ix_message_came_back on message (blast_id, came_back)"
        " where came_back is not null and blast_id is not null"
    )
    op.execute(
        "create index ix_signature_unsubscribed on signature (petition_id, updates_changed_at)"
        " where not wants_updates and updates_changed_at is not null"
    )
    op.execute("alter table signature add column mail_provider varchar(12)")
    op.execute("create index ix_signature_requested on signature using brin (requested_at)")
    op.execute(
        "create table confirmation_funnel (day date not null, petition_id integer not null,"
        " mail_provider varchar(12) not null, asked integer not null, accepted integer not null,"
        " delivered integer not null, opened integer, confirmed integer not null, median_minutes real,"
        " constraint pk_confirmation_funnel primary key (day, petition_id, mail_provider))"
    )
    op.execute("create index ix_delivery_event_kind on delivery_event (kind, received_at)")
    op.execute("create index ix_delivery_event_quarantine on delivery_event (id) where quarantine_reason is not null")


def downgrade() -> None:
    op.execute("drop index ix_delivery_event_quarantine")
    op.execute("drop index ix_delivery_event_kind")
    op.execute(
        "alter table delivery_event drop column quarantine_reason, drop column quarantined_at, drop column sealed,"
        " drop column mail_provider, drop column cause, drop column status"
    )
    op.execute("alter table bounce_strike drop column came_back")
    op.execute("drop table confirmation_funnel")
    op.execute("drop index ix_signature_requested")
    op.execute("alter table signature drop column mail_provider")
    op.execute("drop index ix_signature_unsubscribed")
    op.execute("drop index ix_message_came_back")
    op.execute("alter table message drop column came_back")
    op.execute("drop type came_back")
