"""What a signer's mailbox shows of the mail of a petition in discreet mode, made by the code that composes the mail."""

import email
import email.policy
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from campaign.blasts.rules import BlastKind
from campaign.delivery.composer import Composer
from campaign.delivery.materials import BlastMaterial, Materials
from campaign.delivery.proof import ADDRESS, SIGNERS, sample_blast
from campaign.delivery.recipients import Recipient
from campaign.mail.addresses import wire_address
from campaign.mail.kinds import DISCREET
from campaign.outbox import claimed
from campaign.petitions import petitions
from campaign.runtime import Runtime
from campaign.settings import LANGUAGES
from campaign.states import MessageKind

NOT_TO_SIGNERS: Final = frozenset({MessageKind.TEST, MessageKind.REPLY_FORWARDED})

_PREHEADER = re.compile(r'<div class="preheader"[^>]*>(.*?)</div>', re.DOTALL)


@dataclass(frozen=True)
class Row:
    """One line of a list of mail: sender, subject and the words after it."""

    kind: MessageKind
    locale: str
    sender: str
    subject: str
    preheader: str


def rows(runtime: Runtime, petition_id: int) -> list[Row]:
    """A row for each kind of mail to signers and each language, as if discreet mode were on."""
    return [_row(kind, locale, data) for kind, locale, data in discreet_mails(runtime, petition_id)]


def discreet_mails(runtime: Runtime, petition_id: int) -> Iterator[tuple[MessageKind, str, bytes]]:
    """Each kind of mail to signers in each language, as bytes, as if discreet mode were on."""
    opened = runtime.store.transact(lambda tx: petitions.by_id(runtime, tx, petition_id))
    opened = replace(opened, petition=replace(opened.petition, discreet=True))
    update = sample_blast(petition_id, runtime.clock())
    blasts = {
        MessageKind.UPDATE: update,
        MessageKind.MILESTONE: replace(update, kind=BlastKind.MILESTONE, threshold=100),
    }
    composer = Composer(runtime)
    for kind in (kind for kind in MessageKind if str(kind) in DISCREET and kind not in NOT_TO_SIGNERS):
        blast = blasts.get(kind)
        known = {} if blast is None else {blast.id: BlastMaterial(blast, {})}
        materials = Materials({petition_id: opened}, {}, known, {0: f"{runtime.settings.base_url}/"})
        for locale in LANGUAGES:
            blast_id = None if blast is None else blast.id
            message = claimed.sample(
                kind, at=update.created_at, locale=locale, petition_id=petition_id, blast_id=blast_id
            )
            recipient = Recipient(SIGNERS[locale], wire_address(ADDRESS), b"")
            compiled = composer.compile(message, materials)
            yield kind, locale, bytes(composer.compose(message, materials, recipient, compiled=compiled).data)


def _row(kind: MessageKind, locale: str, data: bytes) -> Row:
    message = email.message_from_bytes(data, policy=email.policy.default)
    part = message.get_body(("html",))
    found = _PREHEADER.search("" if part is None else part.get_content())
    return Row(kind, locale, str(message["From"]), str(message["Subject"]), found.group(1) if found else "")
