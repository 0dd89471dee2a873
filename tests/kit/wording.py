"""Rules of wording for the catalogues: each returns the problems of one text, empty if it keeps the rule."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Any

ISOLATED = re.compile("[\u2066-\u2068][^\u2069]*\u2069|%\\(\\w+\\)[sd]|\\{\\{[^}]*\\}\\}|<[^>]*>")
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|\{\{\w+\}\}|\{\w+\}")
FINAL = {"۔": ".", "؟": "?", "،": ",", "؛": ";"}
QUOTES = {"de": '[«»”‘"]', "fa": '[“”„"]', "ur": '[«»„"]'}
FAMILIAR = {
    "de": r"\b(du|dein\w*|dir|dich)\b",
    "fa": r"(?<![\w\u200c])(بفرست|بزن|ببین|برو|کن)(?![\w\u200c])",
    "ur": r"(?<!\w)(تم|کرو)(?!\w)",
}
LETTERS = {"de": r"(?!)", "fa": "[يكىۀةٹڈڑںہھے]", "ur": "[يكىۀةه]"}
BARE = {
    "de": r"(?<!E-Mail-)(?<!IP-)\bAdressen?\b",
    "fa": r"آدرس(?!\S*.{0,3}(ایمیل|IP|وب))",
    "ur": r"(?<!\w)(پتہ|پتے|پتوں)(?!\w)",
}
"""An address of which the text does not say what kind it is: on supporters' pages it reads as a home address."""


@dataclass(frozen=True)
class Text:
    """One English text and its translation. `supporters`: it appears on public pages or in emails."""

    locale: str
    english: str
    words: str
    supporters: bool = False


def _ending(text: str) -> str:
    last = text[-1:]
    last = FINAL.get(last, last)
    return last if last in ".:?!…" else ""


def problems(text: Text) -> list[str]:
    """The names of the mechanical rules that a translation breaks."""
    locale, words = text.locale, text.words
    bare = ISOLATED.sub("X", words)
    arabic = locale != "de"
    opened = len(re.findall("[\u2066-\u2068]", words))
    checks = {
        "letters of another language": re.search(LETTERS[locale], words),
        "blank instead of a joiner": locale == "fa" and re.search(r"(?<!\w)ن?می | ها(?!\w)| تر(?!\w)", words),
        "ASCII comma, semicolon or question mark": arabic and re.search(r"(?<!\d)[,;?](?!\d)", bare),
        "ASCII full stop": locale == "ur" and re.search("[\u0600-\u06ff]\\.(\\s|$)", bare),
        "blank at an edge, two blanks or three dots": re.search(r"^ | $|  |\.\.\.", words),
        "isolates": opened != words.count("\u2069") or re.search("[\u200e\u200f\u202a-\u202e]", words),
        "placeholders": sorted(PLACEHOLDER.findall(text.english)) != sorted(PLACEHOLDER.findall(words)),
        "last mark": _ending(text.english) != _ending(words),
        "digits": re.search("[0-9]" if locale == "fa" else "[۰-۹]", bare) or re.search("[٠-٩]", words),
        "not NFC": unicodedata.normalize("NFC", words) != words,
        "joiner beside a blank": re.search("\u200c[\\s\u200c]|\\s\u200c|^\u200c|\u200c$", words),
        "familiar form": re.search(FAMILIAR[locale], words),
        "quotation marks": re.search(QUOTES[locale], bare),
        "address of an unsaid kind": text.supporters and re.search(BARE[locale], words),
    }
    return [rule for rule, broken in checks.items() if broken]


def forbidden(words: str, table: dict[str, str]) -> list[str]:
    """What the table says to write instead of the words found in a text."""
    return [f"{found[0]} → {instead}" for word, instead in table.items() if (found := re.search(word, words))]


def missing(english: str, words: str, locale: str, terms: list[dict[str, Any]]) -> list[str]:
    """The glossary's terms of the English text that its translation does not use."""
    plain = PLACEHOLDER.sub("", english)
    return [
        term["word"]
        for term in terms
        if re.search(term["word"], plain)
        and not any(stem in words for stem in term[locale])
        and not any(english.startswith(begin) for begin in term.get("except", []))
    ]
