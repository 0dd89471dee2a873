"""States and the moves between them. Each odd move has a sentence."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, Literal


class PetitionState(StrEnum):
    """Life of a petition."""

    DRAFT = "draft"
    LIVE = "live"
    CLOSED = "closed"


class RequestKind(StrEnum):
    """What a form that mails something asked for."""

    SIGNATURE = "signature"
    RESEND = "resend"
    SIGN_IN = "sign_in"
    MINE = "mine"


class RequestState(StrEnum):
    """Life of a request: written down by the web, decided by a worker, deleted a day later."""

    ASKED = "asked"
    ADMITTED = "admitted"
    REFUSED = "refused"


class SignatureState(StrEnum):
    """Life of a signature; only ``confirmed`` counts."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    REMOVED = "removed"


class BulkActState(StrEnum):
    """Life of an act on many rows; a worker carries out one that waits or runs, slice by slice."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"


class MessageState(StrEnum):
    """Life of one mail to one recipient; the outbox and the ledger."""

    PLANNED = "planned"
    CLAIMED = "claimed"
    SUBMITTING = "submitting"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNCERTAIN = "uncertain"
    SUPPRESSED = "suppressed"
    CANCELLED = "cancelled"


class LimitKind(StrEnum):
    """What a relay may limit."""

    SESSION = "session"
    """Messages in one session."""
    CONNECTIONS = "connections"
    """Connections at once, of all processes together."""
    RATE = "rate"
    """Mails a second, of all processes together."""


class Lane(StrEnum):
    """Which workers send a message: bulk can never hold up urgent."""

    URGENT = "urgent"
    BULK = "bulk"


REQUESTS: Final = "requests"
"""What workers are woken for when the web has stored a request."""

ACTS: Final = "acts"
"""What workers are woken for when an act on many rows is begun."""

WakeUp = Lane | Literal["requests", "acts"]
"""What a commit leaves for the workers: mail in a lane, requests to admit, or acts on many rows to carry out."""


class MessageKind(StrEnum):
    """What a mail is for; each kind has a folder under templates/email/."""

    CONFIRMATION = "confirmation"
    REMINDER = "reminder"
    ALREADY_SIGNED = "already_signed"
    MAILBOX_FULL = "mailbox_full"
    THANK_YOU = "thank_you"
    MILESTONE = "milestone"
    UPDATE = "update"
    TEST = "test"
    SIGN_IN = "sign_in"
    ADMIN_ALERT = "admin_alert"
    MY_SIGNATURES = "my_signatures"
    OWN_CODE = "own_code"
    ADDRESS_CHECK = "address_check"
    ADDRESS_CHANGED = "address_changed"
    REPLY_FORWARDED = "reply_forwarded"
    REPLY_WHERE = "reply_where"
    REPLY_STOPPED = "reply_stopped"
    REPLY_HIDDEN = "reply_hidden"
    REPLY_ERASED = "reply_erased"
    REPLY_REFUSED = "reply_refused"


class EventKind(StrEnum):
    """What a provider or a returned mail tells of a message: django-anymail's vocabulary, without opens and clicks.

    Each provider's own words are mapped to these by a table in ``campaign/feedback/providers/``.
    """

    QUEUED = "queued"
    """The provider has it and has not sent it yet."""
    SENT = "sent"
    """The provider, or a server on the way, has passed it on."""
    DEFERRED = "deferred"
    """The recipient's server asks to try later; the provider does."""
    DELIVERED = "delivered"
    """The recipient's server took it."""
    BOUNCED = "bounced"
    """The recipient's server refused it, or it could not be delivered in time."""
    REJECTED = "rejected"
    """The provider did not try: it suppresses the address itself."""
    FAILED = "failed"
    """The provider could not send it, for a reason that is not the recipient's."""
    COMPLAINED = "complained"
    """The recipient marked it as spam."""
    UNSUBSCRIBED = "unsubscribed"
    """The recipient unsubscribed through the provider."""
    AUTORESPONDED = "autoresponded"
    """A program answered: out of office, a receipt."""
    REPLIED = "replied"
    """The recipient wrote back."""
    UNKNOWN = "unknown"
    """Nothing that can be read."""


