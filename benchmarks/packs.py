"""`python -m benchmarks.packs`: how long a hand-over pack takes, how large it is, and the memory that it needs."""

import argparse
import random
import tempfile
import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Self

import psutil

from benchmarks.installation import Installation, installation
from campaign.accounts import accounts
from campaign.accounts.accounts import Role
from campaign.blasts import milestones
from campaign.handover import packs
from campaign.handover.verifying import verify
from campaign.local.seed import seed
from campaign.petitions import petitions
from campaign.runtime import Runtime, build

UNUSED_PORT = 9
EMAIL = "organiser@example.org"


@dataclass(frozen=True)
class Figures:
    """One pack."""

    locale: str
    signatures: int
    seconds: float
    """From the request to "ready"."""
    megabytes: float
    memory_before: float
    """MB resident of this process before the pack."""
    memory_most: float
    """MB resident of this process and those it started, at the most."""
    verify_seconds: float


class Watch:
    """The most memory that this process and its children hold while it runs."""

    def __enter__(self) -> Self:
        self._process = psutil.Process()
        self.before = self.most = self._resident()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(0.02):
            self.most = max(self.most, self._resident())

    def _resident(self) -> float:
        found = 0
        for process in (self._process, *self._process.children(recursive=True)):
            try:
                if "typesetter" in " ".join(process.cmdline()) or process == self._process:
                    found += process.memory_info().rss
            except psutil.Error:
                continue
        return found / 1e6


def add_signers(runtime: Runtime, slug: str, number: int) -> None:
    """Confirmed and counted signers."""
    wanted = seed.SeedPlan(signatures=number, confirmed=True, updates=True, span=timedelta(hours=500))
    chance = random.Random(1)
    seed.sow(runtime, slug, wanted, progress=lambda _: None, chance=chance)
    while milestones.count_signatures(runtime):
        pass


def measure(runtime: Runtime, made: Installation, locale: str) -> Figures:
    """Ask for a pack, make it, and check it."""
    petition_id = petitions.by_slug(runtime, made.slug).petition.id
    account = accounts.find(runtime, EMAIL)
    assert account is not None
    packs.ask(
        runtime, petition_id, by=account, reason="A measurement", locale=locale, request_key=f"benchmark-{locale}"
    )
    begun = time.monotonic()
    with Watch() as watch:
        while not packs.make(runtime):
            newest = packs.of_petition(runtime, petition_id)[0]
            if newest.problem:
                raise SystemExit(f"no pack was made: {newest.problem}")
            time.sleep(0.5)
    seconds = time.monotonic() - begun
    newest = packs.of_petition(runtime, petition_id)[0]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pack.zip"
        with path.open("wb") as file:
            for piece in packs.download(runtime, petition_id, newest.id, by=account)[1]:
                file.write(piece)
        begun = time.monotonic()
        verdict = verify(path, expected=newest.fingerprint or "")
        if verdict.problems:
            raise SystemExit(f"the pack is not right: {verdict.problems}")
    size = (newest.size or 0) / 1e6
    return Figures(locale, newest.count or 0, seconds, size, watch.before, watch.most, time.monotonic() - begun)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--signatures", type=int, default=100_000)
    parser.add_argument("--locales", default="en,ur", help="languages of the packs, with commas")
    options = parser.parse_args()
    with installation(smtp_port=UNUSED_PORT) as made:
        runtime = build(made.settings)
        try:
            accounts.create(runtime, email=EMAIL, name="Organiser", role=Role.ORGANISER)
            add_signers(runtime, made.slug, options.signatures)
            for locale in options.locales.split(","):
                found = measure(runtime, made, locale)
                made_in = f"{found.signatures:,} signatures in {found.seconds:.1f} s, {found.megabytes:.1f} MB"
                memory = f"memory {found.memory_before:.0f} to {found.memory_most:.0f} MB"
                print(f"{found.locale}: {made_in}; {memory}; checked in {found.verify_seconds:.1f} s", flush=True)
        finally:
            runtime.close()


if __name__ == "__main__":
    main()
