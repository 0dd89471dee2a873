"""Duplicates and floods: nothing is told to whoever sends them, and nobody's mailbox is filled (scenario B)."""

import re

import pytest

from tests.kit.installation import OF_PETITION, Answer, Installation
from tests.kit.waiting import until

pytestmark = pytest.mark.browser

REF = re.compile(rb'name="ref" value="([^"]*)"')
MASKED = re.compile(rb'<strong class="ltr">[^<]*</strong>')
OVERRIDE = "\u202e"
"""Turns what follows from right to left."""

COMES_AND_GOES = {"date", "content-length"}


def told(answer: Answer) -> tuple[int, tuple[tuple[str, str], ...], bytes]:
    """What an attacker can compare: status, headers, body; the reference is random, the address their own."""
    headers = tuple((name, value) for name, value in answer.headers.items() if name.lower() not in COMES_AND_GOES)
    ref = REF.search(answer.body)
    assert ref is not None
    return answer.status, headers, MASKED.sub(b"", answer.body.replace(ref[1], b"%d" % len(ref[1])))


def confirm(site: Installation, to: str) -> None:
    """Press the button of the newest confirmation."""
    until(lambda: site.mails(to=to, kind="confirmation"))
    assert site.post(site.mails(to=to, kind="confirmation")[0].link("/c/"), {}).status == 303


def later(site: Installation) -> None:
    """Let ten minutes pass for the allowance of mailboxes, which spaces the mails of one."""
    site.rest()
    site.sql("update message set due_at = due_at - interval '11 minutes', planned_at = planned_at - interval"
             " '11 minutes' where state = 'planned'")  # fmt: skip
    site.sql("update mail_allowance set slot_at = slot_at - interval '11 minutes'")
    site.rest()


def test_whoever_signs_again_learns_nothing_and_fills_no_mailbox(site: Installation):
    slug, home = site.petition("abuse"), "family@abuse.test"
    answers = [site.sign(slug, home, name="Zahra Ahmadi", network="203.0.113.11")]
    confirm(site, home)

    # The same person in other spellings, before and after.
    for name, email in (("ZAHRA  AHMADI", home), ("zahra ahmadi", "FAMILY@abuse.test"), ("Zahra Ahmadi", home)):
        answers.append(site.sign(slug, email, name=name, network="203.0.114.11"))
    later(site)
    # Her husband has the same mailbox; a third name has no seat there.
    answers.append(site.sign(slug, home, name="Reza Ahmadi", network="203.0.115.11"))
    later(site)
    confirm(site, home)
    answers += [site.sign(slug, home, name=name, network="203.0.116.11") for name in ("Somebody Else", "One More")]
    later(site)
    later(site)

    kinds = [mail.kind for mail in site.mails(to=home)]
    assert kinds.count("already_signed") <= 1
    assert kinds.count("mailbox_full") <= 1
    assert len([kind for kind in kinds if kind != "thank_you"]) <= 5
    assert kinds.count("thank_you") == 2
    assert len({told(answer) for answer in answers}) == 1
    assert site.sql(f"select count(*) from signature where state = 'confirmed' and {OF_PETITION}", slug=slug) == [(2,)]
    until(lambda: site.count(slug) == 2)


def test_of_thirty_sign_ups_from_one_network_twenty_are_mailed_and_ten_are_told_when(site: Installation):
    slug = site.petition("flood")

    answers = [site.sign(slug, f"flood{number}@abuse.test", network=f"192.0.2.{number}") for number in range(30)]
    neighbour = site.sign(slug, "neighbour@abuse.test", network="192.0.3.1")
    site.mail("neighbour@abuse.test", "confirmation")
    site.rest()

    assert len({told(answer) for answer in [*answers[:20], neighbour]}) == 1
    assert all("Many people near you are signing right now." in answer.text for answer in answers[20:])
    assert len([mail for mail in site.mails() if mail.to.startswith("flood")]) == 20
    assert site.count(slug) == 0
    # Those that still wait would be told of by the monitor of the journeys that follow.
    site.sql("update sign_up_request set state = 'refused', decided_at = now(), reason = 'test' where state = 'asked'")


def test_a_form_with_the_trap_filled_in_is_asked_for_again_and_stores_nothing(site: Installation):
    slug = site.petition("trap")
    before = site.sql("select count(*) from sign_up_request")

    program = site.sign(slug, "program@abuse.test", network="192.0.4.1", website="http://spam.test")

    assert program.status == 422
    assert site.sql("select count(*) from sign_up_request") == before


@pytest.mark.parametrize(
    "name", ["=cmd|' /C calc'!A0", "@SUM(1+1)", "https://spam.test win", f"{OVERRIDE}evil", "Robert'); DROP TABLE"]
)
def test_a_name_that_is_a_trick_is_refused_or_harmless(site: Installation, name: str):
    slug = site.petition(f"tricks-{abs(hash(name)) % 10**8}")
    email = f"{slug}@abuse.test"

    answer = site.sign(slug, email, name=name, network="192.0.5.1")

    if answer.status == 422:
        assert site.sql(f"select 1 from signature where {OF_PETITION}", slug=slug) == []
    else:
        confirm(site, email)
        text = site.mail(email, "thank_you").text
        assert not re.search(r"(?m)^[=@]", text)
        assert OVERRIDE not in text
