"""What providers send, as JSON from elsewhere: every field may be missing, of another type, or endless."""

import hashlib
import json
import logging
import math
import re
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from campaign.feedback.delivery_status import status_in
from campaign.feedback.events import Event
from campaign.mail.verp import Names
from campaign.states import EventKind

log = logging.getLogger(__name__)

MAX_FIELD: Final = 4000
"""Characters of a field that are read."""

EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)

_STATUS: Final = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
_UNSPECIFIC: Final = re.compile(r"[245]\.\d{1,3}\.0|[245]\.0\.\d{1,3}")
_PLAIN_ID: Final = re.compile(r"[A-Za-z0-9_=.:+/-]{1,120}")
_WORD: Final = re.compile(r"[A-Za-z _-]{1,40}")
_MILLISECONDS: Final = 1e11
"""Numbers from here on are milliseconds since 1970: as seconds they would be after the year 5000."""

TOO_DEEP: Final = (ValueError, RecursionError)
"""What the parser raises for text that is no JSON, is nested too deep, or holds an endless number."""


class UnreadableError(ValueError):
    """Raised for a payload, or a part of it, that does not have the shape the provider documents."""


class Data:
    """A JSON object. What is not as expected is as if it were not there, but for what :meth:`need` asks for."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values

    @classmethod
    def of(cls, value: object) -> "Data":
        """A JSON object.

        Raises:
            UnreadableError: it is none.
        """
        if not isinstance(value, dict):
            raise UnreadableError("not an object")
        return cls(value)

    @classmethod
    def parsed(cls, text: str | bytes) -> "Data":
        """A text as a JSON object.

        Raises:
            UnreadableError: it is none.
        """
        return cls.of(parsed(text))

    def raw(self, name: str) -> object:
        """A field as it came."""
        return self._values.get(name)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def text(self, name: str, *, most: int = MAX_FIELD) -> str:
        """A field as text that a database takes; empty if it is neither text nor a number."""
        return as_text(self._values.get(name), most=most)

    def need(self, name: str) -> str:
        """A field that must be text.

        Raises:
            UnreadableError: it is not, or is empty.
        """
        value = self._values.get(name)
        if not isinstance(value, str) or not value.strip():
            raise UnreadableError(f"no {name}")
        return as_text(value).strip()

    def child(self, name: str) -> "Data":
        """An object in a field; an empty one if there is none."""
        value = self._values.get(name)
        return Data(value if isinstance(value, dict) else {})

    def need_child(self, name: str) -> "Data":
        """An object that must be in a field.

        Raises:
            UnreadableError: there is none.
        """
        return Data.of(self._values.get(name))

    def children(self, name: str) -> list["Data"]:
        """The objects of a list in a field; none if there is no list."""
        value = self._values.get(name)
        return [Data(one) for one in value if isinstance(one, dict)] if isinstance(value, list) else []

    def texts(self) -> list[str]:
        """All values that are text or a number, also those in lists."""
        found = [one for value in self._values.values() for one in (value if isinstance(value, list) else [value])]
        return [text for one in found if (text := as_text(one))]


def as_text(value: object, *, most: int = MAX_FIELD) -> str:
    """Text, or a number, as text that a database takes; empty for anything else."""
    if isinstance(value, str):
        # Halves of characters (surrogates) and NUL are no text to PostgreSQL.
        return value[:most].encode("utf-8", "replace").decode().replace("\0", " ")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return repr(value)[:most] if not isinstance(value, int) or abs(value) < 10**18 else ""
    return ""


def parsed(text: str | bytes) -> object:
    """A text as JSON.

    Raises:
        UnreadableError: it is none.
    """
    try:
        return json.loads(text)
    except TOO_DEEP:
        raise UnreadableError("not JSON") from None


def moment(value: object, now: datetime) -> datetime:
    """A moment as providers write it: seconds or milliseconds since 1970, or ISO 8601; ``now`` if it is none."""
    found = moment_of(value)
    # One in the future becomes the present as the event is stored.
    return found if found is not None and EARLIEST <= found <= now + timedelta(days=1) else now


def moment_of(value: object) -> datetime | None:
    """The same, however long ago or ahead; None if it is no moment."""
    text = as_text(value, most=40).strip()
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    try:
        if math.isnan(seconds):
            found = datetime.fromisoformat(text)
            return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
        return datetime.fromtimestamp(seconds / 1000 if seconds >= _MILLISECONDS else seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def message_in(names: Names, texts: Iterable[str]) -> int | None:
    """The message that one of the texts names by a signature of ours: a return address, or a Message-ID."""
    for text in texts:
        for found in names.messages_in(text):
            return found
        if (named := names.message_named(text)) is not None:
            return named
    return None


def plain_id(*parts: str) -> str:
    """An event's id from what the provider tells; a hash of it, if it may hold more than an id."""
    joined = "/".join(parts)
    return joined if _PLAIN_ID.fullmatch(joined) else hashlib.sha256(joined.encode("utf-8", "replace")).hexdigest()


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a provider's word means; a row of its table."""

    kind: EventKind
    status: str | None = None
    """Enhanced status code (RFC 3463) if neither the provider nor the server's words give one that says more."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the recipient's server said."""

    status: str | None
    code: int | None
    words: str


