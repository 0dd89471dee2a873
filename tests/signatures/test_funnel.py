"""The confirmation funnel by mail provider, and its alarm."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.accounts.mail_providers import PROVIDERS, provider_of
from campaign.operations import alerts
from campaign.signatures import confirming, funnel, preferences
from campaign.signatures.funnel import Step, is_low
from campaign.signatures.page_opens import Opening, PageOpens
from campaign.states import EventKind
from tests.feedback.kit import tell
from tests.kit import ledgers


def step(asked, confirmed):
    return Step("gmail", asked, asked, 0, None, confirmed, None)


def sign(world, slug, email, *, confirm_after=None):
    signature_id = world.signature(slug, email)
    if confirm_after is not None:
        world.clock.forward(minutes=confirm_after)
        confirming.confirm(world.runtime, world.confirm_token(signature_id))
    return signature_id


def of(world, **where):
    return {found.now.mail_provider: found for found in funnel.by_provider(world.runtime, **where)}


@pytest.mark.parametrize(
    ("address", "provider"),
    [
        ("a@gmail.com", "gmail"), ("A@GoogleMail.com", "gmail"), ("a@web.de", "gmx"), ("a@hotmail.co.uk", "outlook"),
        ("a@mail.ru", "mail.ru"), ("a@small-club.example", "other"), ("a@notgmail.com", "other"), ("", "other"),
    ],
)  # fmt: skip
def test_a_provider_is_known_by_its_domain_and_small_ones_are_others(address, provider):
    assert provider_of(address) == provider
    assert provider in PROVIDERS


def test_each_step_is_counted_by_provider_and_the_last_hour_is_left_out(world):
    slug = world.petition()
    one = sign(world, slug, "a@gmail.com", confirm_after=4)
    sign(world, slug, "b@gmail.com")
    sign(world, slug, "c@gmx.de", confirm_after=2)
    world.sql("update message set state = 'accepted', settled_at = %(now)s where kind = 'confirmation'",
              now=world.clock())  # fmt: skip
    [(message,)] = world.sql("select id from message where kind = 'confirmation' and signature_id = %(id)s", id=one)
    tell(world, EventKind.DELIVERED, [message])
    world.clock.forward(hours=2)
    sign(world, slug, "new@gmail.com")

    funnel.measure(world.runtime)
    again = funnel.measure(world.runtime)
    found = of(world)

    gmail = found["gmail"].now
    assert (gmail.asked, gmail.accepted, gmail.delivered, gmail.confirmed) == (2, 2, 1, 1)
    assert gmail.median_minutes == pytest.approx(4)
    assert gmail.opened is None
    assert found["gmx"].now.confirmed == 1
    assert again == 4
    assert of(world, petition_id=world.opened(slug).petition.id).keys() == {"gmail", "gmx"}


def test_what_is_erased_later_stays_counted_and_its_row_forgets_the_provider(world):
    slug = world.petition()
    signature_id = sign(world, slug, "a@gmail.com", confirm_after=1)
    world.clock.forward(hours=2)
    funnel.measure(world.runtime)

    preferences.erase(world.runtime, world.manage_token(signature_id))
    funnel.measure(world.runtime)

    assert world.sql("select mail_provider from signature") == [(None,)]
    assert of(world)["gmail"].now.confirmed == 1


def past(world, asked, confirmed, provider="gmail"):
    """Four weeks of a provider."""
    today = world.clock().date()
    for back in range(2, 29):
        world.sql(
            "insert into confirmation_funnel (day, petition_id, mail_provider, asked, accepted, delivered, confirmed)"
            " values (%(day)s, 0, %(provider)s, %(asked)s, %(asked)s, 0, %(confirmed)s)",
            day=today - timedelta(days=back), provider=provider, asked=asked, confirmed=confirmed,
        )  # fmt: skip


def today(world, asked, confirmed, provider="gmail"):
    world.sql(
        "insert into confirmation_funnel (day, petition_id, mail_provider, asked, accepted, delivered, confirmed)"
        " values (%(day)s, 0, %(provider)s, %(asked)s, %(asked)s, 0, %(confirmed)s)",
        day=world.clock().date(), provider=provider, asked=asked, confirmed=confirmed,
    )  # fmt: skip


def test_admins_are_told_once_a_day_when_fewer_confirm_with_a_provider(world):
    ledgers.admin(world)
    past(world, 20, 16)
    past(world, 20, 16, "gmx")
    today(world, 60, 12)
    today(world, 60, 48, "gmx")

    first, again = alerts.watch(world.runtime), alerts.watch(world.runtime)

    assert (first, again) == (1, 0)
    [(cause, reason)] = world.sql("select cause, reason from alert")
    assert cause == "funnel"
    assert reason == "gmail: 12 of 60 confirmed in the last day, usually 80 %"
    assert {name for name, found in of(world).items() if found.is_low} == {"gmail"}


@given(st.integers(0, 5000), st.integers(0, 5000), st.integers(0, 50_000), st.integers(0, 50_000))
def test_few_sign_ups_and_small_falls_are_no_alarm(asked, confirmed, asked_before, confirmed_before):
    now = step(asked, min(asked, confirmed))
    before = step(asked_before, min(asked_before, confirmed_before))

    if is_low(now, before):
        assert now.asked >= 20
        assert before.asked >= 100
        assert now.share < 0.6 * before.share


def test_an_opened_page_counts_once_and_without_redis_nothing_is_known(world, redis_url, redis_prefix):
    opens = PageOpens(redis_url, prefix=redis_prefix)
    day = world.clock().date()
    for signature_id in (1, 2, 2, 2):
        opens.note(Opening(day, 7, "gmail", signature_id))
    opens.note(None)
    places = [(day, 7, "gmail"), (day, 0, "gmail"), (day, 8, "gmail")]

    assert opens.numbers(places) == dict(zip(places, (2, 2, 0), strict=True))
    assert PageOpens("", prefix="x").numbers(places) is None
    away = PageOpens("redis://127.0.0.1:1/0", prefix="x")
    away.note(Opening(day, 7, "gmail", 1))
    assert away.numbers(places) is None


def test_opened_pages_reach_the_funnel(world, redis_url, redis_prefix):
    runtime = replace(world.runtime, settings=world.runtime.settings.replace(
        redis_url=redis_url, redis_prefix=redis_prefix,
    ))  # fmt: skip
    slug = world.petition()
    signature_id = sign(world, slug, "a@gmail.com")
    found = confirming.look_up_confirmation(runtime, world.confirm_token(signature_id))
    PageOpens.of(runtime.settings).note(found.opened)
    world.clock.forward(hours=2)

    funnel.measure(runtime)

    assert of(world)["gmail"].now.opened == 1
