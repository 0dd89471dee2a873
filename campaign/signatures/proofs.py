"""Proof of work for forms of a network under the shield: ALTCHA's first protocol, made and checked here alone.

A browser looks for the number whose SHA-256 after a salt is a given one, which costs it seconds and tells us nothing.
"""

import base64
import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qs

from altcha import v1

from campaign.networks.shared import NetworksAwayError
from campaign.runtime import Runtime
from campaign.security.encryption import derive, keyed_hash

LIFE: Final = timedelta(minutes=20)
"""How long a challenge may be answered."""

NUMBERS: Final = 100_000
"""The number is below this: half as many hashes on average, some seconds on an old phone."""

MOST: Final = 2000
"""Characters of an answer; ours have about 400."""


@dataclass(frozen=True)
class Challenge:
    """What a browser is asked to solve."""

    algorithm: str
    challenge: str
    salt: str
    signature: str
    most: int


def make(runtime: Runtime) -> dict[str, object]:
    """A new challenge, as JSON has it."""
    wanted = v1.ChallengeOptions(
        algorithm="SHA-256", max_number=NUMBERS, hmac_key=_key(runtime), expires=runtime.clock() + LIFE
    )
    made = v1.create_challenge(wanted)
    return asdict(Challenge(made.algorithm, made.challenge, made.salt, made.signature, NUMBERS))


def is_solved(runtime: Runtime, answer: str) -> bool:
    """True if an answer solves a challenge of ours that is not too old; each answer is good for one form.

    Args:
        runtime: the runtime.
        answer: base64 of JSON, as the browser sent it.
    """
    values = _read(answer)
    if values is None:
        return False
    solved, _problem = v1.verify_solution(values, _key(runtime), check_expires=False)
    if not solved or not _is_fresh(values["salt"], runtime.clock()):
        return False
    used = keyed_hash(derive(runtime.secrets.code, "used proof"), values["challenge"])
    try:
        return runtime.networks.use_once(used, seconds=int(LIFE.total_seconds()))
    except NetworksAwayError:
        # Without Redis no network is under the shield.
        return True


def _key(runtime: Runtime) -> str:
    return derive(runtime.secrets.code, "proof of work").hex()


def _read(answer: str) -> Any:  # noqa: ANN401 - JSON, of which every value is checked here
    if not answer or len(answer) > MOST:
        return None
    try:
        values = json.loads(base64.b64decode(answer, validate=True))
    except (ValueError, RecursionError):
        return None
    texts = ("algorithm", "challenge", "salt", "signature")
    if not isinstance(values, dict) or not all(isinstance(values.get(name), str) for name in texts):
        return None
    if values["algorithm"] != "SHA-256" or type(values.get("number")) is not int:
        return None
    return values


def _is_fresh(salt: str, now: datetime) -> bool:
    # The salt is part of what was signed.
    (ends, *_others) = parse_qs(salt.partition("?")[2]).get("expires", ["0"])
    return ends.isdecimal() and int(ends) >= now.timestamp()
