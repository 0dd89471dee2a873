"""Documents as PDF, made by typst in a process of its own, so that its memory is given back.

All words go there as data: nothing that a signer or an organiser typed is ever read as markup.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from campaign.errors import CountersignError

ROOT: Final = Path(__file__).parent.parent.parent
"""Where the package lies."""

FAMILIES: Final[Mapping[str, tuple[str, ...]]] = {
    "en": ("Libertinus Serif", "Noto Naskh Arabic"),
    "de": ("Libertinus Serif", "Noto Naskh Arabic"),
    "fa": ("Noto Naskh Arabic", "Libertinus Serif"),
    "ur": ("Noto Nastaliq Urdu", "Libertinus Serif"),
}
"""Fonts by language; Libertinus comes with typst, the others lie in ``fonts/``. The system has what they lack."""

SECONDS: Final = 60
"""For one document, then it counts as failed."""


class TypesettingError(CountersignError):
    """Raised when a document can't be made."""


def typeset(template: str, data: Mapping[str, object]) -> bytes:
    """A document as PDF.

    Args:
        template: ``letter`` or ``names``.
        data: what it says.

    Raises:
        TypesettingError: it can't be made; its text has no name in it.
    """
    asked = json.dumps({"template": template, "data": data}, ensure_ascii=False).encode()
    command = [sys.executable, "-m", "campaign.handover.typesetter"]
    try:
        done = subprocess.run(command, check=False, input=asked, capture_output=True, timeout=SECONDS, cwd=ROOT)
    except subprocess.TimeoutExpired:
        raise TypesettingError(f"the document {template} was not set within {SECONDS} s") from None
    if done.returncode != 0 or not done.stdout.startswith(b"%PDF"):
        # What it printed may quote a name.
        raise TypesettingError(f"the document {template} could not be set: exit status {done.returncode}")
    return done.stdout
