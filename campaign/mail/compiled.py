"""A compiled mail: everything that is the same for all recipients as bytes, with places for what is not.

Filling one is joining bytes. A compiled mail is immutable, can be pickled, and may be shared by threads.
"""

import hashlib
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from markupsafe import escape

from campaign.errors import MailValueError
from campaign.mail import headers
from campaign.mail.addresses import WireAddress, is_wire_address, wire_address
from campaign.mail.dkim import Signer
from campaign.mail.quoted_printable import encode_link, encode_value

FINAL_DOT: Final = b".\r\n"


class WireBytes(bytes):
    """A whole message known by its making to end its lines in CRLF only, the last one too, and begin none with a dot.

    The composer builds such messages, so that the client need not search each of them again. Anything else is searched.
    """

    __slots__ = ()


def wire_data(data: bytes) -> bytes:
    """``data`` as it goes over the wire, with the final dot.

    Raises:
        MailValueError: when a line ends in anything but CRLF, which servers take for different things (smuggling).
    """
    if type(data) is WireBytes:
        return data + FINAL_DOT
    ends = data.count(b"\r\n")
    if data.count(b"\n") != ends or data.count(b"\r") != ends:
        raise MailValueError({"data": "line_ends"})
    if b"\r\n." in data:
        data = data.replace(b"\r\n.", b"\r\n..")
    if data.startswith(b"."):
        data = b"." + data
    return data + (FINAL_DOT if data.endswith(b"\r\n") else b"\r\n" + FINAL_DOT)


BOUNDARY: Final = "=_parts"
"""Multipart boundary: ``=_`` can't occur in quoted-printable (RFC 2045 section 6.7), so it need not be random."""

MAX_LINK: Final = 900
"""Characters of a link, so that it fits on one line of 998 octets beside a header's name."""

MAX_VALUE: Final = 1000
"""Characters of one filled-in value; an address or name is far shorter."""

_SPECIAL = re.compile("[&<>\"']")
"""What is written otherwise in HTML."""

_PLAIN_LINK = re.compile(rb"https?://[A-Za-z0-9_.:~/-]+")
"""Nearly all our links: what they are made of is written the same in text, in HTML and in a header."""


class OwnLink(bytes):
    """A link to our own site that needs no second look: made by :class:`LinkMaker` alone."""

    __slots__ = ()


class LinkMaker:
    """Makes links to one page of our site from tokens: checked once, for there are three in every mail.

    Args:
        base: the base URL with the page's path, ending in a slash.
    """

    def __init__(self, base: str) -> None:
        self._base = base.encode()
        self._is_plain = _PLAIN_LINK.fullmatch(self._base) is not None

    def __call__(self, token: bytes) -> OwnLink | str:
        """The link with a token (letters, digits, ``-``, ``_``, dots); an unusual base URL is for others to check."""
        return OwnLink(self._base + token) if self._is_plain else (self._base + token).decode()


