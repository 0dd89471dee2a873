"""One sending process of a benchmark: drains the bulk lane as the worker's task does, with a signer of choice.

``python -m benchmarks.sender unsigned|rsa|ed25519 <blast>`` says when it is ready, begins when it reads a line, and
prints its processor time and its peak memory as JSON when nothing of the blast is open any more.
"""

import json
import resource
import sys
import time
from datetime import datetime

from campaign.database.connection import Transaction
from campaign.delivery.composer import Composer, Recipient
from campaign.delivery.delivery import Deliverer, calm_collector
from campaign.delivery.materials import Materials
from campaign.mail.compiled import CompiledMail
from campaign.mail.dkim import DkimKey, Signer, load_key
from campaign.outbox.claimed import Claimed
from campaign.runtime import Runtime, build
from campaign.settings import Settings, load_settings
from campaign.smtp.transport import Envelope
from campaign.states import Lane
from tasks.process import open_transport


def signer_for(settings: Settings, how: str) -> Signer | None:
    """No signer, or one with a single key: Ed25519 alone is for measuring only."""
    if how == "unsigned":
        return None
    path = settings.dkim_key_file if how == "rsa" else settings.dkim_ed25519_key_file
    assert path is not None
    key: DkimKey = load_key(path, domain=settings.mail_domain, selector="bench")
    return Signer((key,))


class WeighingMailer(Composer):
    """Knows how many bytes it has composed, so that the yardstick can send as many."""

    composed = 0
    size = 0

    def compose(
        self,
        message: Claimed,
        materials: Materials,
        recipient: Recipient,
        *,
        compiled: CompiledMail | None = None,
        at: datetime | None = None,
    ) -> Envelope:
        """As the composer does."""
        envelope = super().compose(message, materials, recipient, compiled=compiled, at=at)
        self.composed += 1
        self.size += len(envelope.data)
        return envelope


def is_open(runtime: Runtime, blast_id: int) -> bool:
    """True while a message of the blast has something to come."""

    def work(tx: Transaction) -> bool:
        found = tx.connection.exec_driver_sql(
            "select exists (select 1 from message where blast_id = %s and state in ('planned','claimed','submitting'))",
            (blast_id,),
        )
        return bool(found.scalar_one())

    return runtime.store.transact(work)


def main(how: str, blast_id: int) -> None:
    """See the module."""
    settings = load_settings()
    signer = signer_for(settings, how)
    unsigned = settings.replace(dkim_key_file=None, dkim_ed25519_key_file=None)
    runtime = build(unsigned, pool_size=3)
    composer = WeighingMailer(runtime, signer=signer)
    deliverer = Deliverer(runtime, Lane.BULK, composer=composer, transport=open_transport(settings, Lane.BULK))
    calm_collector()
    print("ready", flush=True)
    sys.stdin.readline()
    before = resource.getrusage(resource.RUSAGE_SELF)
    while True:
        deliverer.drain()
        if not is_open(runtime, blast_id):
            break
        time.sleep(0.01)
    deliverer.close()
    after = resource.getrusage(resource.RUSAGE_SELF)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(
        json.dumps(
            {"cpu_s": used, "peak_mb": after.ru_maxrss / 1024, "mails": composer.composed, "bytes": composer.size}
        ),
        flush=True,
    )
    runtime.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
