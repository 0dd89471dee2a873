"""What each kind of mail says: its context for the templates, from the rows it is about."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from zoneinfo import ZoneInfo

from campaign.accounts import sign_in
from campaign.accounts.accounts import Role
from campaign.blasts import merge_tags
from campaign.delivery.materials import Materials
from campaign.errors import MailTemplateError, NotFoundError
from campaign.i18n import format_number
from campaign.mail.slots import Slots
from campaign.mail.templates import to_text
from campaign.operations import alerts as operations_alerts
from campaign.outbox.claimed import Claimed
from campaign.petitions.markdown import is_over_limits, to_html
from campaign.petitions.petitions import Opened
from campaign.petitions.rules import next_goal
from campaign.runtime import Runtime
from campaign.security.tokens import Purpose
from campaign.signatures import confirming, moving, own_links
from campaign.site.current import site_of
from campaign.states import MessageKind, PetitionState

DONE: Final = {
    MessageKind.REPLY_STOPPED: "stopped",
    MessageKind.REPLY_HIDDEN: "hidden",
    MessageKind.REPLY_ERASED: "erased",
    MessageKind.REPLY_REFUSED: "refused",
}


@dataclass(frozen=True)
class MessageContext:
    """A message with its language and materials, about to be compiled."""

    runtime: Runtime
    message: Claimed
    materials: Materials
    locale: str
    slots: Slots

    @property
    def opened(self) -> Opened:
        """The petition of the message."""
        return self.materials.petition_of(self.message)

    @property
    def link_petition(self) -> str:
        """The public address of the petition, in the reader's language."""
        return f"{self.runtime.settings.base_url}/p/{self.opened.petition.slug}?lang={self.locale}"

    @property
    def link_mine(self) -> str:
        """The page that mails private links to signatures: the same for everybody."""
        return f"{self.runtime.settings.base_url}/mine?lang={self.locale}"

    @property
    def is_discreet(self) -> bool:
        """True if the message is about a petition in discreet mode, or lists one."""
        listed = (opened for opened, _ in self.materials.mine.get(self.message.id, ()))
        about = self.materials.petitions.get(self.message.petition_id or 0)
        return any(opened is not None and opened.petition.discreet for opened in (about, *listed))


def _title(letter: MessageContext) -> dict[str, Any]:
    return {"petition_title": letter.opened.text_for(letter.locale).title}


def _asking(letter: MessageContext) -> dict[str, Any]:
    link = f"{letter.runtime.settings.base_url}/p/{letter.opened.petition.slug}/code?lang={letter.locale}"
    return _title(letter) | {"expiry_days": letter.runtime.settings.confirm_days, "link_code": link}


def _full(letter: MessageContext) -> dict[str, Any]:
    return _title(letter) | {"link_petition": letter.link_petition}


def _thanks(letter: MessageContext) -> dict[str, Any]:
    return (
        _full(letter)
        | {
            "count": max(letter.opened.petition.count, 1),
            "goal": letter.opened.petition.goal,
            "is_open": letter.opened.petition.state is PetitionState.LIVE,
        }
        | _discreet_thanks(letter)
    )


def _discreet_thanks(letter: MessageContext) -> dict[str, Any]:
    chosen = {"wants_updates": bool(letter.message.wants_updates), "forget": bool(letter.message.forget)}
    return chosen | {"link_mine": letter.link_mine}


def _merged(letter: MessageContext, text: str, *, escape: bool) -> str:
    opened, blast = letter.opened, letter.materials.blast_of(letter.message).blast
    shown = opened.petition.count if blast.count_at_start is None else blast.count_at_start
    values = {
        "count": format_number(shown, letter.locale),
        "goal": format_number(opened.petition.goal, letter.locale),
        "petition": opened.text_for(letter.locale).title,
        "link": letter.link_petition,
        "own page": letter.link_mine,
    }

    def value(tag: str) -> str:
        if tag in merge_tags.PER_RECIPIENT:
            return letter.slots[merge_tags.PER_RECIPIENT[tag]]
        plain = values[tag]
        return merge_tags.escaped(plain) if escape and tag not in merge_tags.LINKS else plain

    return merge_tags.merge(text, value)


