"""Hooks: what a provider's webhook may send, and what becomes of it."""

import logging
from collections.abc import Mapping
from itertools import islice
from typing import Final

from campaign.feedback.events import Event, store
from campaign.feedback.providers import brevo, generic, mailgun, postal, postmark, sendgrid, ses
from campaign.feedback.providers.certificates import Certificates
from campaign.feedback.providers.hook import Call, Hook, TokenUses, Tools
from campaign.mail.verp import Names
from campaign.runtime import Runtime
from campaign.settings import Settings

log = logging.getLogger(__name__)

HOOKS: Final[Mapping[str, Hook]] = {
    module.HOOK.provider: module.HOOK for module in (ses, sendgrid, mailgun, postmark, brevo, postal, generic)
}
"""All hooks by the name in their address."""

SLICE: Final = 500
"""Events stored in one transaction."""


def hook_of(settings: Settings, provider: str) -> Hook | None:
    """A hook; None if it is unknown, or its key is not set."""
    hook = HOOKS.get(provider)
    return hook if hook is not None and hook.keys(settings) else None


def is_proven(runtime: Runtime, hook: Hook, call: Call, *, certificates: Certificates, tokens: TokenUses) -> bool:
    """True if a call is the provider's. Costs the database nothing.

    Raises:
        HookAwayError: it can't be known at the moment; the provider should tell it again.
    """
    tools = Tools(now=runtime.clock(), certificates=certificates, tokens=tokens)
    return hook.prove(call, hook.keys(runtime.settings), tools)


def receive(runtime: Runtime, hook: Hook, call: Call, *, certificates: Certificates) -> int:
    """Store what a proven call tells; returns how many events were new.

    Raises:
        HookAwayError: what the call asks for could not be done; the provider should ask again.
        StoreUnavailableError: not everything was stored; the provider should tell it again.
    """
    hook.shake_hands(call, certificates.fetch)
    events = iter(hook.read(call.body, Names.by(runtime), runtime.clock()))
    new = 0
    while part := list[Event](islice(events, SLICE)):
        new += store(runtime, hook.provider, part)
    return new
