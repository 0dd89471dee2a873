"""A scene: the real delivery against the scripted mail server, on a real PostgreSQL and a real Redis.

The server runs in a thread of its own; what it accepted is counted there and compared with the ledger.
"""

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from campaign.accounts import accounts
from campaign.accounts.accounts import Account, Role
from campaign.blasts import blasts
from campaign.blasts import running as blast_running
from campaign.blasts.rules import BlastText
from campaign.delivery.composer import Composer
from campaign.delivery.delivery import Deliverer, DeliveryCounts
from campaign.delivery.journal import recover
from campaign.local.mailserver.faults import FaultRules
from campaign.local.mailserver.protocol import Answer, Transaction
from campaign.local.mailserver.running import ServerThread
from campaign.local.mailserver.script import Fault, Script
from campaign.operations import alerts
from campaign.outbox import lanes
from campaign.outbox.lanes import LaneState
from campaign.smtp.relays import Relay, RelayTransport
from campaign.smtp.settings import SmtpSettings
from campaign.states import Lane
from tests.kit.worlds import World

TEXT = {"en": BlastText("News", "Dear {{name}},\n\nwe met the minister.")}


class Watched(FaultRules):
    """The scripted rules, with the moment of each acceptance and a step that a test may put before the answer."""

    def __init__(self, script: Script, **named) -> None:
        super().__init__(script, **named)
        self.moments: list[float] = []
        self.on_data: Callable[[bytes], None] = lambda _: None
        self.before_answer: Callable[[int], None] = lambda _: None

    def message(self, transaction: Transaction, data: bytes) -> Answer:
        self.on_data(data)
        answer = super().message(transaction, data)
        self.moments.append(time.monotonic())
        self.before_answer(len(self.received))
        return answer


