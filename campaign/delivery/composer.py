"""From a claimed message to an envelope: who gets it, in which language, with which links."""

from collections.abc import Callable
from datetime import datetime

from campaign import i18n
from campaign.blasts.text_failures import TextFailure, version_of
from campaign.delivery.contexts import CONTEXTS, DISCREET_CONTEXTS, MessageContext
from campaign.delivery.groups import NOT_ABOUT_A_PETITION, ONE_READER
from campaign.delivery.materials import Materials
from campaign.delivery.recipients import Recipient, recipient_of
from campaign.errors import CountersignError, MailTemplateError
from campaign.mail.addresses import is_wire_address, wire_address
from campaign.mail.compiled import CompiledMail, LinkMaker, OwnLink
from campaign.mail.compose import ListIdentity, Sender, TemplateCompiler
from campaign.mail.dkim import Signer, load_key
from campaign.mail.kinds import DISCREET, KINDS
from campaign.mail.slots import Slots
from campaign.mail.verp import Names
from campaign.outbox.claimed import Claimed
from campaign.petitions.petitions import Opened, reply_address
from campaign.runtime import Runtime
from campaign.security.encryption import keyed_hash
from campaign.security.tokens import Purpose
from campaign.settings import Settings
from campaign.signatures import own_codes
from campaign.signatures.codes import code_for
from campaign.site.current import site_of
from campaign.smtp.transport import Envelope
from campaign.states import MessageKind
from campaign.ttl_cache import TTLCache
from campaign.variables import ROOT

COMPILED_LIFE = 10.0
"""Seconds for which a compiled mail is used again: it may show the count, or the sender's name, of when it was made."""

MAX_COMPILED = 500


BROKEN = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What the libraries that make a mail raise for a text that they can't bear; a RecursionError is a RuntimeError."""


class FailedTextError(CountersignError):
    """Raised when no mail can be made of a text of an update, for any of its recipients; carries which text it is."""

    def __init__(self, failure: TextFailure) -> None:
        self.failure = failure
        super().__init__(failure.reason)


_Maker = Callable[[Claimed, Materials, Recipient], str | OwnLink]


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
    )
    return Signer.create(rsa, second)


def discreet_name(settings: Settings, locale: str) -> str:
    """The neutral name in From and List-Id of a petition in discreet mode."""
    return settings.discreet_name or i18n.translations(locale).gettext("Notification")


