"""Fair to shared networks: what is limited is what is not answered, as all processes share it in Redis."""

from contextlib import suppress
from datetime import timedelta

import pytest
from redis import Redis

from campaign.errors import NetworkBusyError
from campaign.networks.labels import label_of
from campaign.operations.broker import client_url
from campaign.signatures import confirming, requests
from tests.kit.crowds import MINUTE, SHARED, Crowd
from tests.kit.worlds import make_world


def make_shared(database_url, folder, redis_url, redis_prefix, **more):
    return make_world(database_url, folder, redis_url=redis_url, redis_prefix=redis_prefix, **more)


@pytest.fixture
def shared(database_url, redis_url, redis_prefix, tmp_path):
    """A world whose processes share what they know about networks."""
    made = make_shared(database_url, tmp_path, redis_url, redis_prefix)
    yield made
    made.runtime.close()


def test_four_hundred_people_of_one_network_are_all_mailed_within_five_minutes(shared):
    crowd = Crowd(shared, presses=lambda number: number % 10)

    for minute in range(18):
        crowd.press()
        crowd.arrive(40 if minute < 10 else 0)
        crowd.work()
        shared.clock.forward(minutes=1)

    assert (len(crowd.waits), len(crowd.waiting), crowd.refused) == (400, 0, 0)
    assert max(crowd.waits) < 5 * MINUTE
    assert shared.count(crowd.slug) == 360


def test_ten_thousand_forms_of_a_bot_have_few_emails_out_at_once_and_others_are_served_at_once(shared):
    crowd, most = Crowd(shared), 0

    for minute in range(10):
        crowd.arrive(1000)
        neighbour = shared.ask(crowd.slug, f"n{minute}@example.org", name="Neighbour", network=f"198.51.{minute}.1")
        crowd.work()
        served = "select state, signature_id is not null from sign_up_request where ref = %(ref)s"
        assert shared.sql(served, ref=requests.as_bytes(neighbour)) == [("admitted", True)]
        shared.clock.forward(minutes=1)
    for _ in range(7 * 6):
        crowd.work()
        most = max(most, crowd.out())
        shared.clock.forward(minutes=10)

    # The ten neighbours have not answered either.
    assert most <= 20 + 10
    # Whatever the form took is sent.
    assert (len(crowd.waits), len(crowd.waiting), crowd.refused) == (140, 0, 10_000 - 140)
    assert max(crowd.waits) <= timedelta(hours=6)


def test_a_confirmation_lets_the_next_of_the_line_go_at_once(shared):
    crowd = Crowd(shared, presses=lambda number: number == 1)
    crowd.arrive(25)
    crowd.work()

    shared.clock.forward(minutes=2)
    crowd.press()
    crowd.work()

    # Its place, and one more.
    assert len(crowd.waits) == 22


def test_a_second_press_frees_nothing(shared):
    crowd = Crowd(shared, presses=lambda number: number == 1)
    crowd.arrive(25)
    crowd.work()
    signed = crowd.answering[0][1]
    shared.clock.forward(minutes=2)
    for _ in range(3):
        confirming.confirm(shared.runtime, shared.confirm_token(signed))

    crowd.work()

    assert len(crowd.waits) == 22


def test_an_answer_frees_the_place_of_an_email_that_was_sent_again_too(shared):
    slug, now = shared.petition(), shared.clock()
    ref = shared.sign(slug, network=SHARED)
    shared.clock.forward(minutes=11)
    requests.request_again(shared.runtime, slug, ref, network=SHARED)
    shared.admit()
    label = label_of(SHARED, shared.runtime.settings.keys, now)
    assert shared.runtime.networks.look(label, shared.clock()).out == 2

    confirming.confirm(shared.runtime, shared.confirm_token(shared.rows(slug, "zahra@example.org")[0].id))

    assert shared.runtime.networks.look(label, shared.clock()).out == 0


def test_what_was_promised_is_sent_in_time_when_redis_forgets(shared, redis_url):
    crowd = Crowd(shared)
    crowd.arrive(50)
    crowd.work()
    with Redis.from_url(client_url(redis_url)) as client:
        client.flushdb()

    for _ in range(13):
        shared.clock.forward(minutes=10)
        crowd.work()

    assert (len(crowd.waits), len(crowd.waiting)) == (50, 0)
    assert max(crowd.waits) == timedelta(hours=2)


def test_an_answer_is_counted_while_redis_is_away(shared, redis_url):
    crowd = Crowd(shared, presses=lambda number: number == 1)
    crowd.arrive(1)
    crowd.work()
    away = make_world(
        shared.runtime.settings.database_url, shared.runtime.settings.data, redis_url="redis://127.0.0.1:1/"
    )

    confirmed = confirming.confirm(away.runtime, shared.confirm_token(crowd.answering[0][1]))
    away.runtime.close()

    assert confirmed.slug == crowd.slug
    assert shared.count(crowd.slug) == 1


def test_networks_of_the_allow_list_have_no_limit(database_url, redis_url, redis_prefix, tmp_path):
    allowed = "203.0.113.0/24 2001:db8::/32"
    world = make_shared(
        database_url,
        tmp_path,
        redis_url,
        redis_prefix,
        open_networks=allowed,
        network_places="2",
    )
    slug = world.petition()
    for number in range(4):
        world.ask(slug, f"a{number}@example.org", network="::ffff:203.0.113.9")
        world.ask(slug, f"b{number}@example.org", network="2001:db8::1")
        world.ask(slug, f"c{number}@example.org", network="198.51.100.1")

    assert world.admit()["new"] == 4 + 4 + 2
    world.runtime.close()


def test_redis_holds_no_address_and_forgets_all_within_a_day_or_two(shared, redis_url):
    crowd = Crowd(shared)
    crowd.arrive(25)

    with Redis.from_url(client_url(redis_url)) as client:
        found = {key: client.ttl(key) for key in client.scan_iter() if b"network:" in key or b"place:" in key}
        texts = b" ".join([*found, *(client.get(key) for key in found)])

    assert len(found) == 26
    assert all(0 < seconds <= 26 * 3600 for seconds in found.values())
    assert b"203.0" not in texts
    assert b"example" not in texts


def test_a_line_leaves_no_network_beside_a_decided_request(shared):
    crowd = Crowd(shared)
    shared.clock.forward(seconds=7)
    crowd.arrive(25)
    [(held, seconds)] = shared.sql(
        "select count(*), max(extract(second from due_at)) from sign_up_request where network is not null"
    )
    shared.clock.forward(hours=1)
    crowd.work()

    assert (held, seconds) == (5, 0)
    assert shared.sql("select count(*) from sign_up_request where network is not null or ticket is not null") == [(0,)]


def test_those_who_ask_for_their_links_take_no_place_of_those_who_sign_and_raise_no_shield(shared):
    slug = shared.petition()
    later = [requests.request_mine(shared.runtime, f"p{number}@example.org", network=SHARED) for number in range(60)]
    shared.clock.forward(minutes=15)

    ref = shared.ask(slug, network=SHARED)

    assert later.count(None) == 20
    assert max(filter(None, later)) == shared.clock.now - timedelta(minutes=15) + timedelta(hours=2)
    assert requests.look_up(shared.runtime, slug, ref).arrives_at is None
    assert shared.runtime.networks.listed(shared.clock.now) == []


def test_a_flood_that_asks_for_links_is_held_to_so_many_an_hour(shared):
    taken = 0
    for number in range(200):
        with suppress(NetworkBusyError):
            requests.request_mine(shared.runtime, f"p{number}@example.org", network=SHARED)
            taken += 1

    assert taken == 20 * 7