@dataclass(frozen=True)
class CompiledMail:
    """The result of compiling one kind, language and petition or blast.

    ``body`` alternates fixed bytes and places, beginning and ending with fixed bytes. ``places`` says what belongs
    where: twice the index into ``names`` for the value in text, one more for the value in HTML.
    ``head`` are the fixed headers as sent, ``head_names`` their names in lower case, ``canonical_head`` those of them
    that DKIM signs, in its relaxed form.
    """

    kind: str
    locale: str
    subject: str
    base_url: str
    head: bytes
    canonical_head: bytes
    head_names: tuple[str, ...]
    body: tuple[bytes, ...]
    places: tuple[int, ...]
    names: tuple[str, ...]
    needs_list_unsubscribe: bool

    @property
    def slots(self) -> frozenset[str]:
        """Names of the values that :meth:`fill` needs."""
        return frozenset(self.names)

    def fill(
        self,
        values: Mapping[str, str | OwnLink],
        *,
        to: str | WireAddress,
        message_id: str,
        date: datetime,
        list_unsubscribe: str | OwnLink | None = None,
        reply_to: str | None = None,
        signer: Signer | None = None,
    ) -> WireBytes:
        """The whole message for one recipient, with CRLF line ends, signed if a ``signer`` is given.

        Args:
            values: one line of text per slot; names that this mail does not use are ignored.
            to: the recipient's address; a :class:`WireAddress` saves checking it again.
            message_id: with angle brackets, the same on each attempt (it is derived from the row).
            date: aware; written in UTC.
            list_unsubscribe: the one-click address (RFC 8058); needed exactly if ``needs_list_unsubscribe``.
            reply_to: where replies go, if not to the sender: an address in ASCII.
            signer: DKIM keys.

        Raises:
            MailValueError: for a missing value, control characters, a link that is not ours, a broken address.
        """
        personal = self._personal_headers(to, message_id, date, list_unsubscribe)
        if reply_to is not None:
            personal = _reply_to(reply_to) + personal
        body = self._filled_body(values)
        if signer is None:
            return WireBytes(b"".join((personal, self.head, b"\r\n", body)))
        names = self.head_names if reply_to is None else (*self.head_names, "reply-to")
        names += _PERSONAL if self.needs_list_unsubscribe else _PERSONAL[:-1]
        canonical = self.canonical_head + _relaxed(personal)
        # The body is its own canonical form: see quoted_printable.
        seals = signer.seals(canonical, names, b64encode(hashlib.sha256(body).digest()), int(date.timestamp()))
        return WireBytes(b"".join((seals, personal, self.head, b"\r\n", body)))

    def _personal_headers(
        self, to: str | WireAddress, message_id: str, date: datetime, list_unsubscribe: str | OwnLink | None
    ) -> bytes:
        recipient = to if isinstance(to, WireAddress) else wire_address(to)
        personal = b"To: %b\r\n%b%b" % (
            recipient.address.encode(),
            headers.date(date),
            headers.message_id(message_id),
        )
        if (list_unsubscribe is not None) is not self.needs_list_unsubscribe:
            raise MailValueError({"list_unsubscribe": "missing" if self.needs_list_unsubscribe else "unexpected"})
        if list_unsubscribe is None:
            return personal
        if not isinstance(list_unsubscribe, OwnLink):
            self._check_link("list_unsubscribe", list_unsubscribe)
            list_unsubscribe = OwnLink(list_unsubscribe.encode())
        # One line whatever its length: a fold or an encoded word would end one-click unsubscribing.
        return personal + b"List-Unsubscribe: <%b>\r\n" % list_unsubscribe

    def _filled_body(self, values: Mapping[str, str | OwnLink]) -> bytes:
        encoded: list[bytes] = []
        for name in self.names:
            try:
                value = values[name]
            except KeyError:
                raise MailValueError({name: "missing"}) from None
            if isinstance(value, OwnLink):
                in_text = encode_link(value)
                encoded += (in_text, in_text)
                continue
            if name.startswith("link_"):
                self._check_link(name, value)
            elif not value.isprintable():
                _refuse_controls(name, value)
            if len(value) > MAX_VALUE:
                raise MailValueError({name: "too_long"})
            in_text = encode_value(value)
            encoded.append(in_text)
            encoded.append(encode_value(escape(value)) if _SPECIAL.search(value) else in_text)
        pieces = list(self.body)
        pieces[1::2] = [encoded[place] for place in self.places]
        return b"".join(pieces)

    def _check_link(self, name: str, link: str) -> None:
        """Links lead to our own site only (so also: no script, no other scheme), in plain characters."""
        if not link.startswith(self.base_url) or link[len(self.base_url) : len(self.base_url) + 1] not in {"", "/"}:
            raise MailValueError({name: "foreign_link"})
        if not (link.isascii() and link.isprintable()) or " " in link or "<" in link or ">" in link or '"' in link:
            raise MailValueError({name: "broken_link"})
        if len(link) > MAX_LINK:
            raise MailValueError({name: "too_long"})


_PERSONAL: Final = ("to", "date", "message-id", "list-unsubscribe")


def _reply_to(address: str) -> bytes:
    if not is_wire_address(address):
        raise MailValueError({"reply_to": "address"})
    return b"Reply-To: %b\r\n" % address.encode("ascii")


_FIELD: Final = re.compile(rb"(^|\r\n)([A-Za-z-]+): ")


def _relaxed(personal: bytes) -> bytes:
    """The relaxed form of the personal headers: we make them with one blank after the colon, none doubled or last."""
    return _FIELD.sub(lambda found: found[1] + found[2].lower() + b":", personal)


def _refuse_controls(name: str, value: str) -> None:
    """Refuse what could end a line or be no text at all; joiners and direction marks are part of names and pass."""
    for char in value:
        if char < " " or "\x7f" <= char <= "\x9f" or char in "\u2028\u2029" or "\ud800" <= char <= "\udfff":
            raise MailValueError({name: "control_characters"})
