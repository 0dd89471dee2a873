"""Replies: a code confirms, STOP, HIDE and ERASE act, and the rest goes to the organisers. Docs: ADR 26.

The signed address that a reply came to proves which message it answers. From alone says who wrote it, and everyone who
knows that address can forge it; so a reply may only do what can be undone, or what mail to one reader permits.
"""

import hmac
import logging
import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from campaign.accounts import addresses
from campaign.accounts.addresses import RuleError
from campaign.database.connection import DuplicateError, Transaction
from campaign.delivery.groups import ELSEWHERE
from campaign.errors import AlreadySignedError, CountersignError, StoreUnavailableError, TokenRefusedError
from campaign.feedback import queries, reply_queries, reply_reading
from campaign.feedback.events import MAX_QUARANTINED, unsealed
from campaign.feedback.reply_commands import Command, command_in, denies
from campaign.feedback.reply_queries import WaitingReply
from campaign.feedback.reply_reading import Written
from campaign.mail.verp import Names
from campaign.outbox import claimed
from campaign.outbox import plan as outbox_plan
from campaign.outbox.claimed import Claimed
from campaign.petitions.petitions import Opened, by_id, reply_address
from campaign.runtime import Runtime
from campaign.signatures import codes, confirming, mine, places, preferences, reply_mail
from campaign.signatures import queries as signature_queries
from campaign.signatures.queries import Signature
from campaign.signatures.reply_mail import Letter
from campaign.states import CameBack, EventKind, Lane, MessageKind, SignatureState

log = logging.getLogger(__name__)

SLICE: Final = 200
"""Replies of one run at most."""

FORWARDED_A_DAY: Final = 5
"""Replies to the messages of one signature that are forwarded in 24 hours; what comes then waits in quarantine."""

DAY: Final = timedelta(days=1)

WITH_CODE: Final = frozenset({MessageKind.CONFIRMATION, MessageKind.REMINDER})

ERASING: Final = WITH_CODE | {
    MessageKind.ALREADY_SIGNED,
    MessageKind.THANK_YOU,
    MessageKind.OWN_CODE,
    MessageKind.REPLY_WHERE,
    MessageKind.REPLY_STOPPED,
    MessageKind.REPLY_HIDDEN,
    MessageKind.REPLY_REFUSED,
}
"""Mail about one signature that its reader asked for: ERASE acts at once. Other mail is forwarded, or lists several."""

ANSWERS: Final = {Command.STOP: MessageKind.REPLY_STOPPED, Command.HIDE: MessageKind.REPLY_HIDDEN}


def act(runtime: Runtime) -> int:
    """Deal with the replies that came in; returns how many. A second run finds none left."""
    ids = runtime.store.transact(lambda tx: reply_queries.waiting(tx, limit=SLICE))
    for event_id in ids:
        _one(runtime, event_id)
    now = runtime.clock()
    runtime.store.transact(lambda tx: reply_mail.purge(tx, now=now))
    return len(ids)


def _one(runtime: Runtime, event_id: int) -> None:
    """Deal with one reply in a transaction of its own; one that can't be dealt with goes to quarantine."""
    try:
        try:
            done = runtime.store.transact(lambda tx: _deal(runtime, tx, event_id))
        except (DuplicateError, AlreadySignedError, TokenRefusedError):
            # Its code came too late, or two others have signed with this mailbox.
            done = runtime.store.transact(lambda tx: _deal(runtime, tx, event_id, may_confirm=False))
        if done:
            places.answered(runtime, done)
    except StoreUnavailableError:
        raise
    except CountersignError as error:
        log.warning("reply %d goes to quarantine: %s", event_id, type(error).__name__)
        runtime.store.transact(lambda tx: _hold(runtime, tx, event_id))


def _hold(runtime: Runtime, tx: Transaction, event_id: int) -> None:
    now = runtime.clock()
    if queries.quarantined(tx) < MAX_QUARANTINED:
        reply_queries.hold(tx, event_id, now=now)
    else:
        log.warning("the quarantine is full: reply %d is not kept", event_id)
        reply_queries.settle(tx, event_id, kind=EventKind.REPLIED, now=now)


