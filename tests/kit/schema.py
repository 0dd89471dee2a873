"""The schema of the test databases."""

import importlib
import importlib.util


def migrate(url: str) -> None:
    """Bring an empty database to the present schema."""
    if importlib.util.find_spec("campaign.store.migrate") is not None:
        importlib.import_module("campaign.store.migrate").upgrade(url)
