"""What the desk says for states, decisions and reasons: every code of the rows in words."""

from collections.abc import Mapping

from campaign.blasts.rules import BlastStage
from campaign.states import CameBack, MessageState, PetitionState, SignatureState
from campaign.views.language import gettext, lazy

PETITION_STATES: Mapping[str, str] = {
    PetitionState.DRAFT: lazy("Draft – not public"),
    PetitionState.LIVE: lazy("Open for signing"),
    PetitionState.CLOSED: lazy("Closed"),
}

SIGNATURE_STATES: Mapping[str, str] = {
    SignatureState.PENDING: lazy("Not confirmed yet"),
    SignatureState.CONFIRMED: lazy("Confirmed"),
    SignatureState.WITHDRAWN: lazy("Withdrawn"),
    SignatureState.EXPIRED: lazy("Expired"),
    SignatureState.REMOVED: lazy("Removed"),
}

REMOVALS: Mapping[str, str] = {
    "duplicate": lazy("The same person signed twice"),
    "invented": lazy("The name is made up"),
    "automated": lazy("Signed by a bot"),
    "asked": lazy("They asked for it"),
    "other": lazy("Another reason"),
}

ENDINGS: Mapping[str, str] = {
    **REMOVALS,
    "by_signer": lazy("By the signer"),
    "not_confirmed": lazy("Not confirmed in time"),
    "declined": lazy("The owner of the mailbox did not sign"),
    "erased": lazy("Erased by the signer"),
    "replaced": lazy("Became part of another sign-up of the same signer"),
    "signed_again": lazy("The same signer signed again and is counted there"),
}
"""Why a signature ended."""

POLICIES: Mapping[str, str] = {
    "announce": lazy("Email it at once to everyone who wants updates"),
    "approve": lazy("Ask an organiser to approve first"),
    "record": lazy("Don’t send an email"),
}

DECISIONS: Mapping[str, str] = {
    "announced": lazy("Announced by email"),
    "waiting": lazy("Awaiting your approval"),
    "recorded": lazy("Recorded, no email"),
    "merged": lazy("Not announced – a larger milestone was reached at the same time"),
    "late": lazy("No mail: it was reached more than a day before it was counted, or the petition was closed"),
    "declined": lazy("Not announced – an organiser declined"),
}

DISCARDED = "discarded"
"""Shown of what was cancelled before its sending began."""

ON_HOLD = "on_hold"
"""Shown of what would be sent if nothing held all bulk mail."""

STAGES: Mapping[str, str] = {
    BlastStage.DRAFT: lazy("Draft"),
    BlastStage.WAITING: lazy("Awaiting your approval"),
    BlastStage.SCHEDULED: lazy("Scheduled"),
    BlastStage.HELD: lazy("Held back"),
    BlastStage.FREEZING: lazy("Collecting recipients"),
    BlastStage.SENDING: lazy("Being sent"),
    BlastStage.PAUSED: lazy("Paused"),
    BlastStage.CANCELLED: lazy("Cancelled"),
    BlastStage.FINISHED: lazy("Finished"),
    DISCARDED: lazy("Discarded"),
    ON_HOLD: lazy("On hold"),
}

SIGNS: Mapping[str, str] = {
    BlastStage.WAITING: "warn",
    BlastStage.HELD: "warn",
    BlastStage.PAUSED: "warn",
    ON_HOLD: "warn",
    BlastStage.FINISHED: "tick",
    BlastStage.SENDING: "mail",
    BlastStage.FREEZING: "mail",
}
"""The sign beside a stage; ``info`` for any other."""

EQUATION: Mapping[str, str] = {
    MessageState.ACCEPTED: lazy("Accepted by the mail server"),
    MessageState.REJECTED: lazy("Rejected"),
    MessageState.SUPPRESSED: lazy("Left out: no email wanted or possible"),
    MessageState.CANCELLED: lazy("Cancelled"),
    MessageState.UNCERTAIN: lazy("Uncertain: the server may have it or not"),
}
"""The settled part of the equation; open messages are shown beside it."""

CAME_BACK: Mapping[str, str] = {
    CameBack.DEFERRED: lazy("Delayed on the way"),
    CameBack.DELIVERED: lazy("Delivered, as far as the reader’s provider tells"),
    CameBack.BOUNCED: lazy("Bounced"),
    CameBack.COMPLAINED: lazy("Marked as spam"),
}
"""What was heard of accepted emails later."""

CAUSES: Mapping[str, str] = {
    "gone": lazy("The mailbox does not exist"),
    "full": lazy("The mailbox is full or can’t be reached"),
    "unknown": lazy("The reader’s provider refused it without a clear reason"),
    "ours": lazy("The reader’s provider doesn’t trust our email"),
    "other": lazy("Another reason"),
}
"""Why emails came back."""

HOLDS: Mapping[str, str] = {
    "organiser": lazy("Paused by an organiser."),
    "rejections": lazy("Paused automatically: too many mail servers refuse it."),
    "bounces": lazy("Paused automatically: too many of its emails bounced."),
    "complaints": lazy("Paused automatically: too many readers marked it as spam."),
    "content": lazy("Paused automatically: the mail server refuses its text."),
    "text": lazy("Paused automatically: its text can’t be made into an email."),
    "too_late": lazy(
        "Its time passed while nothing could be sent. Check that it is still current, then schedule it again."
    ),
    "other_epoch": lazy("It was scheduled before this installation was restored from a backup. Schedule it again."),
}

REASONS: Mapping[str, str] = {
    "unsubscribed": lazy("Unsubscribed after sending started"),
    "withdrawn": lazy("Withdrew the signature"),
    "removed": lazy("Signature removed"),
    "erased": lazy("Erased their data"),
    "expired": lazy("Signature not confirmed"),
    "retention": lazy("Erased after the petition closed"),
    "blast_cancelled": lazy("The update was cancelled first"),
    "sent_again": lazy("Waiting to be sent again"),
    "worker_lost": lazy("The sending service stopped at the wrong moment"),
    "worker_died": lazy("The sending service stopped; it will try again"),
    "poison": lazy("The sending service stopped at this email three times"),
    "no_outcome": lazy("The mail server did not answer after the email was handed over"),
    "suppressed: bounce": lazy("The address does not exist any more"),
    "suppressed: complaint": lazy("Marked our email as spam"),
    "suppressed: unsubscribe": lazy("Wants no email from this site"),
    "suppressed: admin": lazy("Blocked by an administrator"),
    "suppressed: erased": lazy("Erased their data"),
    "not_rendered": lazy("The email could not be created for this reader"),
    "not_opened": lazy("The key that it is encrypted with is not listed in the settings"),
    "expired:": lazy("The mail server deferred it for days"),
    "": lazy("No reason on record"),
}
"""Why a mail of a blast was not accepted. What the mail server said itself is shown as it is."""


def said(words: Mapping[str, str], code: str) -> str:
    """The words for a code in the language of this answer; the code itself if it has none."""
    return gettext(words[code]) if code in words else code


def why(reason: str) -> tuple[str, bool]:
    """A reason in words, and whether these are ours; the mail server's own words are not translated."""
    if reason in REASONS:
        return gettext(REASONS[reason]), True
    for begin in ("not_rendered", "not_opened", "expired:"):
        if reason.startswith(begin):
            return gettext(REASONS[begin]), True
    return reason, False
