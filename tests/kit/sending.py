"""A sending process of its own that dies where it is told to: ``python -m tests.kit.sending <url> <folder> <where>``.

It delivers the urgent lane with a transport that writes each acceptance to ``<folder>/server.log`` before it is
reported, as a mail server keeps what it took whatever becomes of its client. ``where``:

* ``render``: dies while the second batch row is being composed,
* ``submit:<n>``: dies when message ``n`` of the run is noted as submitted, before the server has it,
* ``accept:<n>``: dies after the server took message ``n`` and before anybody noted it,
* ``noted:<n>``: dies after acceptance ``n`` is in the journal and before the commit,
* ``never``: ends by itself.
"""

import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path

from campaign.delivery.composer import Composer
from campaign.runtime import build
from campaign.smtp.transport import Envelope, OnOutcome, OnSubmit
from campaign.states import Lane
from tests.kit.memory_transport import accepted
from tests.kit.worlds import Clock, PatientDeliverer, settings_for


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class DeadlyTransport:
    """Takes everything, one by one, and dies at a given step of a given message."""

    def __init__(self, log: Path, step: str, number: int) -> None:
        self.log = log
        self.step = step
        self.number = number

    def deliver(self, envelopes: Iterable[Envelope], *, on_submit: OnSubmit, on_outcome: OnOutcome) -> None:
        for count, envelope in enumerate(envelopes, 1):
            here = count == self.number
            on_submit(envelope.id)
            if here and self.step == "submit":
                die()
            with self.log.open("a") as log:
                log.write(f"{envelope.id}\n")
            if here and self.step == "accept":
                die()
            on_outcome(accepted(envelope))
            if here and self.step == "noted":
                die()

    def close(self) -> None:
        pass


class DeadlyComposer(Composer):
    """Dies while it composes its second message."""

    composed = 0

    def compose(self, *arguments, **named):
        self.composed += 1
        if self.composed == 2:
            die()
        return super().compose(*arguments, **named)


def main(url: str, folder: Path, where: str) -> None:
    step, _, number = where.partition(":")
    runtime = build(settings_for(url, folder), clock=Clock())
    composer = DeadlyComposer(runtime) if step == "render" else Composer(runtime)
    transport = DeadlyTransport(folder / "server.log", step, int(number or 0))
    deliverer = PatientDeliverer(runtime, Lane.URGENT, composer=composer, transport=transport)
    deliverer.drain()
    deliverer.close()
    runtime.close()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
