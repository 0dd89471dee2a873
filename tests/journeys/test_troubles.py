"""Redis, PostgreSQL and workers die under a running installation: nobody loses a signature or gets a mail twice."""

import contextlib
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from redis import Redis

from campaign.local.servers import postgres
from campaign.operations.broker import client_url
from tests.kit.installation import OF_PETITION, Answer, Installation
from tests.kit.waiting import frozen, until
from tests.security.test_leaks import DOMAIN, NAME, dump, found_in

pytestmark = pytest.mark.browser

LONG = 90.0
"""Seconds for programs to start again on a busy machine."""


def programs(site: Installation) -> dict[str, int]:
    """The numbers of the programs' main processes."""
    return {name: site.program(name).pid for name in ("web", "worker-urgent", "worker-bulk", "mailserver")}


def confirmations(site: Installation, domain: str) -> Counter[str]:
    """How many confirmations each address of a domain got."""
    return Counter(mail.to for mail in site.mails(kind="confirmation") if mail.to.endswith(f"@{domain}"))


def messages(site: Installation, slug: str) -> Counter[str]:
    """Messages of a petition by state."""
    return Counter({state: number for (_, state), number in site.ledger(slug).items()})


def is_settled(site: Installation, slug: str) -> bool:
    waiting = site.sql(f"select 1 from sign_up_request where state = 'asked' and {OF_PETITION}", slug=slug)
    return not waiting and not {"planned", "claimed", "submitting"} & messages(site, slug).keys()


def test_a_signature_is_taken_while_redis_is_dead_and_its_mail_goes(site: Installation):
    slug = site.petition("without-redis")
    before = programs(site)
    with frozen(site.supervisor):
        site.redis.kill()
        begun = time.monotonic()
        answer = site.sign(slug, "during@redis.test", network="198.18.1.1")
        took = time.monotonic() - begun
        # The workers' tickers find what nobody could tell them.
        site.mail("during@redis.test", "confirmation", seconds=LONG)
    until(lambda: site.monitor()["broker"]["ok"], seconds=LONG)

    site.sign(slug, "after@redis.test", network="198.18.1.1")

    site.mail("after@redis.test", "confirmation", seconds=LONG)
    assert answer.status == 200
    assert took < 15
    assert confirmations(site, "redis.test") == {"during@redis.test": 1, "after@redis.test": 1}
    assert programs(site) == before


def test_a_flushed_redis_loses_and_doubles_nothing(site: Installation):
    slug = site.petition("flushed-redis")
    with contextlib.ExitStack() as frost:
        for lane in ("urgent", "bulk"):
            frost.enter_context(frozen(site.program(f"worker-{lane}")))
        for number in range(5):
            site.sign(slug, f"p{number}@flushed.test", network="198.18.2.1")
        with Redis.from_url(client_url(site.settings.redis_url)) as client:
            client.flushall()

    until(lambda: len(confirmations(site, "flushed.test")) == 5, seconds=LONG)

    until(lambda: is_settled(site, slug))
    assert set(confirmations(site, "flushed.test").values()) == {1}


def test_a_database_that_is_away_is_said_in_plain_words_and_nothing_needs_a_restart(site: Installation):
    slug = site.petition("without-database")
    settings, before = site.settings, programs(site)
    stamped = site.get(f"/p/{slug}?lang=en").text.partition('name="stamp" value="')[2].partition('"')[0]
    form = {"name": "Zahra", "email": "during@database.test", "country": "DE", "website": "", "stamp": stamped}
    with frozen(site.supervisor):
        postgres.stop(settings, hurry=True)
        time.sleep(2)
        answers = [site.post(f"/p/{slug}/sign?lang=en", form) for _ in range(3)]
        health = site.get("/healthz")
        # A web process that starts now must wait as well, not die again and again.
        [serving] = site.children("web")
        serving.kill()
        until(lambda: _status(site, "/healthz") == 503, seconds=LONG)
        time.sleep(5)
        [born] = site.children("web")
        late = site.get(f"/p/{slug}?lang=en")
    until(lambda: _status(site, "/healthz") == 200, seconds=LONG)

    until(lambda: site.sign(slug, "after@database.test", network="198.18.3.1").status == 200, seconds=LONG)

    site.mail("after@database.test", "confirmation", seconds=LONG)
    for answer in [*answers, late]:
        assert answer.status == 503
        assert "We’re briefly unavailable" in answer.text
        assert answer.headers["Retry-After"]
    assert health.status == 503
    assert born.is_running()
    assert programs(site) == before
    assert site.sql("select count(*) from message where state = 'uncertain'") == [(0,)]


