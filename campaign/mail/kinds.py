"""The kinds of mail as data: lane, headers, and which names their templates may use.

The table follows RFC 8058 (one-click unsubscribe), RFC 2919 (List-Id), RFC 3834 (Auto-Submitted). No kind carries
``Precedence``: it is not a standard header, and Auto-Submitted says what it was used for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from campaign.states import Lane


class Unsubscribe(StrEnum):
    """When a kind carries List-Unsubscribe and List-Unsubscribe-Post."""

    NEVER = "never"
    WITH_UPDATES = "with updates"
    """Only if the template-level value ``wants_updates`` is true: then the mail invites to more mail."""
    ALWAYS = "always"


COMMON = frozenset(
    {"site_name", "base_url", "link_privacy", "postal_address", "locale", "direction", "is_test", "mail_subject"}
)
"""Names that every template may use; filled in by the composer from the sender and the kind."""

OWN_PAGE = frozenset({"name", "link_manage"})
_THANKS = frozenset({"wants_updates", "forget", "link_mine"})
BULK_SLOTS = frozenset({"name", "link_unsubscribe"})
"""Mail to many is forwarded: it holds no link that opens a person's data."""
UPDATE = frozenset(
    {"subject", "body_html", "body_text", "petition_title", "author_name", "count"}
    | {"link_petition", "link_update", "link_mine"}
)


@dataclass(frozen=True)
class MailKind:
    """One kind of mail.

    ``context`` are the names with one value per petition or blast; ``slots`` the names with one value per recipient.
    Names beginning with ``link_`` must be addresses on our own site.
    """

    name: str
    folder: str
    lane: Lane
    unsubscribe: Unsubscribe
    is_list: bool
    """Carries List-Id and Feedback-ID: mail to the followers of a petition."""
    auto_submitted: bool
    """Carries ``Auto-Submitted: auto-generated``: it was sent by an event; or auto-replied, if it answers a mail."""
    context: frozenset[str]
    slots: frozenset[str]
    is_test: bool = False
    is_discreet: bool = False
    """No header of it says what kind it is."""
    is_answer: bool = False
    """Answers a reply (RFC 3834): no program may answer it in turn."""


def _urgent(
    name: str, *, context: frozenset[str], slots: frozenset[str], unsubscribe: Unsubscribe = Unsubscribe.NEVER
) -> MailKind:
    return MailKind(
        name=name,
        folder=name,
        lane=Lane.URGENT,
        unsubscribe=unsubscribe,
        is_list=False,
        auto_submitted=True,
        context=context,
        slots=slots,
    )


def _bulk(name: str, *, auto_submitted: bool, context: frozenset[str]) -> MailKind:
    return MailKind(
        name=name,
        folder=name,
        lane=Lane.BULK,
        unsubscribe=Unsubscribe.ALWAYS,
        is_list=True,
        auto_submitted=auto_submitted,
        context=context,
        slots=BULK_SLOTS,
    )


DONE = ("reply_stopped", "reply_hidden", "reply_erased", "reply_refused")
"""What became of a command, or a code, in a reply."""
_DONE = frozenset({"done", "link_mine"})
_WHERE = frozenset({"petition_title", "link_petition", "contact"})
_FORWARDED = frozenset({"writer", "written", "quoted", "is_recipient", "is_cut", "has_attachments"})


def _done(name: str) -> MailKind:
    mail = _urgent(name, context=_DONE | {"petition_title"}, slots=frozenset())
    return replace(mail, folder="reply_done", is_answer=True)


