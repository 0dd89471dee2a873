"""A ledger as a test wants it: messages in any state, workers that live, a ticker that looked, people who sign in."""

from datetime import timedelta

from flask import Flask
from flask.testing import FlaskClient

from campaign.accounts import accounts
from campaign.accounts import sign_in as account_sign_in
from campaign.accounts.accounts import Account, Role
from campaign.database import jobs as database_jobs
from campaign.outbox import workers
from campaign.states import Lane
from tests.kit.worlds import World

MOMENTS = ("planned_at", "due_at", "settled_at", "lease_until")


def put(world: World, number: int = 1, **columns: object) -> list[int]:
    """Put messages into the ledger; moments are seconds from now. Returns their ids."""
    values = {"kind": "thank_you", "lane": "urgent", "planned_at": 0, "due_at": 0} | columns
    if "signature_id" not in values and "account_id" not in values:
        values["account_id"] = some_account(world)
    now = world.clock.now
    values |= {name: now + timedelta(seconds=values[name]) for name in MOMENTS if values.get(name) is not None}
    names, marks = ", ".join(values), ", ".join(f"%({name})s" for name in values)
    rows = f"select {marks} from generate_series(1, {number})"
    return [row[0] for row in world.sql(f"insert into message ({names}) {rows} returning id", **values)]


def some_account(world: World) -> int:
    """An account that mail can go to."""
    found = accounts.find(world.runtime, "someone@example.org")
    if found is not None:
        return found.id
    return accounts.create(world.runtime, email="someone@example.org", name="Someone", role=Role.ORGANISER)


def serve(world: World) -> None:
    """Both lanes have a worker that was just seen, and a ticker looked."""
    now = world.clock.now
    for lane in Lane:
        worker_id = world.read(lambda tx, lane=lane: workers.add(tx, host="mail-1", pid=42, lane=lane))
        world.read(lambda tx, worker_id=worker_id: workers.seen(tx, worker_id, now=now))
    world.read(lambda tx: database_jobs.claim_due(tx, {"signatures.count": timedelta(seconds=2)}, now=now))


def admin(world: World, email: str = "ada@example.org", *, name: str = "Ada", locale: str = "en") -> Account:
    """An admin."""
    accounts.create(world.runtime, email=email, name=name, role=Role.ADMIN, locale=locale)
    found = accounts.find(world.runtime, email)
    assert found is not None
    return found


def sign_in(world: World, app: Flask, account: Account) -> FlaskClient:
    """A client with an open session."""
    client = app.test_client()
    link = account_sign_in.sign_in_link(world.runtime, account.id).removeprefix(world.runtime.settings.base_url)
    assert client.post(link).status_code == 303
    return client
