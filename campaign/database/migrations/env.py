"""Alembic's entry: runs migrations on the connection, or the URL, that campaign.database.migrate hands over."""

from alembic import context
from sqlalchemy import Connection

from campaign.database.connection import open_engine
from campaign.database.schema import metadata


def _run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata, compare_type=True, compare_server_default=True)
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    _run(given)
else:
    with open_engine(context.config.attributes["database_url"], pool_size=0).connect() as opened:
        _run(opened)
        opened.commit()
