"""Rules for what organisers type: nothing that a database can't store, a header can't carry or a reader can't see."""

import unicodedata

_NEVER = frozenset({"Cc", "Cs", "Zl", "Zp"})
# Marks that turn the reading direction of what follows them around: a title could show what it does not say.
_OVERRIDES = frozenset("\u202a\u202b\u202c\u202d\u202e")


def has_controls(text: str, *, lines: bool = False) -> bool:
    """True for control characters, lone surrogates, line separators and direction overrides.

    Args:
        text: as typed.
        lines: line ends and tabs are fine.
    """
    fine = frozenset("\n\r\t") if lines else frozenset()
    return any(
        character not in fine and (character in _OVERRIDES or unicodedata.category(character) in _NEVER)
        for character in text
    )
