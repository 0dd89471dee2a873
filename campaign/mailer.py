"""From a claimed message to an envelope: who gets it, in which language, with which links."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from campaign import addresses
from campaign.config import ROOT, Settings
from campaign.confirming import code_for, token_for
from campaign.domain.names import RuleError
from campaign.domain.states import MessageKind
from campaign.errors import CountersignError, MailTemplateError, MailValueError
from campaign.mail.addresses import WireAddress, wire_address
from campaign.mail.compiled import CompiledMail
from campaign.mail.compose import Composer, Sender
from campaign.mail.dkim import Signer, load_key
from campaign.mail.transport import Envelope
from campaign.petitions import Opened
from campaign.preferences import manage_token, unsubscribe_token
from campaign.return_path import return_address
from campaign.runtime import Runtime
from campaign.store import signatures
from campaign.store.ledger import Claimed
from campaign.vault import keyed_hash

COUNT_LIFE = 10.0
"""Seconds for which a compiled thank-you, which shows the count, is used again."""

MAX_COMPILED = 500


class NoAddressError(CountersignError):
    """Raised when the recipient's address was erased; the message ends, nothing is wrong."""


@dataclass(frozen=True)
class Recipient:
    """Where a message goes, in clear; lives only while it is composed."""

    name: str = field(repr=False)
    wire: WireAddress = field(repr=False)
    address_key: bytes = field(repr=False)


def load_signer(settings: Settings) -> Signer | None:
    """The DKIM signer of the settings; None if no key is named (a local relay that signs by itself).

    Raises:
        SettingsError: a key can't be used.
    """
    if settings.dkim_key_file is None:
        return None
    rsa = load_key(settings.dkim_key_file, domain=settings.mail_domain, selector=settings.dkim_selector)
    if settings.dkim_ed25519_key_file is None:
        return Signer.create(rsa)
    second = load_key(
        settings.dkim_ed25519_key_file, domain=settings.mail_domain, selector=settings.dkim_ed25519_selector
    )  # fmt: skip
    return Signer.create(rsa, second)


Builder = Callable[["Mailer", Claimed, Opened], Mapping[str, Any]]


