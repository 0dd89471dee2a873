"""What a drill leaves to be judged: plain values. Moments are of one monotonic clock."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from campaign.local.drill.plan import Change


@dataclass(frozen=True, slots=True)
class ReceivedRcpt:
    """A RCPT that the mail server got: from here on a mail counts as handed over."""

    at: float
    mail_from: str
    recipient: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AcceptedMail:
    """A message that the mail server counted as accepted."""

    at: float
    mail_from: str
    recipient: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A message that the mail server refused for good."""

    mail_from: str
    recipient: str = field(repr=False)
    code: int


@dataclass(frozen=True, slots=True)
class UnansweredMessage:
    """A message that the script left without an answer after the final dot; ``taken`` or not."""

    mail_from: str
    recipient: str = field(repr=False)
    how: str
    taken: bool


@dataclass(frozen=True, slots=True)
class MessageRow:
    """A row of the ledger at the end."""

    id: int
    kind: str
    lane: str
    state: str
    reason: str | None
    blast_id: int | None
    signature_id: int | None
    came_back: str | None = None
    """What was heard of it after it was accepted."""


@dataclass(frozen=True, slots=True)
class RequestRow:
    """A request at the end."""

    id: int
    kind: str
    state: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class SignatureRow:
    """A signature at the end."""

    id: int
    petition_id: int
    state: str
    wants_updates: bool
    erased: bool


@dataclass(frozen=True)
class SignedUp:
    """A sign-up that was accepted: its request was written down."""

    number: int
    at: float
    signature_id: int | None
    """None: the database has no such signature."""
    confirmed: bool
    """True if its confirmation was answered with thanks."""


@dataclass(frozen=True)
class Changed:
    """A change of mind that was asked for; ``at`` is when it was answered with success, None if it never was."""

    signature_id: int
    change: Change
    at: float | None


@dataclass(frozen=True)
class Equation:
    """A look at a blast: the rows it has, counted in one snapshot by themselves and by state."""

    blast_id: int
    frozen: bool
    rows: int
    by_state: Mapping[str, int]


@dataclass(frozen=True)
class Counted:
    """A petition at the end: what is shown, what is true, and what a recount then mended."""

    petition_id: int
    shown: int
    confirmed: int
    drift: int


@dataclass(frozen=True)
class Announced:
    """A milestone at the end."""

    petition_id: int
    threshold: int
    decision: str
    blast_id: int | None
    blasts: int
    """Blasts that announce this threshold of this petition."""


@dataclass(frozen=True)
class Recovery:
    """A fault that was injected, and how long it took until mail flowed again and nothing hung on the dead."""

    kind: str
    at: float
    connections: int
    """Connections to the mail server that were open from the processes that it killed."""
    recovered: float | None
    """Seconds; None: it did not recover while anybody looked."""
    urgent: bool
    """True if it concerned the urgent lane: its workers, or what all lanes need."""


@dataclass(frozen=True)
class Search:
    """The search for what must not leave the database."""

    places: Mapping[str, int]
    """Bytes looked at, by place."""
    found: tuple[str, ...]
    """Where something was found, and which kind of thing; never the thing itself."""


@dataclass(frozen=True)
class Evidence:
    """All of it."""

    recipients: int
    """The audience that the blast was to have."""
    blast_id: int
    ladder: Mapping[int, tuple[int, ...]]
    """Thresholds to be announced, by petition."""
    messages: Mapping[int, MessageRow]
    signatures: Mapping[int, SignatureRow]
    offers: tuple[tuple[float, int | None], ...]
    """Moment and message of each offer; no message: the return address is not ours."""
    taken: tuple[tuple[float, int | None, str], ...] = field(repr=False)
    """Moment, message and recipient of each acceptance."""
    refused: frozenset[int]
    """Messages that were refused for good at least once."""
    returned: frozenset[int]
    """Messages that were accepted and bounced later."""
    silences: tuple[tuple[int | None, UnansweredMessage], ...]
    requests: tuple[RequestRow, ...]
    sign_ups: tuple[SignedUp, ...]
    changes: tuple[Changed, ...]
    equations: tuple[Equation, ...]
    counts: tuple[Counted, ...]
    milestones: tuple[Announced, ...]
    faults: tuple[Recovery, ...]
    restarts: int
    search: Search
    settled: bool
    """True if nothing was left to be sent before the drill lost its patience."""
