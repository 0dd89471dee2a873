"""Preparing: from claimed rows to recipients and envelopes; who may not be mailed, or can't be, ends here, alone."""

import logging
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from campaign.blasts.text_failures import TextFailure
from campaign.delivery.composer import BROKEN, Composer, FailedTextError
from campaign.delivery.materials import Materials, gather
from campaign.delivery.outcomes import Sent, gives_up, wait_after
from campaign.delivery.recipients import NoAddressError, Recipient
from campaign.errors import CountersignError, MailTemplateError
from campaign.outbox import suppressions
from campaign.outbox.claimed import Claimed
from campaign.outbox.ledger import Settlement
from campaign.runtime import Runtime
from campaign.smtp.transport import Envelope
from campaign.states import MessageKind

log = logging.getLogger(__name__)

NEVER_BLOCKED = frozenset({"unsubscribe", "erased"})
"""Suppressions that do not stop mail requested by its recipient."""


AHEAD: Final = 64
"""Mails composed in a row. One by one between two answers of the server, each costs a tenth more: composing and the
dialogue push each other out of the processor's caches (docs/performance.md)."""


@dataclass
class Prepared:
    """Claimed messages, sorted into those that can go and those that end here; ``handed`` are both.

    The letters are not composed yet: :meth:`envelopes` does that, a few ahead of the wire.
    """

    composer: Composer
    materials: Materials
    letters: dict[int, tuple[Claimed, Recipient]] = field(default_factory=dict)
    handed: dict[int, Sent] = field(default_factory=dict)
    ended: dict[int, Settlement] = field(default_factory=dict)
    struck: frozenset[bytes] = frozenset()
    failed_texts: set[TextFailure] = field(default_factory=set)
    """Texts of updates of which no mail can be made: their messages are given back, and wait with their update."""

    def envelopes(self, *, on_work: Callable[[Iterable[int]], None]) -> Iterator[Envelope]:
        """Compose, :data:`AHEAD` at a time; a letter that can't be composed ends instead, alone.

        ``on_work`` is told which ones, before they are composed.
        """
        letters = iter(self.letters.values())
        while few := list(islice(letters, AHEAD)):
            on_work(message.id for message, _ in few)
            at = self.composer.runtime.clock()
            composed = []
            for message, recipient in few:
                try:
                    composed.append(self.composer.compose(message, self.materials, recipient, at=at))
                except FailedTextError as error:
                    self.failed_texts.add(error.failure)
                except CountersignError as error:
                    self.ended[message.id] = _not_rendered(message, error)
            yield from composed

    def leave_out(self, suppressed: Mapping[bytes, Sequence[tuple[int | None, str]]]) -> None:
        """End the letters to suppressed addresses."""
        for message, recipient in list(self.letters.values()):
            known = [*suppressed.get(recipient.address_key, ()), *suppressed.get(recipient.other_key or b"", ())]
            reason = _bar(message, known)
            if reason is not None:
                self.ended[message.id] = Settlement(message.id, "suppressed", reason=reason)
                del self.letters[message.id]

    def keep(self, allowed: Container[int]) -> None:
        """Drop the letters that may not go."""
        self.letters = {id_: letter for id_, letter in self.letters.items() if id_ in allowed}


def prepare(runtime: Runtime, composer: Composer, claimed: Sequence[Claimed]) -> Prepared:
    """Open the addresses and look at the suppressions.

    Raises:
        StoreUnavailableError: the database does not answer.
    """
    materials = runtime.store.transact(lambda tx: gather(runtime, tx, claimed))
    made = Prepared(composer, materials)
    keys: set[bytes] = set()
    for message in claimed:
        if message.id in materials.closed:
            found: Recipient | Settlement = _closed(runtime, message, materials.closed[message.id])
        else:
            found = _recipient(composer, message, materials)
        if isinstance(found, Recipient):
            made.letters[message.id] = (message, found)
            made.handed[message.id] = Sent(message, found.address_key, found.wire.address)
            keys.add(found.address_key)
            if found.other_key is not None:
                keys.add(found.other_key)
        else:
            made.ended[message.id] = found
            made.handed[message.id] = Sent(message, b"")
    history = runtime.store.transact(lambda tx: suppressions.history(tx, sorted(keys)))
    made.struck = history.struck
    if history.suppressed:
        made.leave_out(history.suppressed)
    return made


def _recipient(composer: Composer, message: Claimed, materials: Materials) -> Recipient | Settlement:
    try:
        return composer.recipient(message, materials)
    except NoAddressError:
        return Settlement(message.id, "suppressed", reason="erased")
    except CountersignError as error:
        return _not_rendered(message, error)
    except BROKEN as error:
        return _not_rendered(message, MailTemplateError(f"The recipient can't be read: {type(error).__name__}."))


def _closed(runtime: Runtime, message: Claimed, why: str) -> Settlement:
    """Put off what does not open: the key that is missing can be listed again, and nothing was tried meanwhile.

    After days it ends as what a mail server put off for as long does; an admin may send it again.
    """
    now = runtime.clock()
    if gives_up(message.attempts, age=now - message.planned_at):
        return Settlement(message.id, "rejected", reason=f"expired: {why}"[:200], phase="render")
    due_at = now + wait_after(message.attempts, chance=runtime.chance())
    return Settlement(message.id, "planned", reason=f"not_opened: {why}"[:200], phase="render", due_at=due_at)


def _not_rendered(message: Claimed, error: CountersignError) -> Settlement:
    log.warning("message %d can't be rendered: %s", message.id, type(error).__name__)
    return Settlement(message.id, "rejected", reason=f"not_rendered: {error}"[:200], phase="render")


def _bar(message: Claimed, found: list[tuple[int | None, str]]) -> str | None:
    bulk = message.kind in {MessageKind.MILESTONE, MessageKind.UPDATE}
    for petition_id, reason in found:
        if petition_id not in {None, message.petition_id}:
            continue
        if bulk or reason not in NEVER_BLOCKED:
            return f"suppressed: {reason}"
    return None
