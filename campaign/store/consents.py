"""The stored wordings of consents."""

from collections.abc import Iterable

from sqlalchemy import text

from campaign.database.connection import Transaction


def by_ids(tx: Transaction, ids: Iterable[int | None]) -> dict[int, tuple[str, str, str]]:
    """Wording, language and SHA-256 (hex) of consents by id."""
    rows = tx.execute(
        text("select id, text, locale, hash from consent_text where id = any(:ids)"),
        ids=[given for given in ids if given is not None],
    )
    return {row.id: (row.text, row.locale, bytes(row.hash).hex()) for row in rows}