def _deal(runtime: Runtime, tx: Transaction, event_id: int, *, may_confirm: bool = True) -> tuple[bytes, ...]:
    """Deal with one reply; returns the references of sign-ups that it answered."""
    event = reply_queries.take(tx, event_id)
    if event is None:
        return ()
    # First: who decides on requests waits for signatures, never the other way round.
    outbox_plan.take_turn(tx)
    reply = _opened(runtime, tx, event)
    if reply is None:
        _hold(runtime, tx, event.id)
        return ()
    now = runtime.clock()
    queries.raise_came_back(tx, {reply.message.id: CameBack.DELIVERED})
    queries.settle_uncertain(tx, [reply.message.id], now=now)
    if is_own_address(runtime, reply.written.sender):
        reply_queries.settle(tx, event.id, kind=EventKind.AUTORESPONDED, now=now)
        return ()
    answered = _by_code(reply) if may_confirm else None
    if answered is None:
        command = command_in(reply.written.text) if reply.is_recipient else None
        if command is not None:
            _obey(reply, command)
        elif not _refused_code(reply) and not _pass_on(reply):
            _hold(runtime, tx, event.id)
            return ()
        kind = EventKind.UNSUBSCRIBED if command is Command.STOP else EventKind.REPLIED
    else:
        kind = EventKind.REPLIED
    reply_queries.settle(tx, event.id, kind=kind, now=now)
    return answered or ()


@dataclass(frozen=True, slots=True)
class _Reply:
    """A reply with what it is about."""

    runtime: Runtime
    tx: Transaction
    message: Claimed
    opened: Opened
    row: Signature
    written: Written = field(repr=False)
    canonical: str | None = field(repr=False)
    """The mailbox that the message went to; None if it is erased, or has changed since."""
    is_recipient: bool

    @property
    def code(self) -> str:
        """The six digits in it, if it answers a message that brought some; else empty."""
        if not self.is_recipient or self.message.kind not in WITH_CODE:
            return ""
        digits = codes.digits_of(self.written.text)
        return digits if len(digits) == codes.DIGITS and not denies(self.written.text) else ""


def _opened(runtime: Runtime, tx: Transaction, event: WaitingReply) -> _Reply | None:
    """What a reply is about; None if it is no reply to a signer's message, or can't be read."""
    message = next(iter(claimed.by_ids(tx, [event.message_id or 0])), None)
    if message is None or message.signature_id is None or message.petition_id is None:
        return None
    written = reply_reading.read(unsealed(runtime, event.provider, event.event_id, event.sealed))
    found = signature_queries.by_id(tx, message.signature_id)
    if written is None or not written.sender or found is None or message.kind is MessageKind.REPLY_FORWARDED:
        return None
    row = found if found.replaced_by is None else signature_queries.by_id(tx, found.replaced_by) or found
    opened = by_id(runtime, tx, row.petition_id)
    canonical = None
    if message.kind not in ELSEWHERE and not queries.moved_since(tx, [message.id]):
        canonical = _canonical(runtime, opened, row)
    # The same work whether or not there is an address to compare with.
    sender = addresses.canonical(written.sender, gmail_rules=runtime.settings.gmail_rules)
    key = runtime.secrets.address_key
    is_same = hmac.compare_digest(key(sender), key(canonical or ""))
    return _Reply(runtime, tx, message, opened, row, written, canonical, is_recipient=is_same and canonical is not None)


def _canonical(runtime: Runtime, opened: Opened, row: Signature) -> str | None:
    try:
        return mine.canonical_of(runtime, opened, row)
    except RuleError:
        # The rules have changed since it was typed.
        return None


def is_own_address(runtime: Runtime, address: str) -> bool:
    """True for an address that we send from: mail from there is never answered or passed on."""
    settings, names = runtime.settings, Names.by(runtime)
    own = {settings.mail_from.lower(), (settings.discreet_from or settings.mail_from).lower()}
    return address.lower() in own or names.replied(address) is not None or names.message_of(address) is not None


def _by_code(reply: _Reply) -> tuple[bytes, ...] | None:
    """Confirm by the code in a reply; None if there is none, or a wrong one."""
    if not reply.code or command_in(reply.written.text) is not None:
        return None
    opened, address_index = reply.opened, reply.opened.open_key.index(reply.canonical or "")
    confirmed = confirming.try_code(
        reply.runtime, reply.tx, (opened.petition.id, address_index), reply.code, only=reply.row.id, source="reply"
    )
    return None if confirmed is None else confirmed.answered


def _refused_code(reply: _Reply) -> bool:
    """Answer a reply that holds hardly anything but a code, which was not right."""
    words = re.findall(r"[^\W\d_]+", reply.written.text)
    if not reply.code or len(words) > FEW_WORDS:
        return False
    if reply.row.state is SignatureState.PENDING:
        _answer(reply, MessageKind.REPLY_REFUSED)
    return True


FEW_WORDS: Final = 8
"""Words beside a code that are no message of their own: "Hello, my code is"."""


