"""Previews of updates: the very mail that a signer would get, made by the mailer for a signer who does not exist."""

import email.policy
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from campaign.blasts import blasts
from campaign.blasts.merge_tags import merged_html, merged_line, shared_values
from campaign.blasts.rules import Audience, Blast, BlastKind, BlastText
from campaign.errors import MailTemplateError
from campaign.letters import BlastMaterial, Materials
from campaign.mail.addresses import wire_address
from campaign.mailer import Mailer, Recipient
from campaign.outbox.ledger import Claimed
from campaign.petitions import petitions
from campaign.runtime import Runtime
from campaign.states import MessageKind, SignatureState

SIGNERS: Final[Mapping[str, str]] = {
    "en": "Zahra Ahmadi", "de": "Lena Vogel", "fa": "زهرا احمدی", "ur": "زہرا احمدی",
}  # fmt: skip
"""The invented signer of a preview, in the script of its language."""

ADDRESS: Final = "signer@example.org"


@dataclass(frozen=True)
class Preview:
    """One mail as its reader will see it."""

    subject: str
    html: str
    text: str
    locale: str
    fell_back: bool
    """True if there is no text in this language: its readers get the nearest one."""

    @property
    def html_bytes(self) -> int:
        """Size of the HTML part; Gmail clips above 100 KB."""
        return len(self.html.encode())


def sample_blast(petition_id: int, now: datetime) -> Blast:
    """An update that is not saved yet; its id is nobody's."""
    return Blast(
        id=-1, petition_id=petition_id, kind=BlastKind.UPDATE, send_at=None, time_zone="UTC", max_lateness=0,
        audience=Audience(), threshold=None, count_at_start=None, created_by=None, created_at=now, scheduled_at=None,
        started_at=None, frozen_at=None, paused_at=None, paused_reason=None, cancelled_at=None,
    )  # fmt: skip


class Previewer:
    """Makes previews; keeps the templates of mail ready."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._mailer: Mailer | None = None

    def of_blast(self, blast_id: int, petition_id: int, locale: str) -> Preview:
        """The saved update, or the announcement of a milestone, in one language.

        Raises:
            NotFoundError: it is not a blast of this petition.
            MailTemplateError: it can't be made, e.g. because it is too large.
        """
        blast, texts = blasts.get(self._runtime, blast_id, petition_id)
        return self._preview(blast, texts, locale)

    def of_texts(self, texts: Mapping[str, BlastText], petition_id: int, locale: str) -> Preview:
        """A text that is still being written, in one language.

        Raises:
            InvalidInputError: it can't be sent; the problem names the place.
            MailTemplateError: it can't be made, e.g. because it is too large.
        """
        blasts.check_texts(texts)
        return self._preview(sample_blast(petition_id, self._runtime.clock()), texts, locale)

    def live(self, written: BlastText, petition_id: int, locale: str) -> tuple[str, str]:
        """Subject and HTML of a text in the moment it is written: quicker than a mail, and the same words.

        Raises:
            InvalidInputError: it can't be sent; the problem names the place.
        """
        blasts.check_texts({locale: written})
        opened = self._runtime.store.transact(lambda tx: petitions.by_id(self._runtime, tx, petition_id))
        blast = sample_blast(petition_id, self._runtime.clock())
        values = shared_values(self._runtime, opened, blast, locale, name=SIGNERS[locale])
        return merged_line(written.subject, values), merged_html(written.body_markdown, values)

    def _preview(self, blast: Blast, texts: Mapping[str, BlastText], locale: str) -> Preview:
        opened = self._runtime.store.transact(lambda tx: petitions.by_id(self._runtime, tx, blast.petition_id))
        saved = {
            code: (written.subject.strip(), written.body_markdown.replace("\r\n", "\n"), "")
            for code, written in texts.items()
        }
        material = BlastMaterial(blast, saved)
        materials = Materials({opened.petition.id: opened}, {}, {blast.id: material}, {})
        message = _message(blast, locale)
        mailer = self._mailer = self._mailer or Mailer(self._runtime)
        recipient = Recipient(SIGNERS[locale], wire_address(ADDRESS), b"")
        envelope = mailer.compose(message, materials, recipient, compiled=mailer.compile(message, materials))
        return _read(envelope.data, locale, fell_back=bool(saved) and locale not in saved)


def _message(blast: Blast, locale: str) -> Claimed:
    return Claimed(
        id=0, kind=MessageKind(str(blast.kind)), attempts=1, planned_at=blast.created_at, is_ready=True,
        petition_id=blast.petition_id, blast_id=blast.id, account_id=None, about_id=None, signature_id=0,
        signature_state=SignatureState.CONFIRMED, locale=locale, wants_updates=True, requested_at=blast.created_at,
        nonce=b"", address=None, name=None,
    )  # fmt: skip


def _read(data: bytes, locale: str, *, fell_back: bool) -> Preview:
    message = email.message_from_bytes(bytes(data), policy=email.policy.default)
    parts = {kind: message.get_body((kind,)) for kind in ("plain", "html")}
    if parts["plain"] is None or parts["html"] is None:
        raise MailTemplateError("The mail has no text or no HTML part.")
    return Preview(
        subject=str(message["Subject"]), html=parts["html"].get_content(), text=parts["plain"].get_content(),
        locale=locale, fell_back=fell_back,
    )  # fmt: skip