@dataclass
class Scene:
    """What a fault test needs: people, a server that is told what to do, and a look at everything afterwards."""

    world: World
    rules: Watched
    stack: contextlib.ExitStack
    patience: float = 2.0
    ca_file: Path | None = None
    server: ServerThread | None = None

    # --- People and their mail ---

    def people(self, number: int, *, domain: str = "example.org", slug: str = "a-petition") -> list[int]:
        """People who just signed: a confirmation waits for each. Returns the ids of the messages."""
        if not self.world.sql("select 1 from petition where slug = %(slug)s", slug=slug):
            self.world.petition(slug)
        before = self.world.sql("select coalesce(max(id), 0) from message")[0][0]
        for each in range(number):
            self.world.signature(slug, f"p{before}-{each}@{domain}")
        return [row[0] for row in self.world.sql("select id from message where id > %(id)s order by id", id=before)]

    def account(self, role: Role, email: str) -> Account:
        """Somebody who is told."""
        account_id = accounts.create(self.world.runtime, email=email, name="Ada", role=role)
        return next(each for each in accounts.list_all(self.world.runtime) if each.id == account_id)

    def blast(self, number: int, *, domain: str = "example.org", by: Account | None = None) -> int:
        """A started update of an organiser to so many people; its id."""
        olga = by or self.account(Role.ORGANISER, "olga@example.org")
        slug = self.world.petition("blasted")
        for each in range(number):
            self.world.signature(slug, f"p{each}@{domain}", confirmed=True, wants_updates=True)
        self.world.sql("update message set state = 'cancelled', settled_at = %(now)s", now=self.world.clock.now)
        petition_id = self.world.opened(slug).petition.id
        blast_id = blasts.save_draft(self.world.runtime, petition_id, TEXT, by=olga, request_key="k" * 22)
        blasts.send_now(self.world.runtime, blast_id, petition_id, by=olga)
        self.world.clock.forward(seconds=31)
        blast_running.look(self.world.runtime)
        return blast_id

    def put_off_every_second(self) -> None:
        """Half of a blast is due in an hour."""
        self.world.sql(
            "update message set due_at = due_at + interval '1 hour' where blast_id is not null and mod(id, 2) = 0"
        )

    # --- Sending ---

    def deliverer(self, lane: Lane = Lane.URGENT, **changes) -> Deliverer:
        """A deliverer with the real client, as a worker has it but for shorter deadlines."""
        url = self.world.runtime.settings.smtp_url
        found = SmtpSettings.all_from(url, ehlo_name="mail.example.org", lane=str(lane), ca_file=self.ca_file)
        relays = [
            Relay.of(replace(each, deadlines=dict.fromkeys(each.deadlines, self.patience), **changes)) for each in found
        ]
        made = Deliverer(
            self.world.runtime, lane, composer=Composer(self.world.runtime), transport=RelayTransport(relays)
        )  # fmt: skip
        self.stack.callback(made.close)
        return made

    def drain(self, lane: Lane = Lane.URGENT, *, batch: int | None = None, **changes) -> DeliveryCounts:
        """What one wake-up does: requests are admitted, then a deliverer of its own drains."""
        if lane is Lane.URGENT:
            self.world.admit()
        deliverer = self.deliverer(lane, **changes)
        if batch is not None:
            deliverer._limit = batch  # noqa: SLF001 - smaller batches than the first
        for _ in range(5):
            tally = deliverer.drain()
            # On a busy machine a batch may be given back before it is begun.
            if not tally.more:
                break
        return tally

    def later(self, lane: Lane = Lane.URGENT, **amount: float) -> DeliveryCounts:
        """Some time passes, and a worker looks again."""
        self.world.clock.forward(**amount)
        return self.drain(lane)

    # --- Looking ---

    def states(self, message_ids: list[int] | None = None) -> Counter[str]:
        """Messages to people by state; alerts and sign-in mail apart."""
        rows = self.world.sql(
            "select state from message where signature_id is not null and state <> 'cancelled'"
            " and (%(ids)s::bigint[] is null or id = any(%(ids)s))", ids=message_ids,
        )  # fmt: skip
        return Counter(state for (state,) in rows)

    def lane(self, lane: Lane = Lane.URGENT) -> LaneState:
        """How a lane stands."""
        return next(each for each in self.world.read(lanes.all_lanes) if each.lane is lane)

    def told(self) -> int:
        """The periodic look of three workers: how many mails they planned together."""
        return sum(alerts.watch(self.world.runtime) for _ in range(3))

    def alerts_sent(self) -> int:
        """How many mails to admins and organisers went out."""
        return self.world.sql("select count(*) from message where kind = 'admin_alert' and state = 'accepted'")[0][0]

    def lose_leases(self) -> None:
        """Time passes, and another worker calls uncertain what is on the wire."""
        self.world.clock.forward(seconds=121)
        recover(self.world.runtime)

    def suppressed(self) -> list[str]:
        """Reasons of suppressions."""
        return [reason for (reason,) in self.world.sql("select reason from suppression order by 1")]

    def strikes(self) -> int:
        """Marks against addresses."""
        return self.world.sql("select count(*) from bounce_strike")[0][0]

    def nobody_is_blamed(self) -> bool:
        """True if no address has a suppression or a strike."""
        return not self.suppressed() and not self.strikes()

    def waits(self) -> list[float]:
        """Seconds until each planned message is due, the soonest first."""
        now = self.world.clock.now
        rows = self.world.sql("select due_at from message where state = 'planned' and signature_id is not null")
        return sorted((due_at - now).total_seconds() for (due_at,) in rows)

    def taken(self) -> int:
        """How many mails the server accepted; none twice."""
        assert not self.rules.repeated()
        return len(self.rules.accepted)

    def equation_holds(self) -> bool:
        """P1, P2 and P6: what the server took is what the ledger calls accepted, or uncertain."""
        found = Counter(state for (state,) in self.world.sql("select state from message"))
        accepted, uncertain = found["accepted"], found["uncertain"]
        return not self.rules.repeated() and accepted <= len(self.rules.accepted) <= accepted + uncertain

    # --- The server ---

    def fault(self, phase: str, does: str, **limits) -> None:
        """Let something go wrong from now on."""
        self.rules.add(Fault(phase, does, **limits))

    @contextlib.contextmanager
    def closed(self) -> Iterator[None]:
        """While the port refuses connections; afterwards the server is back at the same port."""
        port = self.server.port
        self.stop_server()
        yield
        self.server = ServerThread(self.rules, port=port).__enter__()

    def stop_server(self) -> None:
        """Close the port."""
        self.server.__exit__(None, None, None)
