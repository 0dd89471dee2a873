"""The rows that a batch of messages is about, read once for the batch."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from campaign.accounts import accounts as account_accounts
from campaign.accounts import queries as account_queries
from campaign.accounts import sign_in
from campaign.accounts.accounts import Account
from campaign.accounts.addresses import RuleError
from campaign.blasts import queries as blast_queries
from campaign.blasts import text_failures
from campaign.blasts.rules import Blast
from campaign.blasts.text_failures import TextFailure
from campaign.database.connection import Transaction
from campaign.delivery.groups import ABOUT_NO_UPDATE, LETTERS, MOVING
from campaign.errors import NotFoundError
from campaign.operations import alerts as operations_alerts
from campaign.outbox.claimed import Claimed
from campaign.petitions.petitions import Opened, by_id, reply_address
from campaign.petitions.rules import Petition
from campaign.runtime import Runtime
from campaign.security.encryption import DecryptionError
from campaign.signatures import mine, moving, reply_mail
from campaign.signatures import queries as signature_queries
from campaign.signatures.mine_queries import Mine
from campaign.signatures.reply_mail import Letter
from campaign.states import MessageKind

log = logging.getLogger(__name__)

Found = TypeVar("Found")


@dataclass(frozen=True)
class BlastMaterial:
    """A blast with its texts by language: subject, Markdown, HTML."""

    blast: Blast
    texts: Mapping[str, tuple[str, str, str]]
    failures: Mapping[str, TextFailure] = field(default_factory=dict)

    def text_for(self, locale: str, default: str) -> tuple[str, str]:
        """Subject and Markdown in a language, else in the petition's own, else in any; empty if there is none."""
        for wanted in (locale, default, *self.texts):
            if wanted in self.texts:
                return self.texts[wanted][0], self.texts[wanted][1]
        return "", ""


@dataclass(frozen=True)
class Materials:
    """The rows that a batch of messages is about, read once for the batch."""

    petitions: Mapping[int, Opened]
    accounts: Mapping[int, Account] = field(repr=False)
    blasts: Mapping[int, BlastMaterial]
    links: Mapping[int, str] = field(repr=False)
    alerts: Mapping[int, operations_alerts.Alert] = field(default_factory=dict)
    mine: Mapping[int, Sequence[tuple[Opened, Mine]]] = field(default_factory=dict, repr=False)
    """By message: the signatures that it lists."""
    elsewhere: Mapping[int, str] = field(default_factory=dict, repr=False)
    """By message: where it goes, if not to the address of its signature."""
    replies: Mapping[int, Letter] = field(default_factory=dict, repr=False)
    """By message: the letter that it carries."""
    closed: Mapping[int, str] = field(default_factory=dict)
    """By message: why a key, or what is sealed for it, does not open. These messages wait, for keys can be added."""

    def petition_of(self, message: Claimed) -> Opened:
        """The petition of a message.

        Raises:
            NotFoundError: the message is about none.
        """
        found = self.petitions.get(message.petition_id or 0)
        if found is None:
            raise NotFoundError("the message is about no petition")
        return found

    def blast_of(self, message: Claimed) -> BlastMaterial:
        """The blast a message belongs to, or that a test is of.

        Raises:
            NotFoundError: there is none.
        """
        found = self.blasts.get(message.blast_id or message.about_id or 0)
        if found is None:
            raise NotFoundError("the message is about no update")
        return found


def gather(runtime: Runtime, tx: Transaction, messages: Sequence[Claimed]) -> Materials:
    """Read what a batch of messages is about. What does not open is in ``closed``, and holds up no other message."""
    petitions, closed = _petitions(runtime, tx, messages)
    accounts = _accounts(runtime, tx, messages, closed)
    messages = [message for message in messages if message.id not in closed]
    alert_ids = {message.about_id or 0 for message in messages if message.kind is MessageKind.ADMIN_ALERT}

    def opened(message: Claimed) -> Opened:
        return petitions[message.petition_id or 0]

    letters = _each(
        messages,
        MOVING,
        lambda message: moving.letter(
            runtime, tx, opened(message), signature_id=message.signature_id or 0, change_id=message.about_id
        ),
        closed,
    )
    replies = _each(messages, LETTERS, lambda it: reply_mail.find(tx, opened(it), it.about_id or 0), closed)
    answered = [message for message in messages if message.id in replies]
    elsewhere = {message_id: letter.address for message_id, letter in letters.items()}
    elsewhere |= _each(answered, LETTERS, lambda it: _goes_to(runtime, opened(it).petition, it, replies[it.id]), closed)
    return Materials(
        petitions,
        accounts,
        _blasts(tx, messages),
        _links(runtime, tx, messages) | {message_id: letter.link for message_id, letter in letters.items()},
        operations_alerts.by_ids(tx, alert_ids) if alert_ids else {},
        _each(messages, {MessageKind.MY_SIGNATURES}, lambda it: _mine(runtime, tx, opened(it), it), closed),
        {message_id: address for message_id, address in elsewhere.items() if address},
        replies,
        closed,
    )