class Mailer:
    """Composes messages; keeps what is the same for many recipients compiled."""

    def __init__(self, runtime: Runtime, *, signer: Signer | None = None) -> None:
        self.runtime = runtime
        self.signer = signer if signer is not None else load_signer(runtime.settings)
        self.composer = Composer(ROOT / "templates" / "email")
        self._compiled: dict[tuple[object, ...], tuple[float, CompiledMail]] = {}

    def recipient(self, claimed: Claimed, opened: Opened) -> Recipient:
        """Decrypt where a message goes.

        Raises:
            NoAddressError: the address was erased meanwhile.
            CountersignError: the address can't be opened or mailed; this message alone fails.
        """
        if claimed.signature_id is None or opened.key is None:
            raise NoAddressError("the recipient was erased")
        typed = signatures.open_field(opened.key, claimed.signature_id, "address", claimed.address)
        if typed is None:
            raise NoAddressError("the recipient was erased")
        name = signatures.open_field(opened.key, claimed.signature_id, "name", claimed.name) or ""
        try:
            canonical = addresses.parse(typed, gmail_rules=self.runtime.settings.gmail_rules).canonical
        except RuleError as broken:
            # It passed an older rule when it was typed.
            raise MailValueError({"address": broken.code}) from None
        return Recipient(name, wire_address(typed), self.runtime.secrets.address_key(canonical))

    def compose(self, claimed: Claimed, opened: Opened, recipient: Recipient) -> Envelope:
        """The envelope of a message: signed bytes for one recipient.

        Raises:
            CountersignError: the message can't be rendered; it alone fails.
        """
        compiled = self._compile(claimed, opened)
        settings, secrets = self.runtime.settings, self.runtime.secrets
        digest = keyed_hash(secrets.message_id, str(claimed.id)).hex()
        unsubscribe = self._link("u", unsubscribe_token(self.runtime, claimed.signature_id or 0))
        data = compiled.fill(
            self._values(claimed, recipient, unsubscribe),
            to=recipient.wire,
            message_id=f"<{digest}@{settings.mail_domain}>",
            date=self.runtime.clock(),
            list_unsubscribe=unsubscribe if compiled.needs_list_unsubscribe else None,
            signer=self.signer,
        )
        sender = return_address(secrets.return_address, claimed.id, settings.return_domain)
        return Envelope(claimed.id, sender, recipient.wire.address, data, utf8=recipient.wire.utf8)

    def _values(self, claimed: Claimed, recipient: Recipient, unsubscribe: str) -> dict[str, str]:
        signature_id, nonce = claimed.signature_id or 0, claimed.nonce or b""
        confirm = self._link("c", token_for(self.runtime, signature_id, nonce))
        return {
            "name": recipient.name,
            "link_confirm": confirm,
            "link_deny": f"{confirm}/decline",
            "code": code_for(self.runtime, signature_id, nonce),
            "link_manage": self._link("me", manage_token(self.runtime, signature_id, nonce)),
            "link_unsubscribe": unsubscribe,
        }

    def _link(self, page: str, token: str) -> str:
        return f"{self.runtime.settings.base_url}/{page}/{token}"

    def _compile(self, claimed: Claimed, opened: Opened) -> CompiledMail:
        locale = claimed.locale or opened.petition.default_locale
        text_id = opened.text_for(locale).id
        key = (claimed.kind, opened.petition.id, claimed.blast_id, locale, text_id, claimed.wants_updates)
        known = self._compiled.get(key)
        if known is not None and (claimed.kind not in _COUNTING or time.monotonic() - known[0] < COUNT_LIFE):
            return known[1]
        builder = CONTEXTS.get(claimed.kind)
        if builder is None:
            raise MailTemplateError(f"No mail of the kind {claimed.kind} is written yet.")
        compiled = self.composer.compile(
            str(claimed.kind), locale=locale, sender=self._sender(opened, locale),
            context=builder(self, claimed, opened),
        )  # fmt: skip
        if len(self._compiled) >= MAX_COMPILED:
            self._compiled.clear()
        self._compiled[key] = (time.monotonic(), compiled)
        return compiled

    def _sender(self, opened: Opened, locale: str) -> Sender:
        settings = self.runtime.settings
        return Sender(
            address=settings.mail_from,
            name=opened.petition.sender_name or settings.site_name,
            site_name=settings.site_name,
            base_url=settings.base_url,
            link_privacy=f"{settings.base_url}/privacy?lang={locale}",
            postal_address=settings.postal_address,
        )

    def petition_link(self, opened: Opened, locale: str) -> str:
        """The public address of a petition in a language."""
        return f"{self.runtime.settings.base_url}/p/{opened.petition.slug}?lang={locale}"


_COUNTING = frozenset({MessageKind.THANK_YOU})


def _title(_mailer: Mailer, claimed: Claimed, opened: Opened) -> dict[str, Any]:
    return {"petition_title": opened.text_for(claimed.locale or opened.petition.default_locale).title}


def _asking(mailer: Mailer, claimed: Claimed, opened: Opened) -> dict[str, Any]:
    return _title(mailer, claimed, opened) | {"expiry_days": mailer.runtime.settings.confirm_days}


def _full(mailer: Mailer, claimed: Claimed, opened: Opened) -> dict[str, Any]:
    link = mailer.petition_link(opened, claimed.locale or opened.petition.default_locale)
    return _title(mailer, claimed, opened) | {"link_petition": link}


def _thanks(mailer: Mailer, claimed: Claimed, opened: Opened) -> dict[str, Any]:
    return _full(mailer, claimed, opened) | {
        "count": max(opened.petition.count, 1),
        "goal": opened.petition.goal,
        "wants_updates": bool(claimed.wants_updates),
    }


CONTEXTS: dict[MessageKind, Builder] = {
    MessageKind.CONFIRMATION: _asking,
    MessageKind.REMINDER: _asking,
    MessageKind.ALREADY_SIGNED: _title,
    MessageKind.MAILBOX_FULL: _full,
    MessageKind.THANK_YOU: _thanks,
}
"""What each kind's templates are given, besides the slots."""
