"""One drill from beginning to end: set the stage, let everything happen, wait until it is settled, gather, judge."""

import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Final
from urllib.parse import unquote, urlsplit

from campaign.accounts import accounts
from campaign.accounts.accounts import Account, Role
from campaign.blasts import blasts
from campaign.blasts.rules import BlastText
from campaign.errors import EngineError, StoreUnavailableError
from campaign.local.drill import gathering, queries
from campaign.local.drill.evidence import Evidence
from campaign.local.drill.killer import FaultInjector, InjectedFault
from campaign.local.drill.leaks import LeakMarkers, LeakScanner
from campaign.local.drill.people import Browser, FakePeople
from campaign.local.drill.plan import Change, ConsentChange, Order, Plan, make_plan
from campaign.local.drill.receiver import Receiver, RecordingRules, script
from campaign.local.drill.schedule import Schedule
from campaign.local.drill.site import Installation, running_site
from campaign.local.drill.verdict import DrillResult, judge
from campaign.local.drill.watching import Watcher
from campaign.local.mailserver.returns import make_maildir
from campaign.local.seed import seed as seeding
from campaign.petitions import editing, petitions
from campaign.petitions.rules import Draft
from campaign.runtime import Runtime, build
from campaign.security.request_keys import new_request_key
from campaign.signatures import own_links, preferences
from campaign.signatures.queries import open_field

BLAST, STREAM = "the-blast", "the-stream"
"""The petition whose signers get the update, and the one that newcomers sign."""

LADDER: Final = (5, 10, 20, 40, 60, 80, 100, 150, 200, 300, 400, 500)
"""Thresholds of the newcomers' petition, close together: withdrawals cross them again and again."""

LEAD: Final = timedelta(seconds=2)
"""From the scheduling of the blast to its moment."""

SAMPLE: Final = 20
"""People of the audience whose names and addresses are searched for in every spelling."""

SETTLING: Final = 180.0
"""Seconds to wait at the end until everything is settled; and one more for each forty recipients."""

Say = Callable[[str], None]
"""Called with the progress of the drill."""


def run_drill(order: Order, *, say: Say) -> DrillResult:
    """Run one drill on an installation of its own; nothing of it is left afterwards.

    Raises:
        EngineError: a server or a program can't be started, so that nothing was proved.
    """
    return judge(collect(order, say=say))


def collect(order: Order, *, say: Say) -> Evidence:
    """Run one drill and gather the evidence.

    Raises:
        EngineError: as :func:`run_drill`.
    """
    plan = make_plan(order)
    mail = _Post()
    with ExitStack() as stack:
        returned = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cs-drill-returned-")))
        make_maildir(returned)
        told = script(seed=order.seed, seconds=order.seconds, return_to=returned)
        diary = RecordingRules(told, deliver=mail.deliver)
        stack.callback(diary.returner.close)
        receiver = stack.enter_context(Receiver(diary))
        say("Starting an installation of its own ...")
        site = stack.enter_context(running_site(smtp_port=receiver.port, rate=order.rate, returned=returned))
        runtime = build(site.settings, pool_size=3)
        stack.callback(runtime.close)
        stage = set_stage(runtime, order)
        say("Starting the web server and four workers ...")
        site.start_all()
        return _Drill(plan, site, receiver, runtime=runtime, stage=stage, post=mail, say=say).run()


class _Post:
    """Brings mail from the server to the people, once they are there."""

    def __init__(self) -> None:
        self.crowd: FakePeople | None = None

    def deliver(self, recipient: str, data: bytes) -> None:
        if self.crowd is not None:
            self.crowd.receive(recipient, data)


@dataclass(frozen=True)
class Stage:
    """What is there before anything happens."""

    organiser: Account
    blast_petition: int
    stream_petition: int
    audience: tuple[queries.Signer, ...]
    sample: tuple[tuple[str, str], ...]


def set_stage(runtime: Runtime, order: Order) -> Stage:
    """Two petitions, an organiser, and the audience of the blast."""
    accounts.create(runtime, email="organiser@example.org", name="Olga Organiser", role=Role.ORGANISER)
    organiser = accounts.find(runtime, "organiser@example.org")
    if organiser is None:
        raise StoreUnavailableError("the organiser's account was not kept")
    ids = {}
    for slug in (BLAST, STREAM):
        new = petitions.NewPetition(slug=slug, author="A group that drills")
        draft = Draft(title=f"A drill: {slug}", addressed_to="Nobody", body="This is a drill.")
        ids[slug] = petitions.create(runtime, new, {"en": draft}, owner_id=organiser.id)
        petitions.publish(runtime, slug)
    for slug, ladder, policy in ((BLAST, (10_000_000,), "record"), (STREAM, LADDER, "announce")):
        now = editing.settings(runtime, ids[slug])
        wanted = replace(now, milestones=ladder, milestone_policy=policy)
        editing.save_settings(runtime, slug, ids[slug], wanted, by=organiser)
    dice = Random(f"audience {order.seed}")  # noqa: S311 - invented people are no secret
    wanted_signers = seeding.SeedPlan(signatures=order.recipients, confirmed=True, updates=1.0)
    seeding.sow(runtime, BLAST, wanted_signers, chance=dice)
    audience = tuple(runtime.store.transact(lambda tx: queries.signers(tx, ids[BLAST])))
    key = petitions.by_slug(runtime, BLAST, fresh=True).open_key
    sample = tuple(
        (open_field(key, who.id, "name", who.name) or "", open_field(key, who.id, "address", who.address) or "")
        for who in dice.sample(audience, min(SAMPLE, len(audience)))
    )
    return Stage(organiser, ids[BLAST], ids[STREAM], audience, sample)


