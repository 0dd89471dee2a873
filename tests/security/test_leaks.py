"""Seeded names and addresses are in clear in no table, no queue and no log, whatever went wrong (P5, F56)."""

import base64
import logging
import urllib.parse

import pytest
from redis import Redis

from campaign.delivery.jobs import run_job
from campaign.delivery.journal import recover
from campaign.errors import CountersignError
from campaign.local.mailserver.faults import FaultServer
from campaign.local.mailserver.script import Fault, Script
from campaign.operations import backup_and_keys
from campaign.operations.broker import client_url
from campaign.signatures import confirming, petition_page, preferences, signing
from campaign.smtp.settings import Security, SmtpSettings
from campaign.smtp.smtp import SmtpTransport
from tasks.app import schedule
from tasks.nudging import enqueue_job, wake
from tests.kit.worlds import settings_for

NAME = "Canarina Gelbvogel"
REASON = "Kanarienlied singt"
LOCALS = tuple(f"canary-{fate}" for fate in ("fine", "grey", "gone", "silent", "odd", "declined", "erased"))
DOMAIN = "aviary-canary.example"
FAULTS = (
    Fault("rcpt", f"450 4.2.0 <canary-grey@{DOMAIN}> try later", recipient=f"canary-grey@{DOMAIN}"),
    Fault("rcpt", f"550 5.1.1 <canary-gone@{DOMAIN}>: unknown", recipient=f"canary-gone@{DOMAIN}"),
    Fault("dot", "drop", recipient=f"canary-silent@{DOMAIN}"),
    Fault("dot", f"554 mail to canary-odd@{DOMAIN} refused", recipient=f"canary-odd@{DOMAIN}"),
)


def spellings(text):
    """The ways a text might be written down."""
    raw = text.encode()
    yield from (raw, raw.lower(), raw.upper(), raw[::-1], urllib.parse.quote(text).encode(), raw.hex().encode())
    for cut in range(3):
        # Base64 of the text at any offset, without the characters that its neighbours share.
        yield base64.b64encode(b"\0" * cut + raw)[4 : -4 - len(raw) % 3]


CANARIES = [
    spelling
    for text in (NAME, NAME.split(maxsplit=1)[0], NAME.split()[1], REASON.split(maxsplit=1)[0], DOMAIN, *LOCALS)
    for spelling in spellings(text)
    if len(spelling) >= 6
]


def found_in(haystack):
    low = haystack.lower()
    return sorted({canary for canary in CANARIES if canary in haystack or canary in low})


def dump(world):
    """Every column of every table, as text."""
    tables = world.sql(
        """
        select format('%I', c.relname), c.relname from pg_class c
        where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' order by 1""".replace("%", "%%")
    )
    for quoted, name in tables:
        for (row,) in world.sql("select t::text from " + quoted + " t"):
            # A bytea is written in hex: look at the bytes too.
            yield name, row.encode()
            for part in row.replace('"', "").split("\\\\x")[1:]:
                digits = part.split(",")[0].rstrip(")")
                yield name, bytes.fromhex(digits) if len(digits) % 2 == 0 else b""