def _blast_body(letter: MessageContext) -> tuple[str, str, str]:
    default = letter.opened.petition.default_locale
    subject, markdown = letter.materials.blast_of(letter.message).text_for(letter.locale, default)
    if merge_tags.problems(markdown) or is_over_limits(markdown):
        raise MailTemplateError("The text has a placeholder that can't be filled, or markup over the limits.")
    tokens = {letter.slots[name] for name in letter.slots.names if name.startswith("link_")}
    merged = _merged(letter, markdown, escape=True)
    return _merged(letter, subject, escape=False), to_html(merged, own_links=tokens), to_text(merged, own_links=tokens)


def _author(letter: MessageContext) -> str:
    return letter.opened.petition.author


def _update(letter: MessageContext) -> dict[str, Any]:
    subject, html, text = _blast_body(letter)
    blast = letter.materials.blast_of(letter.message).blast
    base = f"{letter.runtime.settings.base_url}/p/{letter.opened.petition.slug}/updates/{blast.id}"
    return _full(letter) | {
        "subject": subject,
        "body_html": html,
        "body_text": text,
        "author_name": _author(letter),
        "count": letter.opened.petition.count if blast.count_at_start is None else blast.count_at_start,
        "link_update": f"{base}?lang={letter.locale}",
        "link_mine": letter.link_mine,
    }


def _milestone(letter: MessageContext) -> dict[str, Any]:
    _, html, text = _blast_body(letter)
    blast = letter.materials.blast_of(letter.message).blast
    petition = letter.opened.petition
    reached = max(blast.count_at_start or petition.count, blast.threshold or 0)
    return _full(letter) | {
        "author_name": _author(letter),
        "threshold": blast.threshold or 0,
        "count": reached,
        "goal": next_goal(reached, fixed=petition.fixed_goal),
        "body_html": html,
        "body_text": text,
        "link_mine": letter.link_mine,
    }