LOST_KINDS = frozenset({EventKind.BOUNCED, EventKind.REJECTED, EventKind.FAILED, EventKind.COMPLAINED})
"""Events that count against the update, or the lane, that they are of."""


class CameBack(StrEnum):
    """What is known of an accepted message since, the weakest first; it never goes back to an earlier one."""

    DEFERRED = "deferred"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    COMPLAINED = "complained"


PETITION_MOVES: Mapping[PetitionState, frozenset[PetitionState]] = {
    PetitionState.DRAFT: frozenset({PetitionState.LIVE}),
    PetitionState.LIVE: frozenset({PetitionState.CLOSED}),
    # A petition closed by mistake may be opened again; retention counts from the last closing.
    PetitionState.CLOSED: frozenset({PetitionState.LIVE}),
}

REQUEST_MOVES: Mapping[RequestState, frozenset[RequestState]] = {
    RequestState.ASKED: frozenset({RequestState.ADMITTED, RequestState.REFUSED}),
    RequestState.ADMITTED: frozenset(),
    # What the allowance of a mailbox did not permit may be asked for again on the page that followed it.
    RequestState.REFUSED: frozenset({RequestState.ADMITTED}),
}

SIGNATURE_MOVES: Mapping[SignatureState, frozenset[SignatureState]] = {
    SignatureState.PENDING: frozenset({SignatureState.CONFIRMED, SignatureState.EXPIRED}),
    SignatureState.CONFIRMED: frozenset({SignatureState.WITHDRAWN, SignatureState.REMOVED}),
    # An admin may undo a removal: the signature counts again, its milestone does not repeat.
    SignatureState.REMOVED: frozenset({SignatureState.CONFIRMED}),
    # Signing again after a withdrawal makes a new row; the old one stays as it is.
    SignatureState.WITHDRAWN: frozenset(),
    SignatureState.EXPIRED: frozenset(),
}

BULK_ACT_MOVES: Mapping[BulkActState, frozenset[BulkActState]] = {
    BulkActState.WAITING: frozenset({BulkActState.RUNNING, BulkActState.STOPPED}),
    BulkActState.RUNNING: frozenset({BulkActState.DONE, BulkActState.STOPPED}),
    # What was done stays; undoing it is an act of its own.
    BulkActState.DONE: frozenset(),
    BulkActState.STOPPED: frozenset(),
}

MESSAGE_MOVES: Mapping[MessageState, frozenset[MessageState]] = {
    MessageState.PLANNED: frozenset({MessageState.CLAIMED, MessageState.SUPPRESSED, MessageState.CANCELLED}),
    # A claim whose lease ran out, or that a stopping worker gives back, is planned again.
    MessageState.CLAIMED: frozenset(
        {
            MessageState.SUBMITTING,
            MessageState.PLANNED,
            MessageState.SUPPRESSED,
            MessageState.CANCELLED,
            MessageState.REJECTED,
        }
    ),
    # Back to planned only when the server is known not to have the mail (4xx, or lost before the final dot). Bulk mail
    # is marked in the claim itself, before the recipient's address is opened: a suppression found then ends it here.
    MessageState.SUBMITTING: frozenset(
        {
            MessageState.ACCEPTED,
            MessageState.REJECTED,
            MessageState.UNCERTAIN,
            MessageState.PLANNED,
            MessageState.SUPPRESSED,
        }
    ),
    # Later evidence, or an operator's choice, settles an uncertain outcome.
    MessageState.UNCERTAIN: frozenset(
        {MessageState.ACCEPTED, MessageState.REJECTED, MessageState.PLANNED, MessageState.CANCELLED}
    ),
    # A bounce after acceptance is a delivery event, not a new state. An operator may retry or cancel a rejected one.
    MessageState.REJECTED: frozenset({MessageState.PLANNED, MessageState.CANCELLED}),
    MessageState.ACCEPTED: frozenset(),
    MessageState.SUPPRESSED: frozenset(),
    MessageState.CANCELLED: frozenset(),
}

OPEN_STATES = frozenset({MessageState.PLANNED, MessageState.CLAIMED, MessageState.SUBMITTING})
"""A message in one of these has still something to come."""
