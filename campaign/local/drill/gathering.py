"""Gathering: from the database, the mail server's diary and what was watched to evidence that can be judged."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from campaign.accounts.addresses import parse
from campaign.blasts import milestones
from campaign.local.drill import queries
from campaign.local.drill.evidence import (
    Announced,
    Counted,
    Evidence,
    MessageRow,
    RequestRow,
    Search,
    SignatureRow,
    SignedUp,
)
from campaign.local.drill.killer import InjectedFault
from campaign.local.drill.leaks import LeakScanner
from campaign.local.drill.people import FakePeople
from campaign.local.drill.receiver import Receiver
from campaign.local.drill.watching import Watcher, recovery
from campaign.mail.verp import Names
from campaign.petitions import petitions
from campaign.runtime import Runtime


@dataclass(frozen=True)
class Sources:
    """Everything that knows something when a drill is over."""

    runtime: Runtime
    receiver: Receiver
    crowd: FakePeople
    watcher: Watcher
    seeker: LeakScanner
    injected: tuple[InjectedFault, ...]
    restarts: int
    recipients: int
    blast_id: int
    stream_petition: int
    stream_slug: str
    ladder: Mapping[int, tuple[int, ...]]
    settled: bool


def gather(scene: Sources) -> Evidence:
    """Read everything once; the installation is at rest."""
    runtime, diary = scene.runtime, scene.receiver.diary
    message_of = Names.by(runtime).message_of
    messages = {row[0]: MessageRow(*row) for row in runtime.store.transact(queries.messages)}
    offers = tuple((offer.at, message_of(offer.mail_from)) for offer in diary.offers())
    lanes = [(at, messages[number].lane) for at, number in offers if number in messages]
    find = _finder(scene, messages)
    shown = runtime.store.transact(queries.counts)
    drift = milestones.recount(runtime)
    return Evidence(
        recipients=scene.recipients,
        blast_id=scene.blast_id,
        ladder=scene.ladder,
        messages=messages,
        signatures={row[0]: SignatureRow(*row) for row in runtime.store.transact(queries.signatures)},
        offers=offers,
        taken=tuple((taken.at, message_of(taken.mail_from), taken.recipient) for taken in diary.taken()),
        refused=frozenset(
            number for refusal in diary.refusals() if (number := message_of(refusal.mail_from)) is not None
        ),
        returned=frozenset(number for address in diary.returner.failed if (number := message_of(address)) is not None),
        silences=tuple((message_of(silence.mail_from), silence) for silence in diary.silences()),
        requests=tuple(RequestRow(*row) for row in runtime.store.transact(queries.requests)),
        sign_ups=tuple(
            SignedUp(signer.plan.number, signer.signed_at, find(signer.address), signer.confirmed)
            for signer in scene.crowd.signers
            if signer.signed_at is not None
        ),
        changes=tuple(scene.crowd.changes(find)),
        equations=tuple(scene.watcher.equations),
        counts=tuple(Counted(*count, drift=drift) for count in shown),
        milestones=tuple(Announced(*row) for row in runtime.store.transact(queries.milestones)),
        faults=tuple(recovery(injected, scene.watcher.looks, lanes) for injected in scene.injected),
        restarts=scene.restarts,
        search=Search(
            dict(scene.seeker.places), tuple(f"{place} ({n} kinds)" for place, n in scene.seeker.found.items())
        ),
        settled=scene.settled,
    )


def _finder(scene: Sources, messages: Mapping[int, MessageRow]) -> Callable[[str], int | None]:
    """Tells the signature of a newcomer's address: by the mail that came there, for an erased row forgets it."""
    runtime = scene.runtime
    message_of = Names.by(runtime).message_of
    key = petitions.by_slug(runtime, scene.stream_slug, fresh=True).open_key
    by_mail: dict[str, int] = {}
    for offer in scene.receiver.diary.offers():
        row = messages.get(message_of(offer.mail_from) or 0)
        if row is not None and row.signature_id is not None:
            by_mail.setdefault(offer.recipient, row.signature_id)

    def find(address: str) -> int | None:
        if address in by_mail:
            return by_mail[address]
        index = key.index(parse(address).canonical)
        return runtime.store.transact(lambda tx: queries.at_address(tx, scene.stream_petition, index))

    return find
