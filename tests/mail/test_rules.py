"""H1 to H16 on the bytes that a server received, for every kind and language."""

import re
from collections.abc import Callable
from email.message import EmailMessage
from html.parser import HTMLParser
from typing import Any

import dkim
import pytest

from campaign.errors import MailValueError
from campaign.local.mailserver.faults import FaultServer
from campaign.mail.dkim import Signer
from campaign.mail.kinds import DISCREET, KINDS, Lane
from campaign.settings import LANGUAGES
from campaign.smtp.transport import Envelope, Result
from tests.mail import kit

EVERY = pytest.mark.parametrize(("kind", "locale"), [(kind, locale) for kind in KINDS for locale in LANGUAGES])
BULK = [kind.name for kind in KINDS.values() if kind.lane is Lane.BULK]


@pytest.fixture(scope="session")
def received(rsa_signer: Signer) -> dict[tuple[str, str], bytes]:
    """Every kind in every language, as our own client handed it to a server."""
    with FaultServer() as server:
        from_row = {}
        envelopes = []
        for number, (kind, locale) in enumerate((kind, locale) for kind in KINDS for locale in LANGUAGES):
            data = kit.fill(kit.compile_mail(kind, locale), signer=rsa_signer)
            envelopes.append(kit.envelope(number, data=data))
            from_row[f"r{number}@example.net"] = (kind, locale)
        client = kit.deliveries(server.port)
        sent = client.send(*envelopes)
        client.transport.close()
        assert {outcome.result for outcome in sent} == {Result.ACCEPTED}
        return {from_row[to]: data for _, to, data in server.rules.received}


