"""The list before the send button: what a careful person would check, checked."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from urllib.parse import urlsplit

from campaign.blasts import blasts
from campaign.blasts.rules import Blast, BlastKind, BlastText
from campaign.database.connection import Transaction
from campaign.errors import CountersignError
from campaign.mail.compose import MAX_HTML
from campaign.outbox import lanes, workers
from campaign.petitions.markdown import to_html
from campaign.previews import Preview, Previewer
from campaign.runtime import Runtime
from campaign.settings import LANGUAGES
from campaign.states import Lane

ALIVE = timedelta(seconds=30)
"""A worker that was not heard of for so long is taken for gone."""

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
    """One line of the list: what was checked, how it stands, and what the page needs to say so."""

    code: str
    level: Level
    detail: Mapping[str, object] = field(default_factory=dict)


def check(runtime: Runtime, previewer: Previewer, blast_id: int, petition_id: int) -> list[Finding]:
    """Look at everything that could go wrong with an update, now.

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
    return sorted(findings, key=lambda found: list(Level)[::-1].index(found.level))


def _languages(blast: Blast, texts: Mapping[str, BlastText]) -> Finding:
    wanted = blast.audience.locales or LANGUAGES
    missing = [locale for locale in wanted if locale not in texts]
    if blast.kind is BlastKind.MILESTONE or not missing:
        return Finding("languages", Level.FINE)
    return Finding("languages", Level.LOOK if texts else Level.STOP, {"missing": missing})


def _mails(previewer: Previewer, blast: Blast, texts: Mapping[str, BlastText]) -> Iterator[Finding]:
    made: list[Preview] = []
    for locale in texts or LANGUAGES:
        try:
            made.append(previewer.of_blast(blast.id, blast.petition_id, locale))
        except CountersignError:
            yield Finding("mail", Level.STOP, {"locale": locale})
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


def _machinery(runtime: Runtime, tx: Transaction) -> Iterator[Finding]:
    alive = [one for one in workers.alive(tx, since=runtime.clock() - ALIVE) if one.lane is Lane.BULK]
    found = [Finding("workers", Level.FINE if alive else Level.STOP, {"number": len(alive)})]
    lane = next((one for one in lanes.all_lanes(tx) if one.lane is Lane.BULK), None)
    if lane is not None and lane.paused_at is not None:
        found.append(Finding("lane_paused", Level.STOP))
    elif lane is not None and lane.not_before is not None and lane.not_before > runtime.clock():
        found.append(Finding("server_resting", Level.LOOK, {"until": lane.not_before}))
    else:
        found.append(Finding("lane", Level.FINE))
    return iter(found)