def _obey(reply: _Reply, command: Command) -> None:
    runtime, tx, row = reply.runtime, reply.tx, reply.row
    now = runtime.clock()
    if command is Command.ERASE:
        _erase(reply)
        return
    if command is Command.STOP:
        signature_queries.set_updates(tx, row.id, wants_updates=False, consent_id=None, now=now)
        if reply.message.kind is MessageKind.MY_SIGNATURES:
            # That mail lists all petitions, so all are meant.
            mine.stop_everything(runtime, tx, reply.canonical or "")
        elif row.state is SignatureState.PENDING:
            signature_queries.mark_reminded(tx, [row.id], now=now)
            outbox_plan.cancel_for(tx, [row.id], reason="unsubscribed", now=now)
    elif row.state in {SignatureState.PENDING, SignatureState.CONFIRMED}:
        signature_queries.set_shown(tx, row.id, show_name=False)
    _answer(reply, ANSWERS[command])


def _erase(reply: _Reply) -> None:
    """Erase at once, or mail the link to the page whose button does it."""
    runtime, tx, row = reply.runtime, reply.tx, reply.row
    if reply.message.kind not in ERASING:
        since = runtime.clock() - DAY
        if (row.id, MessageKind.MY_SIGNATURES) not in outbox_plan.already_told(tx, [row.id], since=since):
            _plan(reply, MessageKind.MY_SIGNATURES)
        return
    typed = signature_queries.open_field(reply.opened.open_key, row.id, "address", row.address) or ""
    locale = row.locale
    preferences.erase_signature(runtime, tx, row)
    if by_id(runtime, tx, row.petition_id).key is None:
        # It was the last signer of a closed petition, whose key went with it: nothing more can be sealed.
        return
    letter = Letter(address=typed, locale=locale, is_recipient=True)
    reply_mail.plan(runtime, tx, reply.opened, MessageKind.REPLY_ERASED, signature_id=row.id, letter=letter)


def _answer(reply: _Reply, kind: MessageKind) -> None:
    """Answer a command, at most once a day."""
    since = reply.runtime.clock() - DAY
    if not reply_mail.planned_since(reply.tx, reply.row.id, kind, since=since):
        _plan(reply, kind)


def _plan(reply: _Reply, kind: MessageKind) -> None:
    """Plan a mail to the signer within the allowance of the mailbox."""
    now = reply.runtime.clock()
    wanted = outbox_plan.Plan(
        kind=kind, lane=Lane.URGENT, due_at=now, signature_id=reply.row.id, petition_id=reply.row.petition_id
    )
    outbox_plan.plan(reply.tx, outbox_plan.mailbox_of(reply.runtime, reply.canonical or ""), wanted, now=now)


def _pass_on(reply: _Reply) -> bool:
    """Forward what was written, or tell the signer once where to write; False if too much was forwarded today."""
    runtime, tx, petition = reply.runtime, reply.tx, reply.opened.petition
    if not reply.written.text and not reply.written.has_attachments:
        return True
    address = reply_address(runtime, petition.id, petition.reply_to)
    if not address or reply.opened.key is None:
        if reply.is_recipient and not reply_mail.planned_since(tx, reply.row.id, MessageKind.REPLY_WHERE, since=None):
            _plan(reply, MessageKind.REPLY_WHERE)
        return True
    kind, since = MessageKind.REPLY_FORWARDED, runtime.clock() - DAY
    if reply_mail.planned_since(tx, reply.row.id, kind, since=since) >= FORWARDED_A_DAY:
        return False
    written = reply.written
    letter = Letter(
        writer=written.sender,
        written=_without_keys(reply),
        locale=petition.default_locale,
        is_recipient=reply.is_recipient,
        is_cut=written.is_cut,
        has_attachments=written.has_attachments,
    )
    reply_mail.plan(runtime, tx, reply.opened, kind, signature_id=reply.row.id, letter=letter)
    return True


def _without_keys(reply: _Reply) -> str:
    """What was written, without what opens or confirms the signature: its code, and private links."""
    base = re.escape(reply.runtime.settings.base_url.partition("://")[2])
    text = re.sub(rf"(https?://)?{base}/(c|me|u|move|move-back|sign-in|n)/\S+", "[…]", reply.written.text)
    return _CODE.sub("[…]", text) if reply.message.kind in WITH_CODE | {MessageKind.OWN_CODE} else text


_CODE: Final = re.compile(r"(?<!\d)\d{3}[\s.\u2010-\u2015-]?\d{3}(?!\d)")
