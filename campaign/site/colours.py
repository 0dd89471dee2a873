"""Colours: the contrast of two, and what follows from the accent of the site, in the light and in the dark."""

import re
from collections.abc import Mapping

ENOUGH = 4.5
"""Contrast of text that everybody can read (WCAG 2.2, 1.4.3)."""

WHITE, SUNK, PANEL, DARK_PANEL, DARK_TEXT = "#ffffff", "#eef1f8", "#ffffff", "#1e2a4d", "#0c1330"
"""Grounds of static/site.css: the least favourable ones on which the accent is text."""

_COLOUR = re.compile(r"#[0-9a-f]{6}")


def is_colour(text: str) -> bool:
    """True for ``#rrggbb`` in small letters."""
    return _COLOUR.fullmatch(text) is not None


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, 1 to 21 (WCAG 2.2, "contrast ratio")."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def derived(accent: str) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """The properties of static/site.css that follow from the accent, for light and for dark screens.

    The accent is text as well, on grounds that are not white: it is darkened until it can be read there, or lightened
    on dark screens.
    """
    ink = _until_readable(accent, SUNK, towards="#000000")
    bright = _until_readable(accent, DARK_PANEL, towards=WHITE)
    bright = _until_readable(bright, DARK_TEXT, towards=WHITE)
    light = {
        "--ink": ink,
        "--ink-deep": mixed(ink, "#000000", 0.25),
        "--ink-tint": mixed(ink, WHITE, 0.92),
        "--on-ink": WHITE,
    }
    dark = {
        "--ink": bright,
        "--ink-deep": mixed(bright, WHITE, 0.35),
        "--ink-tint": mixed(bright, "#151c2b", 0.85),
        "--on-ink": DARK_TEXT,
    }
    return light, dark


def mixed(colour: str, other: str, share: float) -> str:
    """A colour with a share (0 to 1) of another."""
    pairs = zip(_parts(colour), _parts(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def _until_readable(colour: str, ground: str, *, towards: str) -> str:
    for step in range(21):
        tried = mixed(colour, towards, step / 20)
        if contrast(tried, ground) >= ENOUGH:
            return tried
    return towards


def _parts(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(part / 255) for part in _parts(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
