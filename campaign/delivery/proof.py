"""Previews of updates: the very mail that a signer would get, made by the mailer for a signer who does not exist."""

import email.policy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from campaign.blasts import blasts
from campaign.blasts.merge_tags import merged_html, merged_line, shared_values
from campaign.blasts.rules import Audience, Blast, BlastKind, BlastText
from campaign.blasts.text_checks import check_texts
from campaign.database.connection import Transaction
from campaign.delivery.composer import Composer
from campaign.delivery.materials import BlastMaterial, Materials
from campaign.delivery.reachability import ask_relays
from campaign.delivery.recipients import Recipient
from campaign.errors import CountersignError, InvalidInputError, MailTemplateError, MailTooLargeError
from campaign.mail.addresses import wire_address
from campaign.mail.compose import MAX_HTML
from campaign.operations import snapshot
from campaign.operations.health import WORKER_SEEN
from campaign.operations.standing import Standing
from campaign.outbox import claimed, workers
from campaign.petitions import petitions
from campaign.petitions.markdown import to_html
from campaign.runtime import Runtime
from campaign.settings import LANGUAGES
from campaign.states import Lane, MessageKind

SIGNERS: Final[Mapping[str, str]] = {
    "en": "Zahra Ahmadi",
    "de": "Lena Vogel",
    "fa": "زهرا احمدی",
    "ur": "زہرا احمدی",
}
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
    """The id of an update that is not saved yet."""
    return Blast(
        id=-1,
        petition_id=petition_id,
        kind=BlastKind.UPDATE,
        send_at=None,
        time_zone="UTC",
        max_lateness=0,
        audience=Audience(),
        threshold=None,
        count_at_start=None,
        created_by=None,
        created_at=now,
        started_at=None,
        frozen_at=None,
        paused_at=None,
        paused_reason=None,
        cancelled_at=None,
    )


