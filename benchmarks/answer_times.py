"""Answer times of forms with known and unknown addresses: what a stopwatch could learn about who has signed.

Half of the requests name addresses that have signed (or have an account), half name addresses that were never seen.
Both are sent in random order by twelve clients at once, while a worker admits and sends.
"""

import random
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

from benchmarks.installation import Installation
from benchmarks.load import run_in_process
from campaign.accounts import accounts
from campaign.accounts.accounts import Role
from campaign.runtime import build
from campaign.signatures import admission, requests
from campaign.signatures.signing import SignForm

CLIENTS = 12
GOAL_MS = 1.0
RESAMPLES = 2000
KNOWN, UNKNOWN = "known", "unknown"


@dataclass(frozen=True)
class Difference:
    """Median time of known minus median time of unknown addresses, in milliseconds, with its 95 % interval."""

    known_ms: float
    unknown_ms: float
    low_ms: float
    high_ms: float

    @property
    def median_ms(self) -> float:
        """The difference of the medians."""
        return self.known_ms - self.unknown_ms


def measure(made: Installation, *, stamp: str, people: int) -> dict[str, Difference]:
    """Send each form for so many known and as many unknown addresses; a web server and an urgent worker must run.

    Args:
        made: the installation.
        stamp: a form stamp of the petition's page, quoted for a form.
        people: known addresses, and as many unknown ones, for each form.

    Returns:
        A difference by form: sign, code, mine, again (the button of the page after signing), sign-in.
    """
    references = _prepare(made, people)
    forms = {
        "sign": (f"/p/{made.slug}/sign", "303", lambda email: f"stamp={stamp}&" + urlencode(_form(email))),
        "code": (f"/p/{made.slug}/code", "422", lambda email: urlencode({"email": email, "code": "123456"})),
        "mine": ("/mine", "303", lambda email: urlencode({"email": email})),
        "again": ("", "303", lambda _: ""),
        "sign-in": ("/sign-in", "200", lambda email: urlencode({"email": email})),
    }
    differences = {}
    for turn, (name, (path, status, body)) in enumerate(forms.items()):
        posts = [
            {
                "label": label,
                "path": path or f"/p/{made.slug}/inbox/{references[label][number]}/again",
                "body": body(_email(label if label == KNOWN else f"{label}-{name}", number)),
            }
            for label in (KNOWN, UNKNOWN)
            for number in range(people)
        ]
        random.shuffle(posts)
        found = run_in_process(
            made.settings.port, requests=len(posts), connections=CLIENTS, posts=posts, statuses=[status], turn=turn
        )
        differences[name] = compare(found["seconds"][KNOWN], found["seconds"][UNKNOWN])
    return differences


def compare(known: list[float], unknown: list[float]) -> Difference:
    """The difference of two medians, with a percentile bootstrap interval; times in seconds."""
    medians = sorted(_resampled(known, unknown))
    return Difference(
        known_ms=statistics.median(known) * 1000,
        unknown_ms=statistics.median(unknown) * 1000,
        low_ms=medians[int(len(medians) * 0.025)] * 1000,
        high_ms=medians[int(len(medians) * 0.975)] * 1000,
    )


def _resampled(known: list[float], unknown: list[float]) -> Iterator[float]:
    chance = random.Random(1)
    for _ in range(RESAMPLES):
        first, second = chance.choices(known, k=len(known)), chance.choices(unknown, k=len(unknown))
        yield statistics.median(first) - statistics.median(second)


def _prepare(made: Installation, people: int) -> dict[str, list[str]]:
    """Let the known addresses sign and have accounts; returns references of pages after signing, by label."""
    runtime = build(made.settings)
    try:
        for number in range(people):
            email = _email(KNOWN, number)
            requests.request_signature(runtime, made.slug, _sign_form(email))
            accounts.create(runtime, email=email, name="Known", role=Role.ORGANISER)
        admission.admit_all(runtime)
        # Afterwards a second request of each known address, and the first one of an unknown one.
        return {
            label: [
                requests.request_signature(runtime, made.slug, _sign_form(_email(f"{label}{suffix}", number)))
                for number in range(people)
            ]
            for label, suffix in ((KNOWN, ""), (UNKNOWN, "-again"))
        }
    finally:
        runtime.close()


def _email(label: str, number: int) -> str:
    return f"{label}-{number}@example.org"


def _form(email: str) -> dict[str, str]:
    return {"name": "Asked Again", "email": email, "country": "DE", "locale": "en"}


def _sign_form(email: str) -> SignForm:
    return SignForm(
        name="Asked Again", email=email, country="DE", reason="", show_name=False, wants_updates=False, locale="en"
    )


def show(differences: dict[str, Difference]) -> None:
    """Print a line for each form."""
    for name, found in differences.items():
        verdict = "met" if abs(found.median_ms) < GOAL_MS else "NOT met"
        print(
            f"  {name:8} known {found.known_ms:6.2f} ms, unknown {found.unknown_ms:6.2f} ms: difference of medians "
            f"{found.median_ms:+.2f} ms, 95 % [{found.low_ms:+.2f}, {found.high_ms:+.2f}]   "
            f"goal < {GOAL_MS:g} ms   {verdict}"
        )