@pytest.fixture
def lived(world, caplog):
    """A world in which much went wrong for the canaries."""
    caplog.set_level(logging.DEBUG)
    slug = world.petition(locales=("en", "fa"))
    ids = {}
    for local in LOCALS:
        form = {"name": NAME, "reason": REASON, "show_name": True, "wants_updates": True}
        ids[local] = world.signature(slug, f"{local}@{DOMAIN}", network="203.0.113.9", **form)
    with FaultServer(Script(faults=FAULTS)) as server:
        smtp = SmtpSettings(
            host="127.0.0.1", port=server.port, security=Security.NONE, ehlo_name="test.example", connections=2
        )
        deliverer = world.deliverer(transport=SmtpTransport(smtp))
        deliverer.drain()
        confirming.confirm(world.runtime, world.confirm_token(ids["canary-fine"]))
        confirming.confirm(world.runtime, world.confirm_token(ids["canary-erased"]))
        deliverer.drain()
        deliverer.close()
        assert server.rules.received
    for act in (
        lambda: confirming.decline(world.runtime, world.confirm_token(ids["canary-declined"])),
        lambda: preferences.erase(world.runtime, world.manage_token(ids["canary-erased"])),
        lambda: preferences.correct(world.runtime, world.manage_token(ids["canary-fine"]), name=f"{NAME} {DOMAIN}.com",
                                    country="DE", reason=""),
        lambda: confirming.confirm_with_code(world.runtime, slug, code="123456", email=f"canary-grey@{DOMAIN}"),
        lambda: world.sign(slug, f"canary fine@{DOMAIN}", name=NAME),
        lambda: world.sign(slug, f"canary-fine@{DOMAIN}", name=NAME),
        lambda: world.sign(slug, f"canary-fine@{DOMAIN}", name=f"{NAME} two"),
        lambda: world.resend(f"canary-grey@{DOMAIN}"),
        lambda: world.ask(slug, f"canary-grey@{DOMAIN}", name=NAME, reason=REASON, network="203.0.113.9"),
        lambda: preferences.unsubscribe(
            world.runtime, preferences.unsubscribe_token(world.runtime, ids["canary-fine"]), everything=True),
        lambda: preferences.withdraw(world.runtime, world.manage_token(ids["canary-fine"])),
    ):  # fmt: skip
        try:
            act()
        except CountersignError as error:
            logging.getLogger("campaign.test").error("an error page would log: %r", error)  # noqa: TRY400 - a trace shows this file
    world.clock.forward(days=2)
    for name, job in schedule(world.runtime.settings).items():
        run_job(world.runtime, name, job)
    recover(world.runtime)
    backup_and_keys.rewrap(world.runtime)
    assert petition_page.show(world.runtime, slug, "en")
    return world


def test_what_went_wrong_is_recorded(lived):
    states = dict(lived.sql("select state::text, count(*) from message group by 1"))

    assert states.keys() >= {"accepted", "planned", "rejected", "uncertain", "cancelled"}
    assert lived.sql("select count(*) from attempt") != [(0,)]


def test_no_table_holds_a_canary_in_clear(lived):
    rows = list(dump(lived))

    assert len(rows) > 100
    assert {(table, canary) for table, row in rows for canary in found_in(row)} == set()


def test_no_log_line_holds_a_canary(lived, caplog):
    records = caplog.get_records("setup")
    logged = "\n".join(f"{record.getMessage()} {record.exc_text or ''} {record.__dict__}" for record in records)

    assert "campaign.test" in logged
    assert found_in(logged.encode("utf-8", "surrogatepass")) == []


def test_no_key_of_redis_holds_a_canary(celery_app, lived, redis_url, redis_prefix, tmp_path):
    app = celery_app(settings_for("postgresql://unused/", tmp_path, redis_url=redis_url, redis_prefix=redis_prefix))
    assert wake(app, "urgent")
    assert wake(app, "requests")
    assert enqueue_job(app, "mail.recover_leases")

    with Redis.from_url(client_url(redis_url)) as client:
        values = [(key, client.dump(key)) for key in client.scan_iter()]
        shown = [client.lrange(key, 0, -1) for key in client.scan_iter(_type="LIST")]

    assert len(values) >= 2
    assert found_in(repr((values, shown)).encode()) == []


def test_the_journal_holds_ids_alone(world):
    signed = world.signature(world.petition(), f"canary-fine@{DOMAIN}", name=NAME)
    deliverer = world.deliverer()
    deliverer.journal.submit(signed)
    deliverer.journal.accept(signed)

    assert found_in(deliverer.journal.path.read_bytes()) == []
    deliverer.close()


def test_no_value_of_the_product_shows_a_canary_when_it_is_printed(world):
    slug = world.petition()
    signed = world.signature(slug, f"canary-fine@{DOMAIN}", name=NAME, reason=REASON)
    token = world.manage_token(signed)

    printed = repr(
        (
            signing.SignForm(name=NAME, email=f"canary-fine@{DOMAIN}", country="DE", reason=REASON),
            world.row(signed), preferences.own_page(world.runtime, token), world.runtime, world.opened(slug),
            signing.addresses.parse(f"canary-fine@{DOMAIN}"),
        )
    )  # fmt: skip

    assert found_in(printed.encode()) == []