def _petitions(
    runtime: Runtime, tx: Transaction, messages: Sequence[Claimed]
) -> tuple[dict[int, Opened], dict[int, str]]:
    """The petitions of some messages, and by message why one can't be opened."""
    petitions, reasons = {}, {}
    for petition_id in sorted({message.petition_id for message in messages if message.petition_id is not None}):
        try:
            petitions[petition_id] = by_id(runtime, tx, petition_id)
        except DecryptionError as error:
            log.error("petition %d can't be opened: %s", petition_id, error)  # noqa: TRY400 - no trace of keys
            reasons[petition_id] = str(error)
    closed = {message.id: reasons[message.petition_id] for message in messages if message.petition_id in reasons}
    return petitions, closed


def _accounts(
    runtime: Runtime, tx: Transaction, messages: Sequence[Claimed], closed: dict[int, str]
) -> dict[int, Account]:
    """The accounts that some messages go to; those that can't be opened close their messages."""
    found = {}
    for account_id in {message.account_id for message in messages if message.account_id is not None}:
        stored = account_queries.by_id(tx, account_id)
        if stored is None or stored.disabled_at is not None:
            continue
        try:
            found[account_id] = account_accounts.in_clear(runtime, stored)
        except DecryptionError as error:
            log.error("account %d can't be opened: %s", account_id, error)  # noqa: TRY400 - no trace of keys
            closed.update({message.id: str(error) for message in messages if message.account_id == account_id})
    return found


def _blasts(tx: Transaction, messages: Sequence[Claimed]) -> dict[int, BlastMaterial]:
    wanted = {message.blast_id or message.about_id for message in messages if message.kind not in ABOUT_NO_UPDATE}
    found = {}
    for blast_id in wanted - {None}:
        blast = blast_queries.by_id(tx, int(blast_id or 0))
        if blast is not None:
            texts = blast_queries.texts(tx, blast.id)
            found[blast.id] = BlastMaterial(blast, texts, text_failures.of_blast(tx, blast.id))
    return found


def _links(runtime: Runtime, tx: Transaction, messages: Sequence[Claimed]) -> dict[int, str]:
    links = {}
    for message in messages:
        if message.kind is MessageKind.SIGN_IN:
            link = account_queries.link_of_message(tx, message.id)
            if link is not None and link.used_at is None:
                links[message.id] = sign_in.link_address(runtime, link.id, link.nonce)
    return links


def _each(
    messages: Sequence[Claimed],
    kinds: Collection[MessageKind],
    read: Callable[[Claimed], Found | None],
    closed: dict[int, str],
) -> dict[int, Found]:
    """What is read for each message of some kinds, each by itself; what does not open closes its message."""
    found = {}
    for message in messages:
        if message.kind not in kinds:
            continue
        try:
            value = read(message)
        except DecryptionError as error:
            log.error("what message %d carries can't be opened: %s", message.id, error)  # noqa: TRY400 - no trace of keys
            closed[message.id] = str(error)
            continue
        if value is not None:
            found[message.id] = value
    return found


def _goes_to(runtime: Runtime, petition: Petition, message: Claimed, letter: Letter) -> str:
    if message.kind is MessageKind.REPLY_ERASED:
        return letter.address
    return reply_address(runtime, petition.id, petition.reply_to)


def _mine(runtime: Runtime, tx: Transaction, opened: Opened, message: Claimed) -> Sequence[tuple[Opened, Mine]]:
    row = signature_queries.by_id(tx, message.signature_id or 0)
    try:
        canonical = None if row is None else mine.canonical_of(runtime, opened, row)
    except RuleError:
        # The rules have changed since it was typed; the composer refuses to mail there.
        return ()
    return () if canonical is None else mine.list_at(runtime, tx, canonical)
