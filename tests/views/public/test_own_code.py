"""Discreet mode: the link of an earlier email opens the own page only with a code from a fresh one."""

import re
from email import message_from_bytes, policy

import pytest

from tests.kit.memory_transport import MemoryTransport
from tests.views.conftest import Site, words


@pytest.fixture
def gate(site: Site) -> Site:
    site.signature(confirmed=True, name="Zahra Qoqnus", reason="A qoqnus sings.")
    site.world.sql("update petition set discreet = true")
    site.refresh()
    return site


def mailed(site: Site) -> list:
    """What is sent now."""
    transport = MemoryTransport()
    site.world.deliver(transport=transport)
    return [message_from_bytes(bytes(envelope.data), policy=policy.default) for envelope in transport.sent]


def ask(site: Site, path: str) -> str:
    """Ask for a code, and read it in the email."""
    mailed(site)
    site.world.clock.forward(minutes=11)
    assert site.post(f"{path}/code").status_code == 303
    [letter] = mailed(site)
    return re.findall(r"\b\d{6}\b", letter.get_body(("plain",)).get_content())[0]


def test_the_link_alone_shows_nothing_that_is_stored_and_does_nothing(gate: Site):
    path = gate.own(gate.last)

    page = gate.get(f"{path}?lang=en")
    acts = [gate.post(f"{path}?lang=en", {"action": action}) for action in ("withdraw", "erase", "hide_name")]

    assert page.status_code == 200
    assert "Open your page with a code" in words(page)
    for answer in (page, *acts, gate.get(f"{path}/withdraw"), gate.get(f"{path}/data.json")):
        assert "qoqnus" not in answer.text.lower()
        assert "Clean rivers" not in answer.text
    assert {answer.status_code for answer in acts} == {403}
    assert gate.states() == ["confirmed"]


def test_the_code_of_a_fresh_email_opens_the_page_for_some_minutes(gate: Site):
    path = gate.own(gate.last)
    code = ask(gate, path)

    answer = gate.post(f"{path}/open?lang=en", {"code": f" {code[:3]} {code[3:]} "})
    page = gate.get(answer.location)
    gate.world.clock.forward(minutes=16)
    late = gate.get(answer.location)

    assert answer.status_code == 303
    assert "Zahra Qoqnus" in page.text
    assert late.status_code == 410
    assert "qoqnus" not in late.text.lower()


def test_the_email_tells_nothing(gate: Site):
    mailed(gate)
    gate.world.clock.forward(minutes=11)
    gate.post(f"{gate.own(gate.last)}/code")

    [letter] = mailed(gate)

    said = letter.as_string() + "".join(part.get_content() for part in letter.walk() if not part.is_multipart())
    assert letter["Subject"] == "Your code"
    assert not re.search("river|qoqnus|petition", re.sub(r"petitions@\S+", "", said), re.IGNORECASE)


def test_a_code_that_is_wrong_or_old_or_of_an_earlier_email_opens_nothing(gate: Site):
    path = gate.own(gate.last)
    first = ask(gate, path)
    second = ask(gate, path)
    wrong = f"{(int(second) + 1) % 10**6:06d}"

    answers = [gate.post(f"{path}/open?lang=en", {"code": code}) for code in ("", "12", wrong, first)]
    gate.world.clock.forward(minutes=16)
    answers.append(gate.post(f"{path}/open?lang=en", {"code": second}))

    assert {answer.status_code for answer in answers} == {422}
    assert 'value="12"' in answers[1].text
    assert "This code isn’t right." in words(answers[2])


def test_five_wrong_codes_are_all(gate: Site):
    path = gate.own(gate.last)
    code = ask(gate, path)
    wrong = f"{(int(code) + 1) % 10**6:06d}"

    for _ in range(5):
        gate.post(f"{path}/open", {"code": wrong})

    assert gate.post(f"{path}/open", {"code": code}).status_code == 422
    assert gate.post(f"{path}/open", {"code": ask(gate, path)}).status_code == 303


def test_codes_are_within_the_allowance_of_the_mailbox(gate: Site):
    path = gate.own(gate.last)
    mailed(gate)

    for _ in range(10):
        gate.world.clock.forward(minutes=11)
        assert gate.post(f"{path}/code").status_code == 303

    assert len(mailed(gate)) <= 3


def test_other_petitions_open_by_their_link(site: Site):
    site.signature(confirmed=True, name="Zahra Qoqnus")

    assert "Zahra Qoqnus" in site.get(site.own(site.last)).text
