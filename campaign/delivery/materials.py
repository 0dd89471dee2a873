"""The rows that a batch of messages is about, read once for the batch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

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
from campaign.signatures import mine, moving, reply_mail
from campaign.signatures import queries as signature_queries
from campaign.signatures.mine_queries import Mine
from campaign.signatures.reply_mail import Letter
from campaign.states import MessageKind


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
    """Read what a batch of messages is about."""
    petition_ids = {message.petition_id for message in messages if message.petition_id is not None}
    alert_ids = {message.about_id or 0 for message in messages if message.kind is MessageKind.ADMIN_ALERT}
    blast_ids = {
        message.blast_id or message.about_id for message in messages if message.kind not in ABOUT_NO_UPDATE
    } - {None}
    found = {}
    for account_id in {message.account_id for message in messages if message.account_id is not None}:
        stored = account_queries.by_id(tx, account_id)
        if stored is not None and stored.disabled_at is None:
            found[account_id] = account_accounts.in_clear(runtime, stored)
    blasts = {}
    for blast_id in blast_ids:
        blast = blast_queries.by_id(tx, int(blast_id or 0))
        if blast is not None:
            texts = blast_queries.texts(tx, blast.id)
            blasts[blast.id] = BlastMaterial(blast, texts, text_failures.of_blast(tx, blast.id))
    links = {}
    for message in messages:
        if message.kind is MessageKind.SIGN_IN:
            link = account_queries.link_of_message(tx, message.id)
            if link is not None and link.used_at is None:
                links[message.id] = sign_in.link_address(runtime, link.id, link.nonce)
    petitions = {petition_id: by_id(runtime, tx, petition_id) for petition_id in petition_ids}
    letters, replies = _letters(runtime, tx, petitions, messages), _replies(tx, petitions, messages)
    elsewhere = {message_id: letter.address for message_id, letter in letters.items()}
    for message in (message for message in messages if message.id in replies):
        petition = petitions[message.petition_id or 0].petition
        elsewhere[message.id] = _goes_to(runtime, petition, message, replies[message.id])
    links.update({message_id: letter.link for message_id, letter in letters.items()})
    return Materials(
        petitions,
        found,
        blasts,
        links,
        operations_alerts.by_ids(tx, alert_ids) if alert_ids else {},
        {
            message.id: _mine(runtime, tx, petitions[message.petition_id or 0], message)
            for message in messages
            if message.kind is MessageKind.MY_SIGNATURES
        },
        {message_id: address for message_id, address in elsewhere.items() if address},
        replies,
    )


def _letters(
    runtime: Runtime, tx: Transaction, petitions: Mapping[int, Opened], messages: Sequence[Claimed]
) -> dict[int, moving.Letter]:
    found = {
        message.id: moving.letter(
            runtime,
            tx,
            petitions[message.petition_id or 0],
            signature_id=message.signature_id or 0,
            change_id=message.about_id,
        )
        for message in messages
        if message.kind in MOVING
    }
    return {message_id: letter for message_id, letter in found.items() if letter is not None}


def _replies(tx: Transaction, petitions: Mapping[int, Opened], messages: Sequence[Claimed]) -> dict[int, Letter]:
    found = {
        message.id: reply_mail.find(tx, petitions[message.petition_id or 0], message.about_id or 0)
        for message in messages
        if message.kind in LETTERS
    }
    return {message_id: letter for message_id, letter in found.items() if letter is not None}


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
