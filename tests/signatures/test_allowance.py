"""Strangers can't make us flood a mailbox, nor a network keep others from being served (F36, F37)."""

import ipaddress
from collections import Counter
from contextlib import suppress
from datetime import timedelta

from hypothesis import example, given
from hypothesis import strategies as st

from campaign.accounts import accounts
from campaign.accounts.accounts import Role
from campaign.delivery.cleanup import forget, remind
from campaign.errors import InvalidInputError, NetworkBusyError
from campaign.networks.labels import UNKNOWN, prefix_of
from campaign.signatures import confirming, preferences, requests
from campaign.states import SignatureState
from tests.kit.memory_transport import MemoryTransport


def send_for(world, *, days=0, minutes=0):
    """Drain the urgent lane every ten minutes for a while; returns what was sent, with the time."""
    transport = MemoryTransport()
    deliverer = world.deliverer(transport=transport)
    until = world.clock.now + timedelta(days=days, minutes=minutes)
    sent = []
    while world.clock.now <= until:
        world.admit()
        deliverer.drain()
        sent += [(world.clock.now, envelope.rcpt_to) for envelope in transport.sent]
        transport.sent.clear()
        world.clock.forward(minutes=10)
    deliverer.close()
    return sent


def test_hundreds_of_sign_ups_of_one_address_over_many_petitions_cause_three_mails_that_day_and_five_a_month(world):
    slugs = [world.petition(f"petition-{number}") for number in range(20)]

    sent = []
    for day in range(6):
        for slug in slugs:
            world.sign(slug, "victim@example.org", name=f"Name {'abcdefghij'[day]}")
        world.sign(slugs[0], "VICTIM@EXAMPLE.ORG")
        sent.append(len(send_for(world, days=1)))

    assert sent[0] == 3
    assert sum(sent) == 5
    assert world.sql("select distinct reason from sign_up_request where state = 'refused'") == [("mailbox_allowance",)]
    assert world.sql("select count(*) from signature") == [(5,)]


def test_mails_to_one_mailbox_are_ten_minutes_apart(world):
    for number in range(3):
        world.sign(world.petition(f"petition-{number}"))

    sent = send_for(world, minutes=40)

    assert [moment - sent[0][0] for moment, _ in sent] == [timedelta(), timedelta(minutes=10), timedelta(minutes=20)]


def test_a_couple_with_one_mailbox_is_served_and_a_third_name_only_by_mail(world):
    slug = world.petition()
    for name in ("Zahra", "Ali"):
        signed = world.signature(slug, name=name)
        world.clock.forward(minutes=11)
        confirming.confirm(world.runtime, world.confirm_token(signed))

    world.sign(slug, name="Maryam")
    world.sign(slug, name="Hossein")

    assert world.count(slug) == 2
    assert Counter(world.sql("select kind from message")) == {
        ("confirmation",): 2, ("thank_you",): 2, ("mailbox_full",): 1,
    }  # fmt: skip


def test_the_owner_hears_of_a_repeated_sign_up_once_a_month(world):
    slug = world.petition()
    world.signature(slug, confirmed=True)

    for _ in range(10):
        world.clock.forward(hours=13)
        world.sign(slug)
        world.sign(slug, "ZAHRA@example.org", name="  zahra ")

    assert world.sql("select count(*) from message where kind = 'already_signed' and state <> 'suppressed'") == [(1,)]
    assert world.sql("select count(*) from signature") == [(1,)]


def test_one_mailbox_gets_at_most_five_mails_that_others_caused_whatever_they_type(world):
    slugs = [world.petition(f"petition-{number}") for number in range(4)]
    for number in range(15):
        for slug in slugs:
            world.sign(slug, name=f"Name {'abcdefghijklmnop'[number]}")
        world.resend()
        world.clock.forward(hours=20)
        remind(world.runtime)

    sent = send_for(world, days=14)

    assert len(sent) <= 5


def ask_all(world, slug, number, *, network):
    """Send forms of as many people; returns how many the form took."""
    taken = 0
    for one in range(number):
        with suppress(NetworkBusyError):
            world.ask(slug, f"p{one}@example.org", network=network(one))
            taken += 1
    return taken