class Links(HTMLParser):
    """Links with their labels, tables without direction, and elements that load something."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[tuple[str, str]] = []
        self.undirected = 0
        self.forbidden: list[str] = []
        self.root: dict[str, str | None] = {}
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "html":
            self.root = found
        if tag == "a":
            self.links.append((found.get("href") or "", ""))
        if tag == "table" and not (found.get("dir") and found.get("lang")):
            self.undirected += 1
        if tag in {"script", "form", "iframe", "img", "link", "object", "video"} or "src" in found:
            self.forbidden.append(tag)

    def handle_data(self, data: str) -> None:
        if self.links and not self.links[-1][1]:
            self.links[-1] = (self.links[-1][0], data.strip())


def message_of(received: dict[tuple[str, str], bytes], kind: str, locale: str) -> EmailMessage:
    return kit.parse(received[kind, locale])


@EVERY
def test_h1_each_header_of_rfc_5322_is_there_exactly_once(received: Any, kind: str, locale: str) -> None:
    message = message_of(received, kind, locale)

    for name in ("From", "To", "Subject", "Date", "Message-ID", "MIME-Version"):
        assert len(message.get_all(name, [])) == 1
    assert len(message["From"].addresses) == 1
    assert message["From"].addresses[0].addr_spec == kit.SENDER.address
    assert message["To"].addresses[0].addr_spec == "zahra@example.net"
    assert not message.defects


def test_h2_the_message_id_is_the_one_given_and_holds_no_host_name() -> None:
    raw = kit.fill(kit.compile_mail("confirmation"))

    assert kit.parse(raw)["Message-ID"] == kit.MESSAGE_ID


@pytest.mark.parametrize("locale", LANGUAGES)
@pytest.mark.parametrize("kind", [*BULK, "thank_you"])
def test_h3_h4_one_click_unsubscribe_is_byte_exact(received: Any, kind: str, locale: str) -> None:
    raw = received[kind, locale]

    assert raw.count(b"\r\nList-Unsubscribe: <" + kit.UNSUBSCRIBE.encode() + b">\r\n") == 1
    assert raw.count(b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n") == 1
    assert message_of(received, kind, locale)["List-Unsubscribe"] == f"<{kit.UNSUBSCRIBE}>"


def test_h3_a_long_unsubscribe_address_is_never_folded_or_encoded() -> None:
    link = f"{kit.BASE}/u/{'t' * 400}"

    raw = kit.fill(kit.compile_mail("update"), list_unsubscribe=link)

    assert f"\r\nList-Unsubscribe: <{link}>\r\n".encode() in raw


@pytest.mark.parametrize("locale", LANGUAGES)
@pytest.mark.parametrize("kind", BULK)
def test_bulk_mail_holds_no_key_to_personal_data_but_the_way_to_a_fresh_one(
    received: Any, kind: str, locale: str
) -> None:
    message = message_of(received, kind, locale)

    for subtype in ("plain", "html"):
        body = kit.part(message, subtype)
        assert f"{kit.BASE}/mine" in body
        assert kit.UNSUBSCRIBE in body
        for key in ("/me/", "/c/", "/sign-in/"):
            assert key not in body
    assert f"{kit.BASE}/me/".encode() not in received[kind, locale]


@EVERY
def test_h5_h6_dkim_covers_what_it_must_and_is_verified_by_dkimpy(
    received: Any, rsa_signer: Signer, kind: str, locale: str
) -> None:
    raw = received[kind, locale]

    signature = re.sub(r"\s+", "", str(message_of(received, kind, locale)["DKIM-Signature"]))
    fields = dict(field.split("=", 1) for field in signature.split(";"))
    covered = fields["h"].split(":")
    present = {name.lower() for name in message_of(received, kind, locale)}

    assert dkim.verify(raw, dnsfunc=kit.dns(rsa_signer))
    assert (fields["a"], fields["c"], fields["d"]) == ("rsa-sha256", "relaxed/relaxed", "example.org")
    assert "l" not in fields
    assert covered.count("from") == 2
    must = {"to", "subject", "date", "message-id", "mime-version", "content-type"}
    may = {"list-id", "list-unsubscribe", "list-unsubscribe-post", "feedback-id", "auto-submitted"}
    assert must | (may & present) <= set(covered)


@pytest.mark.parametrize("kind", BULK)
def test_h5_tampering_breaks_the_signature(received: Any, rsa_signer: Signer, kind: str) -> None:
    raw = received[kind, "de"]
    tampered = [
        raw.replace(b"List-Unsubscribe: <https://petitions", b"List-Unsubscribe: <https://evil"),
        raw.replace(b"List-Unsubscribe-Post: List-Unsubscribe=One-Click", b"List-Unsubscribe-Post: no"),
        b"From: other@example.org\r\n" + raw,
        raw.replace(b"\r\nTo:", b"\r\nFrom: other@example.org\r\nTo:", 1),
        raw.replace(b"\r\nTo:", b"\r\nSubject: other\r\nTo:", 1),
        raw.replace(b"Feedback-ID: b17", b"Feedback-ID: b18"),
        raw + b"more\r\n",
        raw.replace(b"1 Main Street", b"2 Main Street"),
    ]

    verdicts = [dkim.verify(message, dnsfunc=kit.dns(rsa_signer)) for message in tampered]

    assert all(message != raw for message in tampered)
    assert verdicts == [False] * len(tampered)


@pytest.mark.parametrize("locale", LANGUAGES)
@pytest.mark.parametrize("kind", BULK)
def test_h7_h8_list_and_feedback_ids_are_whole(received: Any, kind: str, locale: str) -> None:
    message = message_of(received, kind, locale)

    assert message["Feedback-ID"] == "b17:p3::countersign"
    assert b"\r\nFeedback-ID: b17:p3::countersign\r\n" in received[kind, locale]
    assert str(message["List-Id"]).endswith(" <k3v9xyz.lists.example.org>")


@pytest.mark.parametrize("locale", LANGUAGES)
@pytest.mark.parametrize(
    "kind", ["confirmation", "reminder", "already_signed", "mailbox_full", "sign_in", "admin_alert"]
)
def test_h9_mail_that_nobody_subscribed_to_has_no_list_header(received: Any, kind: str, locale: str) -> None:
    names = {name.lower() for name in message_of(received, kind, locale)}

    assert not {name for name in names if name.startswith("list-")} | (names & {"feedback-id", "precedence"})


def test_h9_thanks_to_somebody_who_wants_no_updates_have_no_list_header() -> None:
    raw = kit.fill(kit.compile_mail("thank_you", wants_updates=False))

    assert b"\r\nList-" not in raw
    assert b"/u/" not in raw


@EVERY
def test_auto_submitted_is_on_all_but_what_a_person_wrote(received: Any, kind: str, locale: str) -> None:
    message = message_of(received, kind, locale)

    said = "auto-replied" if KINDS[kind].is_answer else "auto-generated"
    assert message["Auto-Submitted"] == (None if kind == "update" else said)


@EVERY
def test_h10_text_comes_first_with_the_same_links_and_nothing_is_loaded(received: Any, kind: str, locale: str) -> None:
    message = message_of(received, kind, locale)
    text, html = kit.part(message, "plain"), kit.part(message, "html")
    links = Links(html)

    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert text.strip()
    assert set(re.findall(r"https?://\S+", text)) == {target for target, _ in links.links}
    assert not links.forbidden
    assert not re.search(r"@import|url\(|expression|javascript:", html)


@EVERY
def test_h11_lines_and_encoded_words_keep_their_limits(received: Any, kind: str, locale: str) -> None:
    raw = received[kind, locale]

    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert all(len(line) <= 76 for line in raw.partition(b"\r\n\r\n")[2].split(b"\r\n"))
    words = re.findall(rb"=\?[^?]+\?[qb]\?[^?]*\?=", raw)
    assert all(len(word) <= 75 for word in words)
    assert raw.isascii()


@EVERY
def test_h12_sizes_keep_their_limits(received: Any, kind: str, locale: str) -> None:
    html = kit.part(message_of(received, kind, locale), "html")

    assert len(html.encode()) <= 100 * 1024
    assert len(received[kind, locale]) <= 200 * 1024
    assert sum(map(len, re.findall(r"<style[^>]*>(.*?)</style>", html, re.DOTALL))) <= 16 * 1024


@pytest.mark.parametrize("locale", LANGUAGES)
@pytest.mark.parametrize("kind", [*BULK, "thank_you", "test"])
def test_h13_the_foot_of_bulk_mail_is_complete(received: Any, kind: str, locale: str) -> None:
    message = message_of(received, kind, locale)

    for content in (kit.part(message, "plain"), kit.part(message, "html")):
        assert kit.SENDER.postal_address in content
        assert kit.SENDER.site_name in content
        assert kit.UNSUBSCRIBE in content
        assert kit.SENDER.link_privacy in content


@EVERY
def test_h14_all_links_lead_to_our_own_site_and_say_so(received: Any, kind: str, locale: str) -> None:
    links = Links(kit.part(message_of(received, kind, locale), "html")).links

    assert links
    for target, label in links:
        assert target.startswith(f"{kit.BASE}/")
        assert label
        assert not label.startswith("http") or label == target


@EVERY
def test_right_to_left_mail_says_so_on_html_and_every_table(received: Any, kind: str, locale: str) -> None:
    found = Links(kit.part(message_of(received, kind, locale), "html"))

    assert found.root["lang"] == locale
    assert found.root["dir"] == ("rtl" if locale in {"fa", "ur"} else "ltr")
    assert found.undirected == 0


@EVERY
def test_the_mail_says_its_kind_for_the_mailbox_but_for_discreet_ones(received: Any, kind: str, locale: str) -> None:
    said = None if KINDS[kind].is_discreet else kind
    assert message_of(received, kind, locale)["X-Countersign-Kind"] == said


@pytest.mark.parametrize("kind", ["confirmation", "reminder", "already_signed", "mailbox_full"])
def test_before_the_address_is_proved_nothing_that_a_signer_typed_is_mailed(kind: str) -> None:
    assert "name" not in KINDS[kind].slots | KINDS[kind].context


def test_h15_an_address_beyond_ascii_goes_only_to_a_server_that_takes_it(
    client: Callable[..., kit.Deliveries],
) -> None:
    raw = kit.fill(kit.compile_mail("confirmation"), to="زهرا@bücher.example")
    envelope = Envelope(7, "bounce@example.org", "زهرا@xn--bcher-kva.example", raw, utf8=True)

    with FaultServer() as able:
        taken = client(able.port).send(envelope)
        [received] = able.rules.received
    with FaultServer(kit.script(extensions=("PIPELINING", "8BITMIME"))) as unable:
        [refused] = client(unable.port).send(envelope)

    assert taken[0].result is Result.ACCEPTED
    assert received[1] == "زهرا@xn--bcher-kva.example"
    assert "\r\nTo: زهرا@xn--bcher-kva.example\r\n".encode() in b"\r\n" + received[2]
    assert (refused.result, refused.enhanced, refused.code) == (Result.PERMANENT, "5.6.7", None)


@pytest.mark.parametrize("kind", ["confirmation", *BULK, "thank_you"])
def test_h5_reply_to_is_one_line_and_signed(rsa_signer: Signer, kind: str) -> None:
    address = f"r-{'0' * 12}-{'a' * 20}@bounces.example.org"
    raw = kit.fill(kit.compile_mail(kind), signer=rsa_signer, reply_to=address)

    assert raw.count(f"\r\nReply-To: {address}\r\n".encode()) == 1
    assert dkim.verify(raw, dnsfunc=kit.dns(rsa_signer))
    assert not dkim.verify(raw.replace(b"Reply-To: r-", b"Reply-To: s-"), dnsfunc=kit.dns(rsa_signer))


@pytest.mark.parametrize("address", ["", "a@example.org\r\nBcc: b@example.org", "a b@example.org", "زهرا@example.org"])
def test_what_is_no_address_is_no_reply_to(address: str) -> None:
    with pytest.raises(MailValueError):
        kit.fill(kit.compile_mail("confirmation"), reply_to=address)


@pytest.mark.parametrize("locale", LANGUAGES)
@pytest.mark.parametrize("done", ["stopped", "hidden", "erased", "refused"])
@pytest.mark.parametrize("discreet", [False, True])
def test_every_answer_to_a_reply_is_written_in_every_language(locale: str, done: str, *, discreet: bool) -> None:
    name = f"reply_{done}"
    spec = (DISCREET if discreet else KINDS)[name]
    context = {key: kit.CONTEXT[key] for key in spec.context} | {"done": done}

    compiled = kit.composer.compile(name, locale=locale, sender=kit.SENDER, context=context, discreet=discreet)
    message = kit.parse(kit.fill(compiled))

    bodies = [kit.part(message, "plain"), kit.part(message, "html")]
    assert all((f"{kit.BASE}/mine" in body) is (done != "erased") for body in bodies)
    assert message["Auto-Submitted"] == "auto-replied"
    assert discreet is not any("river" in body for body in bodies)


def test_what_a_person_wrote_can_be_long_in_any_script() -> None:
    for written in ("\U0001f600" * 6000, '"' * 6000, "ی" * 6000, "x\n" * 3000):
        quoted = "\n".join(f"> {line}" for line in written.split("\n"))

        raw = kit.fill(kit.compile_mail("reply_forwarded", written=written, quoted=quoted))

        assert len(raw) <= 200 * 1024