def _status(site: Installation, path: str) -> int:
    with contextlib.suppress(OSError):
        return site.get(path).status
    return 0


def test_a_worker_killed_while_it_waits_for_the_mail_server_sends_exactly_once(site: Installation):
    slug = site.petition("killed-waiting")
    with frozen(site.program("mailserver")):
        site.sign(slug, "one@killed.test", network="198.18.4.1")
        until(lambda: "submitting" in messages(site, slug), seconds=LONG)
        for child in site.children("worker-urgent"):
            child.kill()

    until(lambda: is_settled(site, slug), seconds=LONG)

    assert messages(site, slug) == {"accepted": 1}
    assert confirmations(site, "killed.test") == {"one@killed.test": 1}


def test_a_worker_killed_in_the_middle_of_sending_repeats_nothing(site: Installation):
    slug = site.petition("killed-sending")
    mailbox = site.data / "mailbox"

    def sign(number: int) -> Answer:
        return site.sign(slug, f"p{number}@burst.test", network=f"198.18.{50 + number // 8}.1")

    with frozen(site.program("mailserver")), ThreadPoolExecutor(4) as pool:
        assert {answer.status for answer in pool.map(sign, range(40))} == {200}
    # Now the first of forty mails goes out; a moment later the whole worker is dead.
    there = len(list(mailbox.iterdir()))
    until(lambda: len(list(mailbox.iterdir())) > there + 4)
    kill_family(site.program("worker-urgent"))

    until(lambda: is_settled(site, slug), seconds=LONG)
    found = messages(site, slug)
    received = confirmations(site, "burst.test")
    assert found.keys() <= {"accepted", "uncertain"}
    assert found.total() == 40
    assert found["uncertain"] <= 2
    assert set(received.values()) == {1}
    assert found["accepted"] <= len(received) <= 40


def kill_family(process: psutil.Process) -> None:
    """A main process and its children at once, as the kernel does when memory ends."""
    for member in [*process.children(recursive=True), process]:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()


@pytest.mark.parametrize("header", ["Host", "X-Forwarded-Host"])
def test_no_foreign_host_name_gets_anywhere(site: Installation, header: str):
    slug = site.petition(f"foreign-{header.lower()}")
    paths = ("/", f"/p/{slug}", "/mailbox", "/c/token", "/static/site.css")

    answers = [site.get(path, **{header: "evil.test"}) for path in paths]
    site.sign(slug, f"{header.lower()}@foreign.test", network="198.18.6.1")

    if header == "Host":
        assert {answer.status for answer in answers} == {400}
    assert all(b"evil.test" not in answer.body for answer in answers)
    assert all(link.startswith(site.url) for link in site.mail(f"{header.lower()}@foreign.test", "confirmation").links)


def test_no_canary_is_in_clear_outside_its_own_mailbox(site: Installation):
    slug, email = site.petition("canaries"), f"canary-fine@{DOMAIN}"
    with contextlib.ExitStack() as frost:
        for lane in ("urgent", "bulk"):
            frost.enter_context(frozen(site.program(f"worker-{lane}")))
        site.sign(slug, email, name=NAME, network="198.18.7.1")
        site.sign(slug, f"canary odd@{DOMAIN}", name=NAME, network="198.18.7.1")
        with Redis.from_url(client_url(site.settings.redis_url)) as client:
            queued = [(key, client.dump(key)) for key in client.scan_iter()]
    site.post(site.mail(email, "confirmation", seconds=LONG).link("/c/"), {})
    own = site.mail(email, "thank_you", seconds=LONG).link("/me/")
    assert site.get(own).status == 200
    assert site.post(own, {"action": "correct", "name": f"{NAME} https://{DOMAIN}", "country": "DE"}).status == 422

    rows = list(dump(site))
    # The append-only file of Redis holds every command it ever got.
    files = [path for path in site.data.rglob("*") if path.is_file() and "mailbox" not in path.parts]
    logs = [*files, *postgres.cluster(site.settings).parent.glob("*.log"), site.folder / "said"]

    assert queued
    assert found_in(repr(queued).encode()) == []
    assert {(table, canary) for table, row in rows for canary in found_in(row)} == set()
    assert {str(path): found for path in logs if (found := found_in(path.read_bytes()))} == {}
    assert any(path.name.endswith(".aof") for path in files)
    assert any(path.name == "web.log" for path in files)
