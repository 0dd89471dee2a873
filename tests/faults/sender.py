"""A sending process of its own, with the real client: ``python -m tests.faults.sender <url> <folder> <smtp> <where>``.

``where`` is ``render`` (it dies while it composes its second message) or ``never``.
"""

import sys
from pathlib import Path

from campaign.delivery.composer import Composer
from campaign.delivery.delivery import Deliverer
from campaign.runtime import build
from campaign.states import Lane
from tasks.process import open_transport
from tests.kit.sending import DeadlyComposer
from tests.kit.worlds import Clock, settings_for


def main(url: str, folder: Path, smtp_url: str, where: str) -> None:
    runtime = build(settings_for(url, folder, smtp_url=smtp_url), clock=Clock())
    composer = DeadlyComposer(runtime) if where == "render" else Composer(runtime)
    deliverer = Deliverer(
        runtime, Lane.URGENT, composer=composer, transport=open_transport(runtime.settings, Lane.URGENT)
    )  # fmt: skip
    deliverer.drain(seconds=20)
    deliverer.close()
    runtime.close()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4])
