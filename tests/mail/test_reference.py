"""The fast composer against a slow one: Jinja2 with the values themselves, then ``EmailMessage``."""

import pickle
import re
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from campaign import i18n
from campaign.errors import MailValueError
from campaign.mail import compose
from campaign.mail import templates as mail_templates
from campaign.mail.compiled import LinkMaker, OwnLink
from campaign.mail.kinds import KINDS
from campaign.settings import LANGUAGES
from campaign.variables import ROOT
from tests.mail import kit

CONTROLS = {chr(code) for code in (*range(32), *range(0x7F, 0xA0), 0x2028, 0x2029)}
NAMES = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters=CONTROLS), max_size=80),
    st.text(st.sampled_from(" .=-_\u200c\u200d\u202e\u2066é<>&\"'`"), max_size=90),
    st.text(st.characters(min_codepoint=0x600, max_codepoint=0x6FF, categories=["L", "M", "N"]), max_size=60),
    st.text(st.characters(min_codepoint=0x1F300, max_codepoint=0x1FAFF, categories=["So", "Sk"]), max_size=40),
    st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S", "Zs"]), max_size=300),
)
EARLIEST, LATEST = (datetime(year, 1, 1) for year in (2000, 2100))
TOKENS = st.text(st.sampled_from("abcXYZ019-_.=~"), min_size=1, max_size=200)
COMPILED = {(kind, locale): kit.compile_mail(kind, locale) for kind in KINDS for locale in LANGUAGES}


