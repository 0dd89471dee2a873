"""The whole schema. Why the tables are shaped so is written in docs/architecture.md, "The schema"."""

from campaign.database.tables import (
    accounts,
    blasts,
    bulk_acts,
    handover,
    operations,
    outbox,
    petitions,
    signatures,
    site,
)
from campaign.database.tables.ground import SIGNATURE_BLOCK, metadata

__all__ = [
    "SIGNATURE_BLOCK",
    "accounts",
    "blasts",
    "bulk_acts",
    "handover",
    "metadata",
    "operations",
    "outbox",
    "petitions",
    "signatures",
    "site",
]
