"""The letters of names: how many marks one may carry, and in which form two spellings are one name."""

import re
import unicodedata
from typing import Final

MAX_MARKS: Final = 3
"""Combining marks above and below one letter; what is stacked higher covers the lines above. Those that stand beside it
(Burmese "မျိုး" has two of them) cover nothing and are not counted."""

# Arabic and Persian/Urdu keyboards write yeh, kaf and heh with different code points. Tatweel only stretches.
_SAME_LETTERS = str.maketrans(
    {"ي": "ی", "ى": "ی", "ك": "ک", "ہ": "ه", "ة": "ه", "ۃ": "ه", "ە": "ه", "ٱ": "ا", "ـ": None}
)

# Latin letters whose stroke, or want of a dot, Unicode does not take apart: Łukasz = Lukasz, Işık = Isik.
_STRUCK_LETTERS = str.maketrans("łøđħŧıƶɨ", "lodhtizi")

_FOLDED_SCRIPTS = ("LATIN", "GREEK", "CYRILLIC", "ARABIC")

_TONES: Final = "\u0300\u0301\u0303\u0309\u0323"
_SYLLABLE = re.compile(
    r"(?:ngh|ng|nh|gh|gi|kh|ph|qu|th|tr|ch|[bcdđghklmnpqrstvx])?"
    r"(?:uye|uya|uyu|ieu|yeu|oai|oao|oay|oeo|uai|uay|uoi|uou|ai|ao|au|ay|eo|eu|ia|ie|iu|oa|oe|oi|oo|ua|ue|ui|uo|uu|uy"
    r"|ya|ye|yu|[aeiouy])(?:ch|ng|nh|[cmnpt])?"
)


def limit_marks(text: str) -> str:
    """Composed text (NFC) with at most :data:`MAX_MARKS` marks on a letter; the first ones are kept."""
    kept, marks = [], 0
    for character in unicodedata.normalize("NFD", text):
        kind = unicodedata.category(character)
        if kind in {"Mn", "Me"}:
            marks += 1
            if marks > MAX_MARKS:
                continue
        elif kind != "Mc" and character not in "\u200c\u200d":
            marks = 0
        kept.append(character)
    return unicodedata.normalize("NFC", "".join(kept))


def person_key(name: str) -> str:
    """The form in which two spellings of one name are the same: compatible, caseless, without blanks and signs.

    Accents and strokes of Latin, Greek and Cyrillic letters, Arabic vowel marks and tatweel are left out (José =
    Jose, Łukasz = Lukasz, عَلی = علی); the marks of every other script spell another name (राम, रमा) and stay in
    their place. Marks are also kept in a name whose every word is a syllable as Vietnamese spells them: Hoà and Hoa
    are two people. There the tone is put behind the word, since it is written over either vowel (Hòa = Hoà).
    Letters keep their order.

    Signatures that were indexed with an older form of this key keep it: the same person is then not recognised by the
    name alone, once; the two seats of a mailbox still hold.
    """
    if name.isascii():
        return "".join(filter(str.isalnum, name.lower()))
    folded = unicodedata.normalize("NFKD", name).casefold().translate(_SAME_LETTERS)
    folded = unicodedata.normalize("NFKD", folded)
    words = folded.split()
    if words and all(_SYLLABLE.fullmatch(_without_marks(word)) for word in words):
        folded = " ".join(_tone_last(word) for word in words)
        return "".join(character for character in folded if unicodedata.category(character)[0] in "LNM")
    return _without_marks(folded.translate(_STRUCK_LETTERS))


def _without_marks(folded: str) -> str:
    """Letters and digits, with the marks of those scripts in which they spell another word."""
    kept, keeps_marks = [], True
    for character in folded:
        kind = unicodedata.category(character)[0]
        if kind in "LN":
            keeps_marks = not unicodedata.name(character, "").startswith(_FOLDED_SCRIPTS)
        elif kind == "M" and not keeps_marks:
            continue
        if kind in "LNM":
            kept.append(character)
    return "".join(kept)


def _tone_last(word: str) -> str:
    # A diaeresis and other marks that Vietnamese has not are accents like any other.
    marks = "".join(tone for tone in word if tone in _TONES)
    letters = "".join(
        letter
        for letter in word
        if letter not in _TONES and (unicodedata.category(letter)[0] != "M" or letter in "\u0302\u0306\u031b")
    )
    return letters + marks
