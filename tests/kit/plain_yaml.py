"""Reads the part of YAML that deploy/ uses: mappings, lists, plain and quoted values, anchors and ``<<``, comments.

No library for YAML is among the dependencies; what is beyond this part raises ValueError, so that a test tells it.
"""

import json
import re
from typing import Any

_KEY = re.compile(r"([A-Za-z0-9_./<-][A-Za-z0-9_./<-]*):(?: +(.*))?$")


def load(text: str) -> Any:
    """The document; all values are strings but flow lists and ``{}``."""
    lines = []
    for number, raw in enumerate(text.splitlines(), 1):
        if raw.strip() and not raw.lstrip().startswith("#"):
            if "\t" in raw:
                raise ValueError(f"line {number}: a tab")
            lines.append((len(raw) - len(raw.lstrip(" ")), raw.strip(), number))
    reader = _Reader(lines)
    found = reader.block(0)
    if reader.at < len(lines):
        raise ValueError(f"line {lines[reader.at][2]}: not understood")
    return found


class _Reader:
    def __init__(self, lines: list[tuple[int, str, int]]) -> None:
        self.lines = lines
        self.at = 0
        self.anchors: dict[str, Any] = {}

    def block(self, indent: int) -> Any:
        is_list = self.lines[self.at][1].startswith("- ")
        return self.listed(indent) if is_list else self.mapping(indent)

    def listed(self, indent: int) -> list[Any]:
        found = []
        while (
            self.at < len(self.lines) and self.lines[self.at][0] == indent and self.lines[self.at][1].startswith("- ")
        ):
            _, text, number = self.lines[self.at]
            inner = text[2:].strip()
            if _KEY.match(inner):
                self.lines[self.at] = (indent + 2, inner, number)
                found.append(self.mapping(indent + 2))
            else:
                self.at += 1
                found.append(_value(inner, number))
        return found

    def mapping(self, indent: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        while self.at < len(self.lines) and self.lines[self.at][0] == indent:
            _, text, number = self.lines[self.at]
            match = _KEY.match(text)
            if match is None:
                raise ValueError(f"line {number}: no key: {text}")
            key, rest = match[1], (match[2] or "").strip()
            if key in found:
                raise ValueError(f"line {number}: {key} twice")
            self.at += 1
            if key == "<<":
                merged = self.anchors[rest.removeprefix("*")]
                continue
            anchor = None
            if rest.startswith("&"):
                anchor, rest = rest[1:], ""
            found[key] = self.inner(indent, rest, number)
            if anchor:
                self.anchors[anchor] = found[key]
        return {**merged, **found}

    def inner(self, indent: int, rest: str, number: int) -> Any:
        if rest in {">-", "|"}:
            words = []
            while self.at < len(self.lines) and self.lines[self.at][0] > indent:
                words.append(self.lines[self.at][1])
                self.at += 1
            return " ".join(words)
        if rest:
            return _value(rest, number)
        if self.at < len(self.lines) and self.lines[self.at][0] > indent:
            return self.block(self.lines[self.at][0])
        return ""


def _value(text: str, number: int) -> Any:
    if text[0] in '[{"':
        try:
            return json.loads(text)
        except ValueError:
            raise ValueError(f"line {number}: not understood: {text}") from None
    if text[0] in "*&!|>%@`'" or " #" in text:
        raise ValueError(f"line {number}: not understood: {text}")
    return text