def test_a_flood_from_one_network_is_dripped_and_others_are_served_at_once(world):
    slug = world.petition()
    taken = ask_all(world, slug, 400, network=lambda one: f"203.0.113.{one % 250}")
    world.sign(slug, "neighbour@example.org", network="203.0.114.1")
    world.sign(slug, "over-ipv6@example.org", network="2001:db8::1")

    sent = send_for(world, minutes=6 * 60)

    first = {rcpt for moment, rcpt in sent if moment == sent[0][0]}
    per_hour = Counter((moment - sent[0][0]) // timedelta(hours=1) for moment, rcpt in sent if rcpt.startswith("p"))
    assert {"neighbour@example.org", "over-ipv6@example.org"} <= first
    assert len(first) == 22
    assert per_hour == dict.fromkeys(range(7), 20)
    # What the form took is sent; the rest was told to come back later.
    assert taken == len(sent) - 2 == 140
    assert world.sql("select count(*) from signature where state = 'pending'") == [(len(sent),)]


def test_the_address_of_a_network_is_kept_nowhere_and_its_hash_only_a_day(world):
    slug = world.petition()
    world.sign(slug, network="203.0.113.77")

    world.clock.forward(days=2)
    forget(world.runtime)

    assert world.sql("select count(*) from mail_allowance") == [(1,)]
    assert world.sql("select count(*) from daily_salt") == [(0,)]


def test_every_address_leaves_a_row_of_the_same_shape_and_a_page_of_the_same_words(world):
    slug = world.petition()
    world.signature(slug, "confirmed@example.org", confirmed=True)
    world.signature(slug, "waiting@example.org")
    gone = world.signature(slug, "stopped@example.org", confirmed=True)
    preferences.unsubscribe(world.runtime, preferences.unsubscribe_token(world.runtime, gone), everything=True)
    preferences.withdraw(world.runtime, world.manage_token(gone))
    world.sql("delete from sign_up_request")

    names = ("confirmed", "waiting", "stopped", "a-new-one", "x" * 64)
    refs = [world.ask(slug, f"{name}@example.org", name="Z" * min(len(name), 60)) for name in names]

    shown = [requests.look_up(world.runtime, slug, ref).address for ref in refs]
    world.clock.forward(minutes=30)
    later = [requests.look_up(world.runtime, slug, ref).address for ref in refs]
    assert shown == [f"{name}@example.org" for name in names]
    assert later == [f"{name[0]}•••@example.org" for name in names]
    shapes = world.sql("""
        select distinct kind, state, length(sealed), length(ref), length(address_index), length(mailbox), reason
        from sign_up_request""")
    assert len(shapes) == 1


def test_signing_again_gives_a_guesser_no_further_tries(world):
    slug = world.petition()
    signed = world.signature(slug, name="Zahra")
    right = world.code(signed)
    transport = MemoryTransport()
    world.deliverer(transport=transport).drain()

    tries = 0
    for _ in range(40):
        world.sign(slug, name="Zahra")
        for _ in range(5):
            tries += _wrong(world, slug, right)
    spent = world.sql("select tries from code_guess")

    assert tries == 200
    assert spent == [(200,), (200,)]
    assert world.state(signed) is SignatureState.PENDING


def _wrong(world, slug, right):
    try:
        confirming.confirm_with_code(
            world.runtime, slug, code=f"{(int(right) + 1) % 10**6:06d}", email="zahra@example.org"
        )
    except InvalidInputError:
        return 1
    return 0


def test_a_code_whose_mail_has_not_left_is_no_code(world):
    slugs = [world.petition(f"petition-{number}") for number in range(3)]
    ids = [world.signature(slug) for slug in slugs]
    for _ in range(2):
        # The third is due ten minutes later.
        world.deliver()
        world.clock.forward(minutes=10)

    def confirms(number):
        try:
            confirming.confirm_with_code(
                world.runtime, slugs[number], code=world.code(ids[number]), email="zahra@example.org"
            )
        except InvalidInputError:
            return False
        return True

    assert [confirms(number) for number in range(3)] == [True, True, False]
    world.deliver()
    assert confirms(2)


def test_fifty_strangers_names_at_a_mailbox_do_not_hide_the_person_who_owns_it(world):
    slug = world.petition()
    letters = "abcdefghijklmnopqrstuvwxyz"
    for number in range(50):
        world.sign(slug, name=f"Name {letters[number % 26]}{letters[number // 26]}")
    world.clock.forward(days=31)
    signed = world.sql("select max(id) from signature")[0][0]

    world.sign(slug, name="Zahra")
    world.sign(slug, name="Zahra")
    world.deliver()
    own = world.sql("select max(id) from signature")[0][0]
    confirming.confirm_with_code(world.runtime, slug, code=world.code(own), email="zahra@example.org")

    assert own != signed
    assert world.state(own) is SignatureState.CONFIRMED
    assert world.sql("select count(*) from signature") == [(4,)]


@given(
    st.one_of(st.ip_addresses().map(str), st.from_regex(r"[0-9]{1,4}(\.[0-9]{1,4}){0,4}", fullmatch=True), st.text())
)
@example("010.1.2.3")
@example("::ffff:10.1.2.3")
@example("10.1.2.3 ")
@example("10.1.2\x00.3")
def test_a_network_is_found_in_any_spelling_of_an_address(address):
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        parsed = None
    if parsed is not None:
        parsed = getattr(parsed, "ipv4_mapped", None) or parsed
        length = 24 if parsed.version == 4 else 56
        parsed = str(ipaddress.ip_network(f"{parsed}/{length}", strict=False))

    if parsed is not None:
        assert prefix_of(address) == parsed


def test_ports_are_understood_and_whatever_cannot_be_read_is_one_network():
    assert prefix_of("203.0.113.9:4711") == prefix_of("203.0.113.200") == "203.0.113.0/24"
    assert prefix_of("[2001:db8::1]:443") == prefix_of('"[2001:db8::2]"') == prefix_of("2001:db8::3%eth0")
    assert prefix_of("[fe80::1%25eth0]:80") == prefix_of("[fe80::2%wlan0]") == prefix_of("fe80::3")
    assert {prefix_of(entry) for entry in ("unknown", "", "_hidden", "203.0.113.9:x", "1.2.3", "\x00")} == {UNKNOWN}


def test_a_flood_whose_network_cannot_be_read_is_dripped(world):
    slug = world.petition()
    ask_all(world, slug, 40, network=lambda one: ("unknown", "", "junk:1")[one % 3])

    assert len(send_for(world)) == 20


def test_sign_ups_of_a_network_do_not_use_up_its_sign_in_mail(world):
    accounts.create(world.runtime, email="olga@example.org", name="Olga", role=Role.ORGANISER)
    slug = world.petition()
    ask_all(world, slug, 160, network=lambda _: "203.0.113.7")
    world.admit()

    requests.request_sign_in_link(world.runtime, "olga@example.org", network="203.0.113.7")

    assert world.admit() == {"sign_in": 1}


def test_no_key_or_exact_time_of_a_network_lies_in_the_database(world):
    slug = world.petition()
    world.clock.forward(seconds=7)
    world.sign(slug, network="203.0.113.7")

    assert world.sql("select count(*) from daily_salt") == [(0,)]
    networks = "expires_at < slot_at + interval '26 hours'"
    assert world.sql(f"select count(*), max(extract(second from slot_at)) from mail_allowance where {networks}") == [
        (1, 0)
    ]
    assert world.sql("select network from sign_up_request") == [(None,)]


def test_one_mailbox_in_any_spelling_gets_three_emails_a_day_over_many_petitions(world):
    slugs = [world.petition(f"petition-{number}") for number in range(4)]
    spellings = ["zahra.m", "z.ahra.m", "za.hra.m+{n}", "ZAHRAM+{n}", "zahram+a+{n}"]
    for number in range(40):
        local = spellings[number % len(spellings)].format(n=number)
        domain = ("gmail.com", "googlemail.com")[number % 2]
        world.ask(slugs[number % len(slugs)], f"{local}@{domain}", name=f"Zahra {chr(97 + number % 26)}{number}")
    world.admit()

    assert world.sql("select count(*) from message where state = 'planned'") == [(3,)]


def test_tags_are_one_mailbox_at_every_domain(world):
    slug = world.petition()
    for number in range(20):
        world.ask(slug, f"zahra+{number}@example.org", name=f"Zahra {chr(97 + number)}")
    world.admit()

    assert world.sql("select count(*) from message where state = 'planned'") == [(3,)]
