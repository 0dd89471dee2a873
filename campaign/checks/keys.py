"""Checks of the keys that encrypt: the files can be read. Whether they open the database is a check of the database."""

from campaign.checks.findings import Finding, Level, fine
from campaign.security.keys import KeyFileError
from campaign.security.retention_keys import RetentionKeys
from campaign.settings import Settings


def check_files(settings: Settings) -> Finding:
    """Whether there are instance keys, and the file of the retention keys can be read."""
    check, why = "keys.files", "Nothing that is stored about signers and accounts can be read without them."
    if not settings.keys:
        return Finding(
            check,
            Level.STOP,
            "There are no instance keys.",
            why,
            "Set COUNTERSIGN_KEYS; `countersign keys generate` makes one for a new installation.",
        )
    try:
        kept = RetentionKeys(settings.retention_keys).all() if settings.retention_keys else []
    except KeyFileError as error:
        return Finding(
            check, Level.STOP, str(error), why, "Correct COUNTERSIGN_RETENTION_KEYS, or bring the file back."
        )
    return fine(check, f"Keys that can be read: instance {len(settings.keys)}, retention {len(kept)}.")
