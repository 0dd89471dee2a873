"""The form of a message on the wire: CRLF line ends only, dots stuffed (RFC 5321 sections 2.3.8 and 4.5.2)."""

from typing import Final

from campaign.errors import MailValueError

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
