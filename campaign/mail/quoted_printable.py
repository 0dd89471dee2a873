r"""Quoted-printable (RFC 2045 section 6.7) in a normal form that later steps can rely on.

Beyond the RFC, what is encoded here has no tab, no two blanks in a row, no line that begins with a dot, and CRLF as the
only line end. So the text is its own relaxed DKIM body (RFC 6376 section 3.4.4) and needs no dot-stuffing (RFC 5321
section 4.5.2): neither has to be done per message.
"""

import binascii
from typing import Final

LINE: Final = 75
"""Characters on a line before the soft break's ``=``; the RFC allows 76 with it."""

_HEX = [b"=%02X" % byte for byte in range(256)]
_LITERAL = frozenset(range(33, 127)) - {ord("=")}


def encode_value(value: str) -> bytes:
    """Encode ``value``, which holds no line end, for a line of its own; no soft break follows it yet.

    Long results are soft-broken. Fast for names, numbers and links.

    Raises:
        UnicodeEncodeError: for a lone surrogate.
    """
    raw = value.encode()
    encoded = binascii.b2a_qp(raw)
    # binascii leaves no room for our soft break at the end, and knows nothing of our rules for blanks and dots.
    if b"  " in encoded or b"\t" in encoded or encoded.startswith(b"."):
        return encode_line(raw, ends_line=True)
    if len(encoded) <= LINE:
        return encoded
    if b"\n." in encoded or len(encoded) - encoded.rfind(b"\n") - 1 > LINE:
        return encode_line(raw, ends_line=True)
    return encoded.replace(b"\n", b"\r\n")


def encode_link(raw: bytes) -> bytes:
    """As :func:`encode_value` for a link without blanks and controls, which is nearly always its own encoding.

    Longer than a line, it is soft-broken at fixed places.
    """
    if b"=" in raw or raw.startswith(b"."):
        return encode_value(raw.decode("ascii"))
    if len(raw) <= LINE:
        return raw
    broken = b"=\r\n".join([raw[start : start + LINE] for start in range(0, len(raw), LINE)])
    return encode_value(raw.decode("ascii")) if b"\n." in broken else broken


def encode_line(raw: bytes, *, ends_line: bool) -> bytes:
    """Encode one line, slowly and exactly.

    Args:
        raw: the line in UTF-8, without its line end.
        ends_line: True if a line end follows, so that a blank at the end must be encoded.
    """
    lines: list[bytes] = []
    line = bytearray()
    for index, byte in enumerate(raw):
        unit = _HEX[byte]
        if byte in _LITERAL:
            unit = bytes([byte])
        elif byte == ord(" ") and not line.endswith(b" ") and not (ends_line and index == len(raw) - 1):
            unit = b" "
        if len(line) + len(unit) > LINE:
            lines.append(bytes(line))
            line.clear()
        if not line and unit == b".":
            unit = _HEX[byte]
        line += unit
    lines.append(bytes(line))
    return b"=\r\n".join(lines)


def encode_literal(text: str, *, at_line_start: bool, before_slot: bool) -> bytes:
    r"""Encode the text between two slots; its line ends are ``\n``.

    A slot is on encoded lines of its own: after the text before it comes a soft break, and one after the slot.

    Args:
        text: what is between.
        at_line_start: True at the beginning of the part; otherwise after a slot, whose soft break comes first.
        before_slot: True if a slot follows.
    """
    lines = [line.encode() for line in text.split("\n")]
    last = len(lines) - 1
    encoded = b"\r\n".join(
        encode_line(line, ends_line=not (before_slot and index == last)) for index, line in enumerate(lines)
    )
    head = b"" if at_line_start else b"=\r\n"
    tail = b"=\r\n" if before_slot and lines[last] else b""
    return head + encoded + tail
