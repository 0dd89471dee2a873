"""Where a message goes: the address of its signature or account, opened for as long as it is needed."""

from dataclasses import dataclass, field

from campaign.accounts import addresses
from campaign.accounts.addresses import RuleError
from campaign.delivery.groups import ELSEWHERE
from campaign.delivery.materials import Materials
from campaign.errors import CountersignError, MailValueError
from campaign.mail.addresses import WireAddress, wire_address
from campaign.outbox.claimed import Claimed
from campaign.runtime import Runtime
from campaign.signatures import queries as signature_queries


class NoAddressError(CountersignError):
    """Raised when the recipient's address was erased; the message ends, nothing is wrong."""


@dataclass(slots=True)  # not frozen: one is made per message
class Recipient:
    """Where a message goes, in clear; lives only while it is composed."""

    name: str = field(repr=False)
    wire: WireAddress = field(repr=False)
    address_key: bytes = field(repr=False)
    other_key: bytes | None = field(default=None, repr=False)
    """At Gmail, the key that suppressions have from a time when ``gmail_rules`` was set otherwise."""


def recipient_of(runtime: Runtime, message: Claimed, materials: Materials) -> Recipient:
    """Decrypt where a message goes.

    Raises:
        NoAddressError: the address was erased meanwhile, or the account is disabled.
        CountersignError: the address can't be opened or mailed; this message alone fails.
    """
    if message.account_id is not None:
        account = materials.accounts.get(message.account_id)
        if account is None:
            raise NoAddressError("the account is disabled")
        return _recipient(runtime, account.name, account.email)
    opened = materials.petitions.get(message.petition_id or 0)
    if message.signature_id is None or opened is None or opened.key is None:
        raise NoAddressError("the recipient was erased")
    if message.kind in ELSEWHERE:
        typed = materials.elsewhere.get(message.id)
    else:
        typed = signature_queries.open_field(opened.key, message.signature_id, "address", message.address)
    if typed is None:
        raise NoAddressError("the recipient was erased")
    name = signature_queries.open_field(opened.key, message.signature_id, "name", message.name) or ""
    return _recipient(runtime, name, typed)


def _recipient(runtime: Runtime, name: str, typed: str) -> Recipient:
    rules, key = runtime.settings.gmail_rules, runtime.secrets.address_key
    try:
        canonical = addresses.canonical(typed, gmail_rules=rules)
        if canonical.endswith(("@gmail.com", "@googlemail.com")):
            other = addresses.canonical(typed, gmail_rules=not rules)
            return Recipient(name, wire_address(typed), key(canonical), key(other))
    except RuleError as broken:
        # It passed the rules of the day when it was typed.
        raise MailValueError({"address": broken.code}) from None
    return Recipient(name, wire_address(typed), key(canonical))