class Composer:
    """Composes messages; keeps what is the same for many recipients compiled."""

    def __init__(self, runtime: Runtime, *, signer: Signer | None = None) -> None:
        self.runtime = runtime
        self.signer = signer if signer is not None else load_signer(runtime.settings)
        self.compiler = TemplateCompiler(ROOT / "templates" / "email")
        self._compiled = TTLCache(COMPILED_LIFE, max_entries=MAX_COMPILED)
        # Of one batch: which compiled form a blast has in a language.
        self._batch: tuple[Materials | None, dict[tuple[int, str | None], CompiledMail | TextFailure]] = (None, {})
        self._names = Names.by(runtime)
        # The tokens of confirming and preferences.
        self._manage_token = runtime.tokens.issuer(Purpose.MANAGE)
        self._unsubscribe_token = runtime.tokens.issuer(Purpose.UNSUBSCRIBE)
        self._confirm_token = runtime.tokens.issuer(Purpose.CONFIRM)
        base = runtime.settings.base_url
        self._confirm_link, self._manage_link = LinkMaker(f"{base}/c/"), LinkMaker(f"{base}/me/")
        self._unsubscribe_link = LinkMaker(f"{base}/u/")
        # A value is made only for mails that show it.
        self._makers: dict[str, _Maker] = {
            "name": lambda _message, _materials, recipient: recipient.name,
            "link_confirm": lambda message, _materials, _recipient: self._confirm(message),
            "link_deny": lambda message, _materials, _recipient: self._deny(message),
            "code": lambda message, _materials, _recipient: self._code(message),
            "own_code": lambda message, _materials, _recipient: self._own_code(message),
            "link_manage": lambda message, _materials, _recipient: self._manage(message),
            "link_unsubscribe": lambda message, _materials, _recipient: self._unsubscribe(message),
            "link_move": lambda message, materials, _recipient: materials.links[message.id],
            "link_move_back": lambda message, materials, _recipient: materials.links[message.id],
            "link_sign_in": lambda message, materials, _recipient: self._sign_in(message, materials),
        }

    def recipient(self, message: Claimed, materials: Materials) -> Recipient:
        """See :func:`~campaign.delivery.recipients.recipient_of`."""
        return recipient_of(self.runtime, message, materials)

    def compose(
        self,
        message: Claimed,
        materials: Materials,
        recipient: Recipient,
        *,
        compiled: CompiledMail | None = None,
        at: datetime | None = None,
    ) -> Envelope:
        """The envelope of a message: signed bytes for one recipient.

        Args:
            message: what to send.
            materials: what it is about.
            recipient: who gets it.
            compiled: its compiled form, if it must not be the remembered one (previews of unsaved texts).
            at: the present moment, if it is known: for the Date header.

        Raises:
            FailedTextError: the text of its update can't be rendered, for anyone.
            CountersignError: the message can't be rendered; it alone fails.
        """
        compiled = compiled or self._compiled_in_batch(message, materials)
        try:
            return self._filled(message, materials, recipient, compiled, at or self.runtime.clock())
        except BROKEN as error:
            raise MailTemplateError(f"The mail can't be filled in: {type(error).__name__}.") from error

    def _filled(
        self, message: Claimed, materials: Materials, recipient: Recipient, compiled: CompiledMail, at: datetime
    ) -> Envelope:
        message_id, sender = self._names.of(message.id)
        values = {name: self._makers[name](message, materials, recipient) for name in compiled.names}
        one_click = None
        if compiled.needs_list_unsubscribe:
            one_click = values.get("link_unsubscribe") or self._unsubscribe(message)
        data = compiled.fill(
            values,
            to=recipient.wire,
            message_id=message_id,
            date=at,
            list_unsubscribe=one_click,
            reply_to=self._reply_to(message, materials),
            signer=self.signer,
        )
        return Envelope(message.id, sender, recipient.wire.address, data, utf8=recipient.wire.utf8)

    def _reply_to(self, message: Claimed, materials: Materials) -> str | None:
        """Where replies go: those of signers to us, if we read them, and else to the organisers' own address."""
        if message.kind is MessageKind.REPLY_FORWARDED:
            letter = materials.replies.get(message.id)
            return letter.writer if letter is not None and is_wire_address(letter.writer) else None
        if message.signature_id is None:
            return None
        if self.runtime.settings.return_mailbox_url:
            return self._names.reply_address(message.id)
        opened = materials.petitions.get(message.petition_id or 0)
        if opened is None or opened.petition.reply_to is None or opened.petition.discreet:
            # In discreet mode the address would tell who is behind the petition.
            return None
        address = wire_address(reply_address(self.runtime, opened.petition.id, opened.petition.reply_to))
        return None if address.utf8 else address.address

    def _confirm(self, message: Claimed) -> str | OwnLink:
        return self._confirm_link(self._confirm_token(message.signature_id or 0, message.nonce or b""))

    def _deny(self, message: Claimed) -> str | OwnLink:
        return self._confirm_link(self._confirm_token(message.signature_id or 0, message.nonce or b"") + b"/decline")

    def _own_code(self, message: Claimed) -> str:
        return own_codes.code_for(self.runtime, message.signature_id or 0, message.nonce or b"", message.id)

    def _manage(self, message: Claimed) -> str | OwnLink:
        return self._manage_link(self._manage_token(message.signature_id or 0, message.nonce or b""))

    def _unsubscribe(self, message: Claimed) -> str | OwnLink:
        return self._unsubscribe_link(self._unsubscribe_token(message.signature_id or 0))

    def _sign_in(self, message: Claimed, materials: Materials) -> str:
        return materials.links.get(message.id, f"{self.runtime.settings.base_url}/sign-in")

    def _code(self, message: Claimed) -> str:
        return code_for(self.runtime, message.signature_id or 0, message.nonce or b"")

    def _compiled_in_batch(self, message: Claimed, materials: Materials) -> CompiledMail:
        if message.blast_id is None:
            return self.compiled(message, materials)
        batch, known = self._batch
        if batch is not materials:
            known = {}
            self._batch = (materials, known)
        # Within a batch the blast and the language say it all, for a blast has one kind and one petition.
        compiled = known.get((message.blast_id, message.locale))
        if compiled is None:
            compiled = known[message.blast_id, message.locale] = self._tried(message, materials)
        if isinstance(compiled, TextFailure):
            raise FailedTextError(compiled)
        return compiled

    def _tried(self, message: Claimed, materials: Materials) -> CompiledMail | TextFailure:
        """The compiled form, or why there is none: found out once for an update, a version and a language."""
        blast, locale = materials.blast_of(message), self._locale(message, materials)
        version = version_of(*blast.text_for(locale, materials.petition_of(message).petition.default_locale))
        before = blast.failures.get(locale)
        if before is not None and before.version == version:
            return before
        try:
            return self.compiled(message, materials)
        except CountersignError as error:
            return TextFailure(blast.blast.id, locale, version, str(error)[:200])

    def compiled(self, message: Claimed, materials: Materials) -> CompiledMail:
        """The compiled form of a message's kind, petition, blast and language; used for many.

        Raises:
            CountersignError: the templates or the organiser's text can't be compiled.
        """
        if message.kind in ONE_READER:
            return self.compile(message, materials)
        locale = self._locale(message, materials)
        opened = None if message.kind in NOT_ABOUT_A_PETITION else materials.petition_of(message)
        key = (
            message.kind,
            locale,
            message.blast_id or message.about_id,
            (message.wants_updates, message.forget),
            message.account_id,
            None if opened is None else (opened.text_for(locale).id, opened.petition.discreet),
            site_of(self.runtime).letterhead,
        )
        return self._compiled.get(key, lambda: self.compile(message, materials))

    def compile(self, message: Claimed, materials: Materials) -> CompiledMail:
        """The compiled form, made anew and remembered nowhere.

        Raises:
            CountersignError: the templates or the organiser's text can't be compiled.
        """
        try:
            return self._compile(message, materials)
        except BROKEN as error:
            raise MailTemplateError(f"The mail can't be made: {type(error).__name__}.") from error

    def _compile(self, message: Claimed, materials: Materials) -> CompiledMail:
        locale = self._locale(message, materials)
        opened = None if message.kind in NOT_ABOUT_A_PETITION else materials.petition_of(message)
        if message.kind not in CONTEXTS:
            raise MailTemplateError(f"No mail of the kind {message.kind} is written yet.")
        discreet = MessageContext(self.runtime, message, materials, locale, Slots.create(())).is_discreet
        kind = (DISCREET if discreet else KINDS)[str(message.kind)]
        slots = Slots.create(kind.slots)
        letter = MessageContext(self.runtime, message, materials, locale, slots)
        return self.compiler.compile(
            kind.name,
            locale=locale,
            sender=self._sender(opened, locale, discreet=discreet),
            context=(DISCREET_CONTEXTS if discreet else CONTEXTS)[message.kind](letter),
            slots=slots,
            list_identity=self._identity(letter) if kind.is_list else None,
            discreet=discreet,
        )

    def _locale(self, message: Claimed, materials: Materials) -> str:
        account = materials.accounts.get(message.account_id or 0)
        if account is not None:
            return account.locale
        letter = materials.replies.get(message.id)
        if letter is not None:
            return letter.locale
        return message.locale or materials.petition_of(message).petition.default_locale

    def _sender(self, opened: Opened | None, locale: str, *, discreet: bool) -> Sender:
        settings = self.runtime.settings
        if discreet:
            neutral = discreet_name(settings, locale)
            return Sender(
                address=settings.discreet_from or settings.mail_from,
                name=neutral,
                site_name=neutral,
                base_url=settings.base_url,
                link_privacy=f"{settings.base_url}/privacy?lang={locale}",
            )
        site = site_of(self.runtime).settings
        return Sender(
            address=settings.mail_from,
            name=(opened.petition.sender_name if opened else "") or site.site_name,
            site_name=site.site_name,
            base_url=settings.base_url,
            link_privacy=f"{settings.base_url}/privacy?lang={locale}",
            postal_address=site.postal_address,
        )

    def _identity(self, letter: MessageContext) -> ListIdentity:
        # Opaque and stable: a keyed hash of the petition's id says nothing and never changes (RFC 2919 section 2).
        petition_id = letter.opened.petition.id
        opaque = keyed_hash(self.runtime.secrets.message_id, f"list.{petition_id}").hex()[:12]
        list_id = f"{opaque}.lists.{self.runtime.settings.mail_domain}"
        if letter.is_discreet:
            # Nothing that names this program, the kind, or the petition by its number.
            sender_id = keyed_hash(self.runtime.secrets.message_id, "sender").hex()[:12]
            return ListIdentity(discreet_name(self.runtime.settings, letter.locale), list_id, (opaque,), sender_id)
        blast = letter.materials.blast_of(letter.message).blast
        return ListIdentity(
            list_name=letter.opened.text_for(letter.locale).title,
            list_id=list_id,
            campaign_ids=(f"b{blast.id}", f"p{petition_id}", str(blast.kind)),
            sender_id="countersign",
        )