KINDS: Mapping[str, MailKind] = {
    kind.name: kind
    for kind in (
        # Before the address is proved nothing that a signer typed is mailed: no name in these (name-field spam relay).
        _urgent(
            "confirmation",
            context=frozenset({"petition_title", "expiry_days", "link_code"}),
            slots=frozenset({"link_confirm", "code", "link_deny"}),
        ),
        _urgent(
            "reminder",
            context=frozenset({"petition_title", "expiry_days", "link_code"}),
            slots=frozenset({"link_confirm", "code", "link_deny"}),
        ),
        _urgent("already_signed", context=frozenset({"petition_title"}), slots=frozenset({"link_manage"})),
        _urgent("mailbox_full", context=frozenset({"petition_title", "link_petition"}), slots=frozenset()),
        _urgent(
            "thank_you",
            context=frozenset({"petition_title", "count", "goal", "link_petition", "is_open"}) | _THANKS,
            slots=OWN_PAGE | {"link_unsubscribe"},
            unsubscribe=Unsubscribe.WITH_UPDATES,
        ),
        _bulk(
            "milestone",
            auto_submitted=True,
            context=frozenset(
                {
                    "petition_title",
                    "author_name",
                    "count",
                    "threshold",
                    "goal",
                    "body_html",
                    "body_text",
                    "link_petition",
                    "link_mine",
                }
            ),
        ),
        _bulk("update", auto_submitted=False, context=UPDATE),
        # An organiser's test of an update, to themselves: the same words, but no list mail: nobody subscribed.
        MailKind(
            name="test",
            folder="update",
            lane=Lane.URGENT,
            unsubscribe=Unsubscribe.NEVER,
            is_list=False,
            auto_submitted=True,
            context=UPDATE,
            slots=BULK_SLOTS,
            is_test=True,
        ),
        # To an address that is not proved yet, and to the one before.
        _urgent("address_check", context=frozenset({"petition_title", "valid_hours"}), slots=frozenset({"link_move"})),
        _urgent(
            "address_changed", context=frozenset({"petition_title", "undo_days"}), slots=frozenset({"link_move_back"})
        ),
        # Of petitions in discreet mode alone, so its words tell nothing.
        replace(
            _urgent("own_code", context=frozenset({"valid_minutes"}), slots=frozenset({"own_code"})),
            folder="discreet/own_code",
            is_discreet=True,
        ),
        # To where a petition's replies go: what was written, as text.
        _urgent("reply_forwarded", context=_FORWARDED | {"petition_title"}, slots=frozenset()),
        replace(
            _urgent(
                "reply_where", context=frozenset({"petition_title", "link_petition", "contact"}), slots=frozenset()
            ),
            is_answer=True,
        ),
        *(_done(name) for name in DONE),
        _urgent("my_signatures", context=frozenset({"signatures", "valid_minutes"}), slots=frozenset()),
        _urgent("sign_in", context=frozenset({"valid_minutes"}), slots=frozenset({"link_sign_in"})),
        _urgent(
            "admin_alert", context=frozenset({"sentences", "link_monitor", "is_blast", "is_admin"}), slots=frozenset()
        ),
    )
}


def _discreet(name: str, folder: str, *, context: frozenset[str], slots: frozenset[str]) -> MailKind:
    return replace(KINDS[name], folder=f"discreet/{folder}", context=context, slots=slots, is_discreet=True)


_ASKING = frozenset({"link_confirm", "code", "link_deny"})
_NEWS = frozenset({"link_news"})
_STOP = frozenset({"link_unsubscribe"})

DISCREET: Mapping[str, MailKind] = {
    kind.name: kind
    for kind in (
        KINDS["own_code"],
        _discreet("confirmation", "asking", context=frozenset({"expiry_days"}), slots=_ASKING),
        _discreet("reminder", "asking", context=frozenset({"expiry_days"}), slots=_ASKING),
        _discreet("already_signed", "already_signed", context=frozenset(), slots=frozenset({"link_manage"})),
        _discreet("mailbox_full", "mailbox_full", context=frozenset(), slots=frozenset()),
        _discreet("thank_you", "thank_you", context=_THANKS, slots=frozenset({"link_manage"}) | _STOP),
        _discreet("address_check", "address_check", context=frozenset({"valid_hours"}), slots=frozenset({"link_move"})),
        _discreet(
            "address_changed", "address_changed", context=frozenset({"undo_days"}), slots=frozenset({"link_move_back"})
        ),
        _discreet(
            "my_signatures", "my_signatures", context=frozenset({"signatures", "valid_minutes"}), slots=frozenset()
        ),
        _discreet("reply_forwarded", "reply_forwarded", context=_FORWARDED, slots=frozenset()),
        _discreet("reply_where", "reply_where", context=frozenset(), slots=frozenset()),
        *(_discreet(name, "reply_done", context=_DONE, slots=frozenset()) for name in DONE),
        _discreet("milestone", "news", context=_NEWS, slots=_STOP),
        _discreet("update", "news", context=_NEWS, slots=_STOP),
        _discreet("test", "news", context=_NEWS, slots=_STOP),
    )
}
"""The kinds as a petition in discreet mode sends them: no name in their templates tells the petition."""
