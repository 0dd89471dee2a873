"""People of one network, who sign, get their email and press its button, or not; on the clock of a world."""

from collections.abc import Callable
from datetime import datetime, timedelta

from campaign.errors import NetworkBusyError
from campaign.signatures import confirming, requests
from tests.kit.worlds import World

SHARED = "203.0.113.7"
MINUTE = timedelta(minutes=1)


class Crowd:
    """People of one network: who waits since when, who was mailed after how long, and who presses the button."""

    def __init__(
        self, world: World, *, presses: Callable[[int], object] = lambda _number: False, slug: str = "a-petition"
    ) -> None:
        self.world, self.presses, self.slug = world, presses, world.petition(slug)
        self.waiting: dict[str, datetime] = {}
        self.waits: list[timedelta] = []
        self.answering: list[tuple[datetime, int]] = []
        self.refused = 0

    def arrive(self, people: int, *, network: str = SHARED) -> None:
        for _ in range(people):
            number = len(self.waiting) + len(self.waits) + self.refused
            try:
                ref = self.world.ask(self.slug, f"{self.slug}-{number}@example.org", network=network)
            except NetworkBusyError:
                self.refused += 1
            else:
                self.waiting[ref] = self.world.clock.now

    def work(self) -> None:
        """Let a worker decide, and the people who press it press the button two minutes later."""
        now = self.world.clock.now
        self.world.admit()
        decided = "select ref, signature_id from sign_up_request where decided_at = %(now)s order by id"
        for ref, signature_id in self.world.sql(decided, now=now):
            since = self.waiting.pop(requests.as_text(ref), None)
            if since is not None:
                self.waits.append(now - since)
                if self.presses(len(self.waits)):
                    self.answering.append((now + 2 * MINUTE, signature_id))

    def press(self) -> None:
        now = self.world.clock.now
        for _, signature_id in [one for one in self.answering if one[0] <= now]:
            confirming.confirm(self.world.runtime, self.world.confirm_token(signature_id))
        self.answering = [one for one in self.answering if one[0] > now]

    def out(self) -> int:
        """Confirmations of the last hour that are not answered."""
        since = self.world.clock.now - timedelta(hours=1)
        return self.world.sql(
            """
            select count(*) from message m join signature s on s.id = m.signature_id
            where m.kind = 'confirmation' and s.state = 'pending' and m.due_at > %(since)s
                and m.petition_id = (select id from petition where slug = %(slug)s)""",
            slug=self.slug,
            since=since,
        )[0][0]