class Previewer:
    """Makes previews; keeps the templates of mail ready."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._mailer: Composer | None = None

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
        check_texts(texts)
        return self._preview(sample_blast(petition_id, self._runtime.clock()), texts, locale)

    def check_texts(self, texts: Mapping[str, BlastText], petition_id: int) -> None:
        """Make the mail of an unsaved update in every language of the site.

        Raises:
            InvalidInputError: it can't be sent, or no mail can be made of a text: ``{"de.body": "mail_too_large"}``.
        """
        check_texts(texts)
        self._check(sample_blast(petition_id, self._runtime.clock()), texts)

    def check_blast(self, blast_id: int, petition_id: int) -> None:
        """Make the mail of a saved update, or of the announcement of a milestone, in every language of the site.

        Raises:
            NotFoundError: it is not a blast of this petition.
            InvalidInputError: no mail can be made of a text: ``{"de.body": "mail_too_large"}``.
        """
        blast, texts = blasts.get(self._runtime, blast_id, petition_id)
        if texts:
            # Their own mistakes first: they are named with their places.
            check_texts(texts)
        self._check(blast, texts)

    def _check(self, blast: Blast, texts: Mapping[str, BlastText]) -> None:
        if blast.kind is BlastKind.UPDATE and not texts:
            return
        problems: dict[str, str] = {}
        for locale in LANGUAGES:
            try:
                self._preview(blast, texts, locale)
            except CountersignError as error:
                # Readers of other languages get one of the texts there are.
                written = locale if locale in texts else next(iter(texts), locale)
                large = isinstance(error, MailTooLargeError)
                problems.setdefault(f"{written}.body", "mail_too_large" if large else "not_a_mail")
        if problems:
            raise InvalidInputError(problems)

    def live(self, written: BlastText, petition_id: int, locale: str) -> tuple[str, str]:
        """Subject and HTML of a text in the moment it is written: quicker than a mail, and the same words.

        Raises:
            InvalidInputError: it can't be sent; the problem names the place.
        """
        check_texts({locale: written})
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
        kind = MessageKind(str(blast.kind))
        message = claimed.sample(
            kind, at=blast.created_at, locale=locale, petition_id=blast.petition_id, blast_id=blast.id
        )
        composer = self._mailer = self._mailer or Composer(self._runtime)
        recipient = Recipient(SIGNERS[locale], wire_address(ADDRESS), b"")
        envelope = composer.compose(message, materials, recipient, compiled=composer.compile(message, materials))
        return _read(envelope.data, locale, fell_back=bool(saved) and locale not in saved)


def _read(data: bytes, locale: str, *, fell_back: bool) -> Preview:
    message = email.message_from_bytes(bytes(data), policy=email.policy.default)
    parts = {kind: message.get_body((kind,)) for kind in ("plain", "html")}
    if parts["plain"] is None or parts["html"] is None:
        raise MailTemplateError("The mail has no text or no HTML part.")
    return Preview(
        subject=str(message["Subject"]),
        html=parts["html"].get_content(),
        text=parts["plain"].get_content(),
        locale=locale,
        fell_back=fell_back,
    )


_LINK = re.compile(r'<a[^>]*\shref="([^"]*)"')


class Level(StrEnum):
    """How much a finding weighs."""

    FINE = "fine"
    LOOK = "look"
    """Worth a look; sending is possible."""
    STOP = "stop"
    """Sending is impossible, or nothing would go out."""


@dataclass(frozen=True)
class Finding:
    """One line of the list: what was checked, its result, and what the page needs to say so."""

    code: str
    level: Level
    detail: Mapping[str, object] = field(default_factory=dict)


def check(
    runtime: Runtime, previewer: Previewer, blast_id: int, petition_id: int, *, asks_relays: bool = False
) -> list[Finding]:
    """Look at everything that could go wrong with an update, now.

    Args:
        runtime: the runtime.
        previewer: makes its mails.
        blast_id: the update.
        petition_id: its petition.
        asks_relays: open a session with each mail server, which takes up to
            :data:`~campaign.delivery.reachability.PATIENCE` seconds if one is silent.

    Raises:
        NotFoundError: it is not a blast of this petition.
    """
    blast, texts = blasts.get(runtime, blast_id, petition_id)
    counts = blasts.audience_counts(runtime, petition_id, blast.audience)
    findings = [
        Finding("people", Level.FINE if counts["eligible"] else Level.LOOK, {"number": counts["eligible"]}),
        _languages(blast, texts),
        *_mails(previewer, blast, texts),
        _links(runtime, texts),
        _signed(runtime),
        *runtime.store.transact(lambda tx: _machinery(runtime, tx)),
    ]
    if asks_relays and not {"lane_paused", "server_resting"} & {found.code for found in findings}:
        findings += _relays(runtime)
    return sorted(findings, key=lambda found: list(Level)[::-1].index(found.level))


def _languages(blast: Blast, texts: Mapping[str, BlastText]) -> Finding:
    wanted = blast.audience.locales or LANGUAGES
    missing = [locale for locale in wanted if locale not in texts]
    if blast.kind is BlastKind.MILESTONE or not missing:
        return Finding("languages", Level.FINE)
    return Finding("languages", Level.LOOK if texts else Level.STOP, {"missing": missing})


def _mails(previewer: Previewer, blast: Blast, texts: Mapping[str, BlastText]) -> Iterator[Finding]:
    made: list[Preview] = []
    for locale in LANGUAGES:
        try:
            made.append(previewer.of_blast(blast.id, blast.petition_id, locale))
        except CountersignError:
            yield Finding("mail", Level.STOP, {"locale": locale})
    try:
        check_texts(texts)
    except InvalidInputError as error:
        if blast.kind is BlastKind.UPDATE and texts:
            yield Finding("texts", Level.STOP, {"problems": error.problems})
    largest = max((preview.html_bytes for preview in made), default=0)
    yield Finding("size", Level.FINE if largest < MAX_HTML else Level.STOP, {"bytes": largest})
    unsubscribable = all("/u/" in part for preview in made for part in (preview.html, preview.text))
    yield Finding("unsubscribe", Level.FINE if unsubscribable else Level.STOP)


def _links(runtime: Runtime, texts: Mapping[str, BlastText]) -> Finding:
    hosts, open_text = set(), False
    for written in texts.values():
        for target in _LINK.findall(to_html(written.body_markdown)):
            parts = urlsplit(target)
            if parts.hostname and parts.hostname != runtime.settings.host:
                hosts.add(parts.hostname)
                open_text |= parts.scheme == "http"
    if not hosts:
        return Finding("links", Level.FINE)
    return Finding("links_unsafe" if open_text else "links", Level.LOOK, {"hosts": sorted(hosts)})


def _signed(runtime: Runtime) -> Finding:
    return Finding("signed", Level.FINE if runtime.settings.dkim_key_file else Level.LOOK)


def _machinery(runtime: Runtime, tx: Transaction) -> list[Finding]:
    now = runtime.clock()
    serving = [one for one in workers.alive(tx, since=now - WORKER_SEEN) if one.lane is Lane.BULK]
    found = [Finding("workers", Level.FINE if serving else Level.STOP, {"number": len(serving)})]
    if serving and all(one.folder_problem for one in serving):
        found.append(Finding("folder", Level.STOP))
    # One lane may know of a mail server what the other has not tried.
    holds = {lane: snapshot.hold(tx, runtime.settings, lane, now=now, is_served=True) for lane in Lane}
    bulk = holds[Lane.BULK]
    resting = [
        hold
        for hold in holds.values()
        if hold is not None and hold.code in {Standing.MAIL_SERVER, Standing.THROTTLED} and hold.is_stopped
    ]
    if bulk is not None and bulk.code is Standing.PAUSED:
        found.append(Finding("lane_paused", Level.STOP))
    elif resting:
        until = max((hold.until for hold in resting if hold.until is not None), default=now)
        found.append(Finding("server_resting", Level.LOOK, {"until": until}))
    return found


def _relays(runtime: Runtime) -> Iterator[Finding]:
    answers = runtime.cache.get(("relays answer",), lambda: ask_relays(runtime.settings))
    for answer in answers:
        if answer.failure:
            yield Finding("server_silent", Level.LOOK, {"relay": answer.relay, "words": answer.failure})
    slowest = max((answer for answer in answers if not answer.failure), key=lambda one: one.seconds, default=None)
    if slowest is not None:
        milliseconds = max(1, round(slowest.seconds * 1000))
        yield Finding("server", Level.FINE, {"relay": slowest.relay, "milliseconds": milliseconds})
