"""The bytes of a form as text: by the charset it was written in, and never as something that was not typed.

Our pages are UTF-8 and ask for forms in it; old programs, and pages that were saved or changed by a proxy, send another
charset and name it, or send one that can't be known.
"""

import codecs
import re
from typing import IO, Final
from urllib.parse import parse_qsl

from flask import Request
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.formparser import FormDataParser

UNREADABLE: Final = "\ufffd"
"""What is shown for bytes that are no text (Unicode section 3.9)."""

MAX_FIELDS: Final = 1_000
"""Fields of a form; more are refused as too much."""

CHARSETS: Final = frozenset(
    {"big5hkscs", "cp1006", "cp932", "cp949", "euc_jp", "gb18030", "hz", "iso2022_jp", "koi8-r", "koi8-u"}
    | {"mac-cyrillic", "mac-roman", "ptcp154", "utf-8"}
    | {f"cp{number}" for number in (866, 874, *range(1250, 1259))}
    | {f"iso8859-{number}" for number in range(2, 17)}
)
"""Charsets that forms come in, as Python names them; its other codecs are no charsets of the web (UTF-7, zlib)."""

_MEANT: Final = {
    "ascii": "cp1252",
    "big5": "big5hkscs",
    "euc_kr": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "shift_jis": "cp932",
    "tis-620": "cp874",
    "utf-8-sig": "utf-8",
}
"""The larger charset that browsers mean by the name of an older one (Encoding Standard section 4.2)."""

_WINDOWS: Final = re.compile(r"(?:x-)?windows-(?=\d+$)", re.IGNORECASE)

_ASKED = re.compile(r"(?:^|&)_charset_=([A-Za-z0-9_.:-]{1,40})(?:&|$)")
_RAW = re.compile(rb"[\x80-\xff]")
_REFERENCE = re.compile(r"&#([0-9]{1,7});")


def charset(label: str | None) -> str | None:
    """The Python name of a charset; None if it is unknown or none that a form comes in."""
    try:
        name = codecs.lookup(_WINDOWS.sub("cp", label or "")).name
    except (LookupError, ValueError):
        return None
    name = _MEANT.get(name, name)
    return name if name in CHARSETS else None


def fields(body: bytes, declared: str | None) -> list[tuple[str, str]]:
    """The fields of a urlencoded form, in their order.

    Args:
        body: the form.
        declared: the charset that its Content-Type names. If it names none, the field ``_charset_`` may (HTML, "form
            submission"); if that does not either it is UTF-8.

    Raises:
        ValueError: it has too many fields.
    """
    text = _RAW.sub(lambda byte: b"%%%02X" % byte[0][0], body).decode("ascii")
    asked = _ASKED.search(text)
    named = charset(declared) or charset(asked[1] if asked else None) or "utf-8"
    found = parse_qsl(text, keep_blank_values=True, encoding=named, errors="replace", max_num_fields=MAX_FIELDS)
    if named == "utf-8":
        return [(name, readable(value)) for name, value in found]
    # What a legacy charset has no letter for, browsers send as a reference: &#1586;
    return [(name, readable(_REFERENCE.sub(_letter, value))) for name, value in found]


def readable(text: str) -> str:
    """A text without NUL, which no page may hold (HTML, "preprocessing the input stream")."""
    return text.replace("\0", UNREADABLE)


def _letter(reference: re.Match[str]) -> str:
    code = int(reference[1])
    return UNREADABLE if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF or code == 0 else chr(code)


class FormTextParser(FormDataParser):
    """Werkzeug's parser, which knows UTF-8 alone and keeps what is none as it was escaped."""

    def _parse_multipart(
        self, stream: IO[bytes], mimetype: str, content_length: int | None, options: dict[str, str]
    ) -> tuple[IO[bytes], MultiDict[str, str], MultiDict[str, FileStorage]]:
        rest, found, files = super()._parse_multipart(stream, mimetype, content_length, options)
        return rest, self.cls([(name, readable(value)) for name, value in found.items(multi=True)]), files

    def _parse_urlencoded(
        self, stream: IO[bytes], mimetype: str, content_length: int | None, options: dict[str, str]
    ) -> tuple[IO[bytes], MultiDict[str, str], MultiDict[str, FileStorage]]:
        del mimetype, content_length
        return stream, self.cls(fields(stream.read(), options.get("charset"))), self.cls()


class FormRequest(Request):
    """A request whose form is read by its charset."""

    form_data_parser_class = FormTextParser
