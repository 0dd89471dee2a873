"""What each kind of mail is called on the pages of organisers and admins."""

from collections.abc import Mapping

from campaign.states import MessageKind
from campaign.views.language import lazy

KINDS: Mapping[str, str] = {
    MessageKind.CONFIRMATION: lazy("Confirmation"),
    MessageKind.REMINDER: lazy("Reminder"),
    MessageKind.ALREADY_SIGNED: lazy("Already signed"),
    MessageKind.MAILBOX_FULL: lazy("Mailbox has signed twice"),
    MessageKind.THANK_YOU: lazy("Thank-you"),
    MessageKind.MILESTONE: lazy("Milestone"),
    MessageKind.UPDATE: lazy("Update"),
    MessageKind.TEST: lazy("Test of an update"),
    MessageKind.SIGN_IN: lazy("Sign-in link"),
    MessageKind.ADMIN_ALERT: lazy("Alert to admins"),
    MessageKind.MY_SIGNATURES: lazy("My signatures"),
    MessageKind.OWN_CODE: lazy("Code for the own page"),
    MessageKind.ADDRESS_CHECK: lazy("Check of a new address"),
    MessageKind.ADDRESS_CHANGED: lazy("Notice of a changed address"),
    MessageKind.REPLY_FORWARDED: lazy("Forwarded reply"),
    MessageKind.REPLY_WHERE: lazy("Answer to a reply: where to write"),
    MessageKind.REPLY_STOPPED: lazy("Answer to STOP"),
    MessageKind.REPLY_HIDDEN: lazy("Answer to HIDE"),
    MessageKind.REPLY_ERASED: lazy("Answer to ERASE"),
    MessageKind.REPLY_REFUSED: lazy("Answer to a wrong code"),
}
