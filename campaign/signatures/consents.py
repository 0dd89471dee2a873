"""The exact wording that signers agree to, in each language; a signature keeps its hash, language and time."""

from collections.abc import Iterable
from functools import cache
from typing import Literal

from sqlalchemy import text

from campaign.database.connection import Transaction
from campaign.i18n import translations
from campaign.petitions import queries as petition_queries
from campaign.runtime import Runtime
from campaign.security.encryption import text_hash

Purpose = Literal["sign", "updates"]


def wording(purpose: Purpose, locale: str) -> str:
    """What a signer agrees to by pressing "Sign", or by ticking the box for updates."""
    gettext = translations(locale).gettext
    if purpose == "sign":
        return gettext(
            "By signing, I agree that my signature, which reveals my political views, is stored in encrypted form so "
            "that it can be counted and presented. I can withdraw at any time using the link in my email."
        )
    return gettext("Email me updates about this petition. I can unsubscribe at any time.")


@cache
def _said(purpose: Purpose, locale: str) -> tuple[str, bytes]:
    said = wording(purpose, locale)
    return said, text_hash(purpose, locale, said)


def consent_id(runtime: Runtime, purpose: Purpose, locale: str) -> int:
    """The stored row of a wording, from the cache of the runtime.

    Stored in a transaction of its own: an id in the cache must not vanish with the rollback of a caller.
    """
    said, digest = _said(purpose, locale)
    return runtime.cache.get(
        ("consent", purpose, locale),
        lambda: runtime.store.transact(
            lambda tx: petition_queries.consent_id(tx, purpose=purpose, locale=locale, wording=said, digest=digest)
        ),
    )


def by_ids(tx: Transaction, ids: Iterable[int | None]) -> dict[int, tuple[str, str, str]]:
    """Wording, language and SHA-256 (hex) of consents by id."""
    rows = tx.execute(
        text("select id, text, locale, hash from consent_text where id = any(:ids)"),
        ids=[given for given in ids if given is not None],
    )
    return {row.id: (row.text, row.locale, bytes(row.hash).hex()) for row in rows}