def _schedule_blast(runtime: Runtime, stage: Stage) -> int:
    body = "Dear {{name}},\n\nthis is an update.\n\n- It goes out while the axe falls.\n"
    blast_id = blasts.save_draft(
        runtime,
        stage.blast_petition,
        {"en": BlastText("News while the axe falls", body)},
        by=stage.organiser,
        request_key=new_request_key(),
    )
    moment = (runtime.clock() + LEAD).replace(tzinfo=None)
    blasts.schedule(runtime, blast_id, stage.blast_petition, local=moment, zone="UTC", by=stage.organiser)
    return blast_id


class _Drill:
    """What happens between the start of the programs and the last look."""

    def __init__(
        self,
        plan: Plan,
        site: Installation,
        receiver: Receiver,
        *,
        runtime: Runtime,
        stage: Stage,
        post: _Post,
        say: Say,
    ) -> None:
        self._plan = plan
        self._site = site
        self._receiver = receiver
        self._runtime = runtime
        self._stage = stage
        self._say = say
        self._browser = Browser(site.settings.port)
        self._agenda = Schedule(threads=4)
        self._crowd = FakePeople(self._browser, self._agenda, slug=STREAM, sign_ups=plan.sign_ups)
        self._seeker = LeakScanner(LeakMarkers(stage.sample))
        self._watcher = Watcher(runtime, self._seeker)
        self._injector = FaultInjector(site, receiver)
        self._injected: list[InjectedFault] = []
        self._blast_id = 0
        post.crowd = self._crowd

    def run(self) -> Evidence:
        """Let it happen; gather what is left."""
        self._watcher.start()
        try:
            self._blast_id = _schedule_blast(self._runtime, self._stage)
            self._wait_for_audience()
            self._happen()
            settled = self._settle()
            self._last_look()
        finally:
            self._injector.close()
            self._agenda.end()
            self._watcher.stop()
        if self._agenda.errors:
            raise self._agenda.errors[0]
        if self._watcher.broke_off:
            raise EngineError("The drill's watcher broke off, so that nothing was proved.")
        return gathering.gather(
            gathering.Sources(
                runtime=self._runtime,
                receiver=self._receiver,
                crowd=self._crowd,
                watcher=self._watcher,
                seeker=self._seeker,
                injected=tuple(self._injected),
                restarts=self._injector.restarts,
                recipients=self._plan.order.recipients,
                blast_id=self._blast_id,
                stream_petition=self._stage.stream_petition,
                stream_slug=STREAM,
                ladder={self._stage.stream_petition: LADDER},
                settled=settled,
            )
        )

    def _wait_for_audience(self) -> None:
        deadline = time.monotonic() + 60
        while not any(look.frozen for look in self._watcher.equations):
            if time.monotonic() > deadline:
                raise EngineError("the blast does not start")
            time.sleep(0.05)

    def _happen(self) -> None:
        start = time.monotonic()
        self._crowd.begin(start)
        for change in self._plan.changes:
            self._agenda.at(start + change.at, lambda change=change: self._change(change))  # type: ignore[misc]
        total = len(self._plan.faults)
        for number, fault in enumerate(self._plan.faults, 1):
            time.sleep(max(0.0, start + fault.at - time.monotonic()))
            self._injected.append(self._injector.inject(fault))
            self._say(f"{number} of {total} faults: {fault.kind.replace('_', ' ')}; {self._progress()}")
        self._injector.finish()
        time.sleep(max(0.0, start + self._plan.order.seconds - time.monotonic()))

    def _change(self, change: ConsentChange) -> None:
        who = self._stage.audience[change.recipient]
        if change.change is Change.UNSUBSCRIBE:
            path = f"/u/{preferences.unsubscribe_token(self._runtime, who.id)}"
        else:
            path = f"/me/{own_links.manage_token(self._runtime, who.id, who.nonce)}"
        self._crowd.change_mind(who.id, change.change, path)

    def _progress(self) -> str:
        return f"{len(self._receiver.diary.taken()):,} mails taken"

    # --- The end ---

    def _settle(self) -> bool:
        """Wait until there is no work left; False if patience ends first."""
        patience = SETTLING + self._plan.order.recipients / 40
        deadline, calm = time.monotonic() + patience, 0
        while time.monotonic() < deadline:
            self._injector.revive()
            left = self._left()
            self._say(f"Settling: {left} still open; {self._progress()}")
            calm = calm + 1 if left == 0 and self._agenda.is_idle else 0
            if calm == CALM:
                return True
            time.sleep(1)
        return False

    def _left(self) -> int:
        """How much is still to be done; a lot, while the database is away."""
        try:
            return (
                self._runtime.store.transact(
                    lambda tx: (
                        queries.undecided(tx)
                        + queries.open_messages(tx)
                        + queries.uncounted(tx)
                        + queries.unfrozen_blasts(tx)
                        + queries.unapplied(tx)
                    )
                )
                + self._unread()
            )
        except StoreUnavailableError:
            return 1

    def _unread(self) -> int:
        """How much has come back and was not read yet."""
        folder = Path(unquote(urlsplit(self._site.settings.return_mailbox_url).path))
        return sum(1 for _ in (folder / "new").iterdir())

    def _last_look(self) -> None:
        """Search what was written while all ran."""
        settings = self._site.settings
        self._seeker.search("metrics", self._browser.ask("GET", "/metrics").text.encode())
        self._seeker.search_files("logs", self._site.logs)
        self._seeker.search_files("what Redis wrote", (settings.data / "redis").rglob("*"))
        self._seeker.search_files("journals", (settings.data / "journal").glob("*"))


CALM: Final = 4
"""Looks in a row, a second apart, at which nothing was left: the count lags by two of its intervals of two seconds."""
