"""A runtime on a clean database, a clock that tests move, and factories with traits."""

import base64
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from campaign.blasts import milestones
from campaign.database.connection import Transaction
from campaign.delivery.composer import Composer
from campaign.delivery.delivery import Deliverer, DeliveryCounts
from campaign.petitions import petitions
from campaign.petitions import rules as petition_rules
from campaign.runtime import Runtime, build
from campaign.security.tokens import Purpose
from campaign.settings import Settings, load_settings
from campaign.signatures import admission, codes, confirming, own_links, requests, signing
from campaign.signatures import queries as signature_queries
from campaign.states import Lane, SignatureState
from tests.kit.memory_transport import MemoryTransport

KEYS = "k1:" + base64.b64encode(bytes(range(32))).decode()
START = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


@dataclass
class Clock:
    """A clock that stands until a test moves it."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **amount: float) -> None:
        self.now += timedelta(**amount)


def settings_for(database_url: str, folder: Path, **overrides: str) -> Settings:
    """Settings as `make run` would have them, on a test's database and folder."""
    environ = {
        "DATABASE_URL": database_url,
        "COUNTERSIGN_DATA": str(folder),
        "COUNTERSIGN_KEYS": KEYS,
        "SMTP_URL": "smtp://127.0.0.1:2525",
    }
    return load_settings(environ, **overrides)


class PatientDeliverer(Deliverer):
    """A deliverer whose drain ends when nothing is due, however little time a busy machine leaves it."""

    def drain(self, *, seconds: float = 600.0) -> DeliveryCounts:
        return super().drain(seconds=seconds)


@dataclass
class World:
    """A runtime with the steps that tests take in it."""

    runtime: Runtime
    clock: Clock
    nudged: list[frozenset[Lane]] = field(default_factory=list)

    def petition(self, slug: str = "a-petition", *, live: bool = True, locales: tuple[str, ...] = ("en",)) -> str:
        """A petition with a text in each language; returns its slug."""
        drafts = {
            locale: petition_rules.Draft(
                title=f"A petition ({locale})", addressed_to="The Government", body="Please act."
            )
            for locale in locales
        }
        new = petitions.NewPetition(slug=slug, author="An author", default_locale=locales[0])
        petitions.create(self.runtime, new, drafts)
        if live:
            petitions.publish(self.runtime, slug)
        return slug

    def ask(
        self, slug: str, email: str = "zahra@example.org", *, name: str = "Zahra", network: str | None = None, **form
    ) -> str:
        """Send the sign form; returns the reference of the request, which no worker has looked at yet."""
        typed = signing.SignForm(name=name, email=email, country=form.pop("country", "DE"), **form)
        return requests.request_signature(self.runtime, slug, typed, network=network)

    def sign(self, slug: str, email: str = "zahra@example.org", **form) -> str:
        """Send the sign form, and let a worker decide; returns the reference of the request."""
        ref = self.ask(slug, email, **form)
        self.admit()
        return ref

    def resend(self, email: str = "zahra@example.org") -> None:
        """Ask for links to all signatures of a mailbox, and let a worker decide."""
        requests.request_mine(self.runtime, email, network=None)
        self.admit()

    def admit(self) -> Counter[str]:
        """Do what an urgent worker does before it sends; returns how many requests had each outcome."""
        return admission.admit_all(self.runtime)

    def signature(self, slug: str, email: str = "zahra@example.org", *, confirmed: bool = False, **form) -> int:
        """A stored signature; returns its id."""
        self.sign(slug, email, **form)
        row = self.rows(slug, email)[-1]
        if confirmed:
            confirming.confirm(self.runtime, self.confirm_token(row.id))
        return row.id

    def deliver(self, *, transport=None) -> None:
        """Send what is due in the urgent lane; codes work once their email was handed over."""
        deliverer = self.deliverer(transport=transport)
        deliverer.drain()
        deliverer.close()

    def opened(self, slug: str) -> petitions.Opened:
        """A petition with its key, as stored now."""
        return petitions.by_slug(self.runtime, slug, fresh=True)

    def rows(self, slug: str, email: str) -> list[signature_queries.Signature]:
        """The pending and confirmed signatures of a mailbox."""
        opened = petitions.by_slug(self.runtime, slug, fresh=True)
        found = self.sql(
            """
            select id from signature where petition_id = %(petition)s and address_index = %(index)s
                and state in ('pending', 'confirmed') order by state = 'confirmed' desc, id""",
            petition=opened.petition.id, index=opened.open_key.index(email.casefold()),
        )  # fmt: skip
        return [self.row(signature_id) for (signature_id,) in found]

    def row(self, signature_id: int) -> signature_queries.Signature:
        """One signature."""
        found = self.read(lambda tx: signature_queries.by_id(tx, signature_id))
        assert found is not None
        return found

    def state(self, signature_id: int) -> SignatureState:
        """The state of one signature."""
        return self.row(signature_id).state

    def confirm_token(self, signature_id: int) -> str:
        return self.runtime.tokens.issue(Purpose.CONFIRM, signature_id, self.row(signature_id).nonce)

    def manage_token(self, signature_id: int) -> str:
        return own_links.manage_token(self.runtime, signature_id, self.row(signature_id).nonce)

    def code(self, signature_id: int) -> str:
        return codes.code_for(self.runtime, signature_id, self.row(signature_id).nonce)

    def read(self, work):
        """Run a named query."""
        return self.runtime.store.transact(work)

    def sql(self, statement: str, **values: object) -> list:
        """Rows of a statement, for a look behind the scenes."""
        from_db = self.read(lambda tx: _all(tx, statement, values))
        return list(from_db)

    def count(self, slug: str) -> int:
        """Run the counter and read the public count."""
        milestones.count_signatures(self.runtime)
        petitions.forget(self.runtime, slug)
        return petitions.count(self.runtime, slug).count

    def deliverer(self, lane: Lane = Lane.URGENT, *, transport=None) -> Deliverer:
        """A deliverer with a memory transport, or the one given."""
        composer = Composer(self.runtime)
        return PatientDeliverer(self.runtime, lane, composer=composer, transport=transport or MemoryTransport())


def _all(tx: Transaction, statement: str, values: dict[str, object]):
    result = tx.connection.exec_driver_sql(statement, values or None)
    return result.all() if result.returns_rows else []


def make_world(database_url: str, folder: Path, **overrides: str) -> World:
    """A world on a database."""
    clock, nudged = Clock(), []
    settings = settings_for(database_url, folder, **overrides)
    runtime = build(settings, nudge=nudged.append, clock=clock)
    return World(runtime, clock, nudged)
