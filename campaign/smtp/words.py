"""Words by which mail servers speak of a limit, or of the sender: regular expressions for the table of replies.

They are those of Postfix, Exim, Exchange, Gmail, Amazon SES, SendGrid and their kind; what a reply without such words
means is told by its code and by what follows.
"""

import re
from typing import Final

_MAILS = r"(messages?|mails?|e-?mails?|transactions?|deliver(y|ies)|envelopes?|recipients?)"
_TOO_MANY = r"(too many|too much|max|limit|exceed|at most|only|reached|no more|allowed|quota)"
_PERIOD = r"(second|sec|minute|min|hour|hr|day|24 ?h)"
_PER = (
    rf"((per|each|an?|this|one|every|last|within)[ -](\d+ )?{_PERIOD}s?\b|/ ?{_PERIOD}\b"
    r"|\b(daily|hourly|per-(minute|second|hour))\b)"
)

SESSION: Final = (
    # With a period it is a rate; "connections" are another limit.
    rf"^(?!.*{_PER})(?!.*\brate\b)(?=.*\b{_MAILS}\b)(?=.*{_TOO_MANY})(?=.*\b(session|connection)\b)"
    rf"|^(?!.*{_PER})(?!.*\brate\b)(?!.*(connections|sessions))"
    r".*(too many (messages|mails|e-?mails|transactions)|(transactions?|messages?|session) limit\b"
    r"|max\w* (number of )?(messages|mails|e-?mails|transactions))"
)
"""A session has carried what it may. Some do not say "session": then a new one shows whether it was meant."""

CONNECTIONS: Final = (
    rf"^(?!.*{_PER})(?!.*\brate\b)"
    r"(?=.*(too many|max|limit|exceed|concurren|simultan|parallel|reached|no more|already))"
    r"(?=.*\b(connections?|sessions?|conns?)\b)(?!.*\b(timed? ?out|lost|reset|time limit)\b)"
    r"|concurrency limit|too many (concurrent|simultaneous|parallel)"
)
"""More connections are open than the relay wants."""

RATE: Final = (
    r"throttl|\b(send|sending|message|mail|e-?mail|delivery|submission|maximum|recipient|connection)s? rate\b"
    r"|\brate[ -]?limit|too (fast|quick|frequent)|slow(ing)? down"
    r"|\b(send|sending|message|relay|outgoing|outbound|smtp|submission|account) (quota|limit)\b"
    rf"|(?=.*{_TOO_MANY})(?=.*{_PER})"
)
"""Too much in a time."""

_OURS: Final = (
    r"relay(ing)?( access)? (is )?(not|denied|prohibited|forbidden)",
    r"relay(ing)?\b.*(denied|not (permitted|allowed))",
    r"(not|n.t) (permitted|allowed|authori[sz]ed) to relay",
    r"unable to relay|(cannot|can.?t|won.?t|will not|refus\w+|no|do not|don.?t) (to )?relay",
    r"send ?as ?denied|not (allowed|authori[sz]ed|permitted) to send",
    r"sender( address)? (is )?(rejected|denied|not (allowed|verified|owned|authori[sz]ed|permitted))",
    r"from address.*not (verified|allowed|authori[sz]ed)|(e-?mail|address|identity|domain) (is|are) not verified",
    r"(send|sending|sent|daily|hourly|message|outgoing|outbound) (user )?(sending |message )?(quota|limit)",
    r"(quota|limit) (of|for|on) (messages|sending|outgoing)",
    r"(your|this|sending|sender.?s?) account.*(suspend|disabled|under review|not activated|blocked)",
    r"authentication (is )?required|must (be )?authenticat|not authenticated|access denied",
    r"client host.*(reject|block)|blocked using|blacklist|blocklist|block list",
    r"sending (has been )?(disabled|paused|suspended)|spf (check|fail)|dmarc|dkim",
)
# The mailbox of the recipient is another matter, whatever its quota.
ABOUT_US: Final = rf"^(?!.*(mailbox|inbox|user unknown|unknown user|no such user)).*({'|'.join(_OURS)})"
"""The sender is meant, not the recipient."""

_UNIT = re.compile(rf"(?<![a-z])(daily|hourly|per-minute|{_PERIOD}s?)(?![a-z])", re.IGNORECASE)
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "2": 86_400}


def period(text: str) -> int | None:
    """Seconds of the period that a limit is said to be of: 1, 60, 3600 or 86,400; None if no period is named."""
    found = [_SECONDS[match[1].removeprefix("per-")[0].lower()] for match in _UNIT.finditer(text)]
    return max(found, default=None)


_VARIES: Final = re.compile(r"<[^>]*>|\S*\d\S*|\S*[@_=/]\S*")


def alike(text: str) -> str:
    """What stays the same when the same is said to another recipient: no addresses, numbers, ids and letter case."""
    return " ".join(_VARIES.sub(" ", text).lower().split())