def reply(words: str, *, status: str = "", code: object = None, otherwise: str | None = None) -> Reply:
    """The most specific of what is known: the provider's status, the one in the server's words, or the table's."""
    quoted = status_in(words)
    found = status.strip() if _STATUS.fullmatch(status.strip()) else None
    if found is None or _UNSPECIFIC.fullmatch(found):
        found = (quoted.status if quoted and quoted.status else None) or otherwise or found
    number = int(code) if isinstance(code, int) and not isinstance(code, bool) and 200 <= code <= 599 else None
    if number is None and quoted is not None:
        number = quoted.code
    if found is not None and number is not None and str(number)[0] != found[0]:
        number = None
    return Reply(found, number, words)


NO_REPLY: Final = Reply(None, None, "")


def unreadable(raw: bytes, now: datetime) -> Event:
    """What waits for an admin, for it has no shape that is known."""
    digest = hashlib.sha256(raw).hexdigest()
    return Event(id=digest, kind=EventKind.UNKNOWN, happened_at=now, problem="unreadable", raw=raw)


def each(items: Sequence[object], read: Callable[[Data], Event | None], now: datetime) -> list[Event]:
    """The events of several items, each read by itself: one that can't be read holds up none of the others.

    What is kept of that one is a list of it alone, so that it can be read again.
    """
    events = []
    for item in items:
        try:
            event = read(Data.of(item))
        except UnreadableError:
            event = unreadable(json.dumps([item]).encode(), now)
        if event is not None:
            events.append(event)
    return events


def whole(body: bytes, read: Callable[[object], list[Event]], now: datetime) -> list[Event]:
    """The events of a body; one for the quarantine if it can't be read."""
    try:
        return read(parsed(body))
    except UnreadableError:
        return [unreadable(body, now)]


def single(body: bytes, read: Callable[[Data], Event | None], now: datetime) -> list[Event]:
    """The event of a body that holds one, or none if it is to be dropped."""

    def event(value: object) -> list[Event]:
        found = read(Data.of(value))
        return [] if found is None else [found]

    return whole(body, event, now)


def meaning_of(
    provider: str, word: str, events: Mapping[str, Meaning], silent: Container[str] = frozenset()
) -> Meaning | None:
    """What a provider's word for an event means; None for one that is dropped.

    Args:
        provider: whose word it is.
        word: the name of the event.
        events: the provider's table.
        silent: names that are dropped without a line in the log, such as those of opens and clicks.
    """
    if word in silent:
        return None
    meaning = events.get(word)
    if meaning is None:
        ignore(provider, word)
    return meaning


def ignore(provider: str, word: str) -> None:
    """Drop an event whose name is not in the provider's table."""
    log.info("an event of %s is dropped: %s", provider, word if _WORD.fullmatch(word) else "an odd name")
