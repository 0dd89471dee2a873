"""What admins set for the whole site."""

from sqlalchemy import Column, LargeBinary, String, Table, Text

from campaign.database.tables.ground import MOMENT, created_at, metadata

site_setting = Table(
    "site_setting",
    metadata,
    # A field of Settings, another one of campaign/site/current.py, or a switch that is on ("switch.signing").
    Column("name", String(40), primary_key=True),
    # As text, as an environment variable has it; of a switch the reason.
    Column("value", Text, nullable=False),
    Column("changed_at", MOMENT, nullable=False),
    # "account 3" or "cli", as lane.paused_by.
    Column("changed_by", Text, nullable=False),
)

site_file = Table(
    "site_file",
    metadata,
    # The hash of the content with its ending: a name never gets another content.
    Column("name", String(40), primary_key=True),
    Column("content", LargeBinary, nullable=False),
    created_at(),
)
