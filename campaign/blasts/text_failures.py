"""Texts of which no mail could be made, by update, version and language, so that each is tried once (F66)."""

import hashlib
import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from campaign.accounts import audit
from campaign.blasts import queries
from campaign.database.connection import Transaction

REASON = "text"
"""Why an update with such a text is paused."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TextFailure:
    """A text of an update of which no mail could be made."""

    blast_id: int
    locale: str
    """The language of the mail; its text may be that of another one."""
    version: bytes
    reason: str


def version_of(subject: str, markdown: str) -> bytes:
    """What tells one version of a text from another."""
    return hashlib.sha256(f"{subject}\0{markdown}".encode("utf-8", "surrogatepass")).digest()[:16]


def of_blast(tx: Transaction, blast_id: int) -> dict[str, TextFailure]:
    """What is remembered of an update, by language."""
    rows = tx.execute(
        text("select blast_id, locale, version, reason from text_failure where blast_id = :id order by locale"),
        id=blast_id,
    )
    return {row.locale: TextFailure(row.blast_id, row.locale, bytes(row.version), row.reason) for row in rows}


def forget(tx: Transaction, blast_id: int) -> None:
    """Let the texts of an update be tried again: an organiser resumes it, for instance after an upgrade."""
    tx.execute(text("delete from text_failure where blast_id = :id"), id=blast_id)


def note(tx: Transaction, failures: Collection[TextFailure], *, now: datetime) -> None:
    """Remember texts and pause their updates, and these alone. Doing it again changes nothing."""
    for failure in sorted(failures, key=lambda each: (each.blast_id, each.locale)):
        tx.execute(
            text("""
            insert into text_failure (blast_id, locale, version, reason, failed_at)
            values (:blast_id, :locale, :version, :reason, :now)
            on conflict (blast_id, locale) do update
                set version = excluded.version, reason = excluded.reason, failed_at = excluded.failed_at"""),
            blast_id=failure.blast_id,
            locale=failure.locale,
            version=failure.version,
            reason=failure.reason,
            now=now,
        )
        if queries.hold(tx, failure.blast_id, reason=REASON, now=now):
            log.warning(
                "blast %d paused itself: no mail can be made of its text (%s)", failure.blast_id, failure.locale
            )
            audit.add(
                tx,
                action="blast.pause",
                subject="blast",
                subject_id=failure.blast_id,
                detail={"reason": REASON, "locale": failure.locale},
            )