def _sign_in(_letter: MessageContext) -> dict[str, Any]:
    return {"valid_minutes": int(sign_in.LINK_LIFE.total_seconds() // 60)}


def _address_check(letter: MessageContext) -> dict[str, Any]:
    return _title(letter) | _discreet_check(letter)


def _address_changed(letter: MessageContext) -> dict[str, Any]:
    return _title(letter) | _discreet_changed(letter)


def _own_code(_letter: MessageContext) -> dict[str, Any]:
    return {"valid_minutes": int(own_links.LIFE.total_seconds() // 60)}


def _my_signatures(letter: MessageContext) -> dict[str, Any]:
    runtime = letter.runtime
    private = own_links.private_link(runtime)
    return {
        "signatures": [
            {
                "title": opened.text_for(letter.locale).title,
                "state": str(one.state),
                "link_own": private(one.id, one.nonce),
                "link_confirm": confirming.link_if_open(runtime, opened, one),
            }
            for opened, one in letter.materials.mine.get(letter.message.id, ())
        ],
        "valid_minutes": int(own_links.LIFE.total_seconds() // 60),
    }


def _admin_alert(letter: MessageContext) -> dict[str, Any]:
    alert = letter.materials.alerts.get(letter.message.about_id or 0)
    account = letter.materials.accounts.get(letter.message.account_id or 0)
    if alert is None or account is None:
        raise NotFoundError("the message is about no alert")
    return {
        "sentences": operations_alerts.sentences(alert, letter.locale, zone=ZoneInfo(account.time_zone)),
        "link_monitor": _place_of(letter, alert),
        "is_blast": alert.blast_id is not None,
        "is_admin": account.role is Role.ADMIN,
    }


def _place_of(letter: MessageContext, alert: operations_alerts.Alert) -> str:
    base, locale = letter.runtime.settings.base_url, letter.locale
    if alert.blast_id is None:
        return f"{base}/admin?lang={locale}"
    return f"{base}/organiser/p/{alert.slug}/updates/{alert.blast_id}?lang={locale}"


def _done(what: str) -> Callable[[MessageContext], dict[str, Any]]:
    return lambda letter: _title(letter) | _discreet_done(what)(letter)


def _discreet_done(what: str) -> Callable[[MessageContext], dict[str, Any]]:
    return lambda letter: {"done": what, "link_mine": letter.link_mine}


def _forwarded(letter: MessageContext) -> dict[str, Any]:
    return _title(letter) | _discreet_forwarded(letter)


def _discreet_forwarded(letter: MessageContext) -> dict[str, Any]:
    reply = letter.materials.replies.get(letter.message.id)
    if reply is None:
        raise NotFoundError("the reply was sent, or erased")
    return {
        "writer": reply.writer,
        "written": reply.written,
        "quoted": "\n".join(f"> {line}" for line in reply.written.split("\n")),
        "is_recipient": reply.is_recipient,
        "is_cut": reply.is_cut,
        "has_attachments": reply.has_attachments,
    }


def _where(letter: MessageContext) -> dict[str, Any]:
    return _full(letter) | {"contact": site_of(letter.runtime).settings.contact}


CONTEXTS: Mapping[MessageKind, Callable[[MessageContext], Mapping[str, Any]]] = {
    MessageKind.REPLY_FORWARDED: _forwarded,
    MessageKind.REPLY_WHERE: _where,
    **{kind: _done(what) for kind, what in DONE.items()},
    MessageKind.CONFIRMATION: _asking,
    MessageKind.REMINDER: _asking,
    MessageKind.ALREADY_SIGNED: _title,
    MessageKind.MAILBOX_FULL: _full,
    MessageKind.THANK_YOU: _thanks,
    MessageKind.MILESTONE: _milestone,
    MessageKind.UPDATE: _update,
    MessageKind.TEST: _update,
    MessageKind.SIGN_IN: _sign_in,
    MessageKind.ADMIN_ALERT: _admin_alert,
    MessageKind.MY_SIGNATURES: _my_signatures,
    MessageKind.OWN_CODE: _own_code,
    MessageKind.ADDRESS_CHECK: _address_check,
    MessageKind.ADDRESS_CHANGED: _address_changed,
}
"""What each kind's templates are given, besides the slots."""


def _news(letter: MessageContext) -> dict[str, Any]:
    blast = letter.materials.blast_of(letter.message).blast
    token = letter.runtime.tokens.issue(Purpose.NEWS, max(blast.id, 0))
    return {"link_news": f"{letter.runtime.settings.base_url}/n/{token}?lang={letter.locale}"}


def _discreet_asking(letter: MessageContext) -> dict[str, Any]:
    return {"expiry_days": letter.runtime.settings.confirm_days}


def _discreet_check(_letter: MessageContext) -> dict[str, Any]:
    return {"valid_hours": int(moving.LIFE.total_seconds() // 3600)}


def _discreet_changed(_letter: MessageContext) -> dict[str, Any]:
    return {"undo_days": moving.UNDO.days}


DISCREET_CONTEXTS: Mapping[MessageKind, Callable[[MessageContext], Mapping[str, Any]]] = {
    MessageKind.REPLY_FORWARDED: _discreet_forwarded,
    MessageKind.REPLY_WHERE: lambda _letter: {},
    **{kind: _discreet_done(what) for kind, what in DONE.items()},
    MessageKind.CONFIRMATION: _discreet_asking,
    MessageKind.REMINDER: _discreet_asking,
    MessageKind.ALREADY_SIGNED: lambda _letter: {},
    MessageKind.MAILBOX_FULL: lambda _letter: {},
    MessageKind.THANK_YOU: _discreet_thanks,
    MessageKind.MY_SIGNATURES: _my_signatures,
    MessageKind.OWN_CODE: _own_code,
    MessageKind.ADDRESS_CHECK: _discreet_check,
    MessageKind.ADDRESS_CHANGED: _discreet_changed,
    MessageKind.MILESTONE: _news,
    MessageKind.UPDATE: _news,
    MessageKind.TEST: _news,
}
"""The same for a petition in discreet mode: nothing in them tells the petition."""