class Events(HTMLParser):
    """What a browser would make of HTML: tags and text, entities resolved, blanks between tags reduced."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.seen: list[Any] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, sorted(attrs)))

    def handle_endtag(self, tag: str) -> None:
        self.seen.append(f"/{tag}")

    def handle_data(self, data: str) -> None:
        text = re.sub(r"[ \n]+", " ", data)
        if self.seen and isinstance(self.seen[-1], tuple) and self.seen[-1][0] == "text":
            text = self.seen.pop()[1] + text
        if text.strip(" "):
            self.seen.append(("text", text.strip(" ")))


def slow(kind: str, locale: str, values: dict[str, str], *, to: str, date: datetime) -> EmailMessage:
    """The obvious way, from the same templates and data."""
    spec = KINDS[kind]
    context = {name: kit.CONTEXT[name] for name in spec.context}
    full = kit.composer.values(spec, locale, kit.SENDER, context) | {name: values[name] for name in spec.slots}
    env = mail_templates.environment(
        ROOT / "templates" / "email", locale=locale, translations=i18n.translations(locale)
    )
    subject = " ".join(mail_templates.render(env, f"{spec.folder}/subject.txt", full).split())
    full["mail_subject"] = subject
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(kit.SENDER.name, addr_spec=kit.SENDER.address)
    message["To"] = to
    message["Subject"] = subject
    message["Date"] = date
    message["Message-ID"] = kit.MESSAGE_ID
    text = mail_templates.render(env, f"{spec.folder}/body.txt", full)
    html = mail_templates.render(env, f"{spec.folder}/body.html", full)
    message.set_content(compose.tidy(text), cte="quoted-printable")
    message.add_alternative(compose.inlined(html, locale), subtype="html", cte="quoted-printable")
    return message


def values_of(name: str, token: str) -> dict[str, str]:
    return {key: f"{kit.BASE}/x/{token}" if key.startswith("link_") else value for key, value in kit.VALUES.items()} | {
        "name": name
    }


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    kind=st.sampled_from(sorted(KINDS)),
    locale=st.sampled_from(LANGUAGES),
    name=NAMES,
    token=TOKENS,
    date=st.datetimes(min_value=EARLIEST, max_value=LATEST, timezones=st.just(UTC)),
)
@example(kind="thank_you", locale="en", name="", token="t", date=kit.DATE)
@example(kind="thank_you", locale="ur", name="." * 300, token="t", date=kit.DATE)
@example(kind="thank_you", locale="fa", name="زهرا \u202e\u2066 🏳️‍🌈", token="=" * 200, date=kit.DATE)
@example(kind="update", locale="de", name="\u200c  . =3D ", token="t", date=kit.DATE)
def test_the_filled_mail_reads_as_the_slow_one(kind: str, locale: str, name: str, token: str, date: datetime) -> None:
    values = values_of(name, token)

    fast = kit.parse(kit.fill(COMPILED[kind, locale], values=values, date=date))
    built = slow(kind, locale, values, to="zahra@example.net", date=date)
    reference = kit.parse(bytes(built))

    assert [part.get_content_type() for part in fast.walk()] == [part.get_content_type() for part in reference.walk()]
    assert [part.get_content_charset() for part in fast.walk()] == [
        part.get_content_charset() for part in reference.walk()
    ]
    for header in ("From", "To", "Subject", "Message-ID", "MIME-Version"):
        # From the message as built: written out, EmailMessage breaks some long subjects (its bytes read differently).
        assert fast[header] == built[header]
    assert fast["Date"].datetime == reference["Date"].datetime
    assert kit.part(fast, "plain") == kit.part(reference, "plain")
    assert Events(kit.part(fast, "html")).seen == Events(kit.part(reference, "html")).seen
    assert not fast.defects


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(sorted(KINDS)), locale=st.sampled_from(LANGUAGES), name=NAMES,
    token=st.from_regex(r"[A-Za-z0-9_.-]{1,200}", fullmatch=True),
)  # fmt: skip
def test_a_link_made_by_our_own_maker_reads_as_one_that_was_checked(kind: str, locale: str, name: str, token: str):
    checked = values_of(name, token)
    make = LinkMaker(f"{kit.BASE}/x/")
    made = {key: make(token.encode()) if key.startswith("link_") else value for key, value in checked.items()}
    one_click = {"list_unsubscribe": make(token.encode())} if COMPILED[kind, locale].needs_list_unsubscribe else {}

    checked_click = {"list_unsubscribe": checked["link_unsubscribe"]} if one_click else {}
    fast = kit.fill(COMPILED[kind, locale], values=made, **one_click)
    looked_at = kit.fill(COMPILED[kind, locale], values=checked, **checked_click)

    assert all(type(value) is OwnLink for key, value in made.items() if key.startswith("link_"))
    assert kit.parse(fast).items() == kit.parse(looked_at).items()
    for part in ("plain", "html"):
        assert kit.part(kit.parse(fast), part) == kit.part(kit.parse(looked_at), part)
    assert all(len(line) <= 76 for line in fast.partition(b"\r\n\r\n")[2].split(b"\r\n"))


@settings(max_examples=400, deadline=None)
@given(name=NAMES, token=TOKENS)
def test_the_bytes_keep_their_normal_form_whatever_is_filled_in(name: str, token: str) -> None:
    raw = kit.fill(COMPILED["thank_you", "en"], values=values_of(name, token))
    body = raw.partition(b"\r\n\r\n")[2]

    assert raw.isascii()
    assert all(len(line) <= 76 for line in body.split(b"\r\n"))
    assert raw.count(b"\r\n") == raw.count(b"\n") == raw.count(b"\r")
    # What DKIM's relaxed form and dot-stuffing would change is not there.
    assert not re.search(rb"\r\n\.|[ \t]\r\n|[ \t]{2}|\t", body)
    assert body.endswith(b"--\r\n")


@given(before=st.text(max_size=30), bad=st.sampled_from(sorted(CONTROLS)), after=st.text(max_size=10))
def test_f39_no_value_with_a_line_end_or_control_character_is_filled_in(before: str, bad: str, after: str) -> None:
    with pytest.raises(MailValueError) as caught:
        kit.fill(COMPILED["thank_you", "en"], values=values_of(before + bad + after, "t"))

    assert caught.value.problems == {"name": "control_characters"}


@pytest.mark.parametrize(
    ("change", "field", "problem"),
    [
        ({"name": "a\ud800"}, "name", "control_characters"),
        ({"name": "a\r\nBcc: evil@x.test"}, "name", "control_characters"),
        ({"name": "x" * 1001}, "name", "too_long"),
        ({"link_manage": "https://evil.test/me"}, "link_manage", "foreign_link"),
        ({"link_manage": f"{kit.BASE}.evil.test/me"}, "link_manage", "foreign_link"),
        ({"link_manage": f"{kit.BASE}@evil.test/me"}, "link_manage", "foreign_link"),
        ({"link_manage": "javascript:alert(1)"}, "link_manage", "foreign_link"),
        ({"link_manage": f'{kit.BASE}/"onclick='}, "link_manage", "broken_link"),
        ({"link_manage": f"{kit.BASE}/\r\nx"}, "link_manage", "broken_link"),
    ],
)
def test_a_value_that_must_not_go_out_is_named_in_a_clear_error(
    change: dict[str, str], field: str, problem: str
) -> None:
    with pytest.raises(MailValueError) as caught:
        kit.fill(COMPILED["thank_you", "en"], values=kit.VALUES | change)

    assert caught.value.problems == {field: problem}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"to": "a@x.test\r\nBcc: e@x.test"}, "address"),
        ({"message_id": "<a@b>\r\nBcc: e@x.test"}, "message_id"),
        ({"message_id": "a@b"}, "message_id"),
        ({"list_unsubscribe": f"{kit.BASE}/u\r\nBcc: e@x.test"}, "list_unsubscribe"),
        ({"list_unsubscribe": None}, "list_unsubscribe"),
        ({"list_unsubscribe": "https://evil.test/u"}, "list_unsubscribe"),
        ({"values": {}}, "link_manage"),
    ],
)
def test_f39_no_argument_smuggles_a_header(change: dict[str, Any], field: str) -> None:
    with pytest.raises(MailValueError) as caught:
        kit.fill(COMPILED["update", "en"], **change)

    assert field in caught.value.problems or change == {"values": {}}


def test_mail_that_nobody_subscribed_to_takes_no_unsubscribe_address() -> None:
    with pytest.raises(MailValueError):
        kit.fill(COMPILED["confirmation", "en"], list_unsubscribe=kit.UNSUBSCRIBE)


def test_an_address_beyond_ascii_makes_the_header_utf8() -> None:
    raw = kit.fill(COMPILED["confirmation", "en"], to="زهرا@bücher.test")

    assert "To: زهرا@xn--bcher-kva.test\r\n".encode() in raw


def test_the_compiled_mail_can_be_pickled_and_filled_elsewhere() -> None:
    compiled = COMPILED["update", "fa"]

    copied = pickle.loads(pickle.dumps(compiled))  # noqa: S301 - our own bytes

    assert copied == compiled
    assert kit.fill(copied) == kit.fill(compiled)
