"""A16: what the mail server offers is learned at each session, and forms refuse what it is known not to take."""

import pytest

from campaign.errors import InvalidInputError
from campaign.local.mailserver.faults import FaultServer
from campaign.local.mailserver.script import Script
from campaign.outbox import relays
from campaign.outbox.relays import KEPT, relay_names
from campaign.smtp.relays import Relay
from campaign.smtp.settings import SmtpSettings
from campaign.states import Lane
from tasks.process import Process
from tests.kit.worlds import make_world, settings_for

ASCII_ONLY = ("PIPELINING", "8BITMIME")
WITH_SMTPUTF8 = (*ASCII_ONLY, "SMTPUTF8")


def accepts(world, slug, email):
    try:
        world.ask(slug, email)
    except InvalidInputError as error:
        return error.problems != {"email": "not_ascii"}
    return True


def test_a_form_refuses_what_the_server_said_it_does_not_take_until_it_says_otherwise(
    database_url, tmp_path, celery_app
):
    with FaultServer(Script(extensions=ASCII_ONLY)) as server:
        url = f"smtp://127.0.0.1:{server.port}"
        world = make_world(database_url, tmp_path, smtp_url=url)
        slug = world.petition()
        unknown = accepts(world, slug, "jürgen@example.org")
        world.signature(slug)
        used = settings_for(database_url, tmp_path, redis_url="redis://127.0.0.1:1/0", smtp_url=url)
        process = Process(celery_app(used), used, Lane.URGENT)
        process.drain()
        lacking = [accepts(world, slug, email) for email in ("jürgen@example.org", "زهرا@example.org", "j@example.org")]

        server.rules.extensions = WITH_SMTPUTF8
        process.deliverer.transport.close()
        world.signature(slug, "another@example.org")
        process.drain()
        upgraded = accepts(world, slug, "jürgen@example.org")
        process.ticker.start()
        process.close()
        world.runtime.close()
    assert (unknown, lacking, upgraded) == (True, [False, False, True], True)


def test_another_relay_setting_forgets_what_was_known(database_url, tmp_path):
    before = make_world(database_url, tmp_path, smtp_url="smtp://127.0.0.1:2525")
    slug = before.petition()
    before.read(lambda tx: relays.note(tx, {"127.0.0.1:2525": False}, now=before.clock.now))
    after = make_world(database_url, tmp_path, smtp_url="smtps://mail.example.org")

    assert not accepts(before, slug, "jürgen@example.org")
    assert accepts(after, slug, "jürgen@example.org")
    for world in (before, after):
        world.runtime.close()


def test_a_relay_for_bulk_mail_alone_has_no_say_and_one_of_several_for_urgent_mail_has(database_url, tmp_path):
    world = make_world(
        database_url, tmp_path, smtp_url="smtp://127.0.0.1:1 smtp://127.0.0.1:2 smtp://127.0.0.1:3?lane=bulk"
    )
    slug = world.petition()
    world.read(lambda tx: relays.note(tx, {"127.0.0.1:1": True, "127.0.0.1:3": False}, now=world.clock.now))
    bulk_lacks = accepts(world, slug, "jürgen@example.org")
    world.read(lambda tx: relays.note(tx, {"127.0.0.1:2": False}, now=world.clock.now))

    assert bulk_lacks
    assert not accepts(world, slug, "jürgen@example.org")
    world.runtime.close()


def test_what_was_known_of_an_unused_relay_is_forgotten_in_time(world):
    world.read(lambda tx: relays.note(tx, {"127.0.0.1:2525": False}, now=world.clock.now))
    world.clock.forward(seconds=KEPT.total_seconds() + 1)

    world.read(lambda tx: relays.purge(tx, before=world.clock.now - KEPT))

    assert world.sql("select name from relay") == []


@pytest.mark.parametrize(
    "url",
    [
        "smtp://localhost",
        "smtps://User:pass@Mail.Example.org",
        "smtp+starttls://mail.example.org:2587?weight=2&lane=bulk",
        "smtps://[::1]",
    ],
)
def test_a_relay_is_known_by_the_name_that_the_transport_has_for_it(url):
    settings = SmtpSettings.from_url(url, ehlo_name="example.org")

    assert relay_names(url) == (Relay.of(settings).name,)
