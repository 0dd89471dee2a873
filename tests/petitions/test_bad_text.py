"""Hostile names, addresses and texts, from the form to the bytes on the wire (F38, F39, F42, F43)."""

import email.policy
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign import errors
from campaign.accounts import addresses
from campaign.errors import InvalidInputError
from campaign.mail.addresses import is_wire_address
from campaign.petitions import petitions
from campaign.petitions import rules as petition_rules
from campaign.petitions.markdown import to_html
from campaign.signatures import petition_page, requests, signing
from tests.kit.memory_transport import MemoryTransport

CRLF = "\r\nBcc: evil@example.com\r\n\r\nX"


def sent(world):
    transport = MemoryTransport()
    world.deliverer(transport=transport).drain()
    return transport.sent


def parsed(envelope):
    return email.message_from_bytes(envelope.data, policy=email.policy.default)


def problems(act):
    with pytest.raises(InvalidInputError) as caught:
        act()
    return caught.value.problems


HOSTILE_NAMES = [
    "Zahra\r\nBcc: evil\r\n\r\nX",
    "Zahra\u2028Bcc: evil",
    "Zahra\u0085Bcc: evil",
    "=?utf-8?q?Zahra=0D=0ABcc:_evil?=",
    "Zahra {{7*7}} {% raw %} ${x} %(x)s %s",
    "<script>alert(1)</script> Zahra",
    '"Zahra" <b>',
    "Zahra \\ ' ; --",
    "\u202eZahra\u202c",
    "Zahra\x1b[31m",
    "Zah\ud83dra",
    "ا" * 60,
]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
@pytest.mark.parametrize("locale", ["en", "fa"])
def test_a_hostile_name_reaches_the_thank_you_as_text_and_nothing_else(world, name, locale):
    slug = world.petition(locales=("en", "fa"))
    world.signature(slug, name=name, show_name=True, wants_updates=True, locale=locale, confirmed=True)

    mails = {parsed(envelope)["X-Countersign-Kind"]: envelope for envelope in sent(world)}
    thanks = parsed(mails["thank_you"])
    html = thanks.get_body(("html",)).get_content()

    assert world.sql("select kind, state from message where state <> 'suppressed'") == [("thank_you", "accepted")]
    assert thanks["Bcc"] is None
    assert thanks["To"] == "zahra@example.org"
    assert "<script" not in html
    assert "49" not in re.sub(r"[0-9a-zA-Z_-]{12,}", "", thanks.get_body(("plain",)).get_content())
    assert not re.search(rb"[^\r]\n|\r[^\n]", mails["thank_you"].data)
    assert petition_page.show(world.runtime, slug, "en").signers[0].name


def test_nothing_that_a_signer_typed_is_in_a_mail_before_confirmation(world):
    slug = world.petition()
    world.signature(slug, name="Cheap Pills", reason="Buy them now")

    [envelope] = sent(world)

    text = envelope.data + parsed(envelope).get_body(("html",)).get_content().encode()
    assert b"Cheap" not in text
    assert b"Buy" not in text


@pytest.mark.parametrize(
    "address",
    [
        f"a@example.org{CRLF}",
        "a@example.org\nRCPT TO:<evil@example.com>",
        '"b\r\nRCPT TO:<evil@example.com>"@example.org',
        '"quoted local"@example.org',
        "a@example.org,evil@example.com",
        "a@example.org>,<evil@example.com",
        "a@[127.0.0.1]",
        "a@localhost",
        "a@b@example.org",
        "a\0@example.org",
        "a\ud800@example.org",
        "a b@example.org",
        ".a@example.org",
        "a@-example.org",
        "a@example..org",
        "a" * 65 + "@example.org",
        "a@" + "b" * 250 + ".org",
        "@", "a@", "@example.org",
    ],
)  # fmt: skip
def test_an_address_that_could_smuggle_something_is_refused_at_the_form(world, address):
    slug = world.petition()

    assert problems(lambda: world.sign(slug, address)) == {"email": "invalid"}

    assert world.sql("select count(*) from signature") == [(0,)]


@given(st.emails())
def test_an_address_that_the_form_takes_can_stand_in_an_smtp_command(typed):
    try:
        address = signing.addresses.parse(typed)
    except addresses.RuleError:
        return

    assert is_wire_address(address.typed, utf8=True)


def draft(**changed):
    return petition_rules.Draft(**({"title": "A title", "addressed_to": "The Government", "body": "Act."} | changed))


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        ("title", ""), ("title", "   "), ("title", "x" * 141), ("title", "x" * 5000), ("title", f"A{CRLF}"),
        ("title", "A\0"), ("title", "A\ud800"), ("title", "A\u202eB"), ("title", "A\u2028B"),
        ("addressed_to", ""), ("addressed_to", f"A{CRLF}"), ("addressed_to", "A\0"), ("addressed_to", "x" * 501),
        ("summary", "A\0"), ("summary", "x" * 501), ("summary", "\ud800"),
        ("body", ""), ("body", "x" * 1_000_000), ("body", "A\0"), ("body", "A\ud800"),
    ],
)  # fmt: skip
def test_an_organiser_s_text_that_cannot_be_stored_or_mailed_is_refused_at_save_with_its_field(world, field, typed):
    new = petitions.NewPetition(slug="hostile", author="An author")

    assert list(problems(lambda: petitions.create(world.runtime, new, {"en": draft(**{field: typed})}))) == [field]


@pytest.mark.parametrize("field", ["author", "on_behalf_of", "sender_name"])
@pytest.mark.parametrize("typed", [f"A{CRLF}", "A\0", "A\ud800", "x" * 501])
def test_names_of_organisers_that_could_break_a_header_are_refused_at_save(world, field, typed):
    new = petitions.NewPetition(**({"slug": "hostile", "author": "An author"} | {field: typed}))

    assert list(problems(lambda: petitions.create(world.runtime, new, {"en": draft()}))) == [field]


@pytest.mark.parametrize("locale", ["xx", "", "english", "e\0"])
def test_a_text_in_a_language_that_is_not_ours_is_refused(world, locale):
    slug = world.petition()
    new = petitions.NewPetition(slug="hostile", author="An author")

    assert problems(lambda: petitions.edit_text(world.runtime, slug, locale, draft())) == {"locale": "unknown"}
    assert problems(lambda: petitions.create(world.runtime, new, {"en": draft(), locale: draft()})) == {
        "locale": "unknown"
    }


@pytest.mark.parametrize("slug", ["", "-a", "a-", "A", "a b", "a/b", "../x", "a" * 81, "é", "a\n", "a\0"])
def test_a_slug_is_made_of_letters_digits_and_hyphens(world, slug):
    new = petitions.NewPetition(slug=slug, author="An author")

    assert "slug" in problems(lambda: petitions.create(world.runtime, new, {"en": draft()}))


@pytest.mark.parametrize("title", ["=?utf-8?q?x?=", "{{7*7}} {% x %}", "<b>&amp;", "ی" * 140, "A " * 60, "x" * 140])
def test_any_title_that_was_saved_can_be_mailed(world, title):
    new = petitions.NewPetition(slug="odd", author="An author", sender_name='Odd "name" <x>')
    petitions.create(world.runtime, new, {"en": draft(title=title)})
    petitions.publish(world.runtime, "odd")
    world.sign("odd")

    [envelope] = sent(world)

    assert parsed(envelope)["Subject"]
    assert max(len(line) for line in envelope.data.split(b"\r\n")) <= 998


@pytest.mark.parametrize(
    "name", [None, "", "\0", "A" * 10_240, "http://x.example", "💚", "\u0301", "A\ud800"],
)  # fmt: skip
def test_whatever_the_form_holds_the_answer_is_a_code_per_field_or_a_signature(world, name):
    slug = world.petition()
    form = signing.SignForm(name=name or "", email="a@example.org", country="DE\0", reason="\ud800" * 10, locale="\0")

    found = problems(lambda: requests.request_signature(world.runtime, slug, form, network="not an address\0"))

    assert found["country"] == "unknown"


def test_an_unknown_petition_is_not_found_whatever_its_name(world):
    for slug in ("nothing", "é", "x" * 10_000):
        with pytest.raises(errors.NotFoundError):
            petition_page.show(world.runtime, slug, "en")
    for slug in ("\0", "\ud800"):
        with pytest.raises(errors.NotFoundError):
            petition_page.show(world.runtime, slug, "en")


ATTACKS = [
    "<script>alert(1)</script>", "<form action=x><input name=a></form>", '<img src="https://evil.example/p.gif">',
    "![pixel](https://evil.example/p.gif)", "<style>@import url(https://evil.example)</style>",
    "[x](javascript:alert(1))", "[x](JaVaScRiPt:alert(1))", "[x](&#106;avascript:alert(1))", "[x](file:///etc/passwd)",
    "[x](data:text/html;base64,PHNjcmlwdD4=)", "<a href='javascript:alert(1)'>x</a>", "<iframe src=//evil.example>",
    "<a href=x onclick=alert(1)>", "<svg onload=alert(1)>", "[x](vbscript:x)", '<https://ok.example/"onmouseover=x>',
    "<!--[if mso]><script>x</script><![endif]-->", "<link rel=stylesheet href=//evil.example>", "<base href=//evil>",
    "[x](//evil.example/protocol-relative)", "[x]: javascript:alert(1)\n\n[x]", "<javascript:alert(1)>",
    "`<script>`", '<math><mi//xlink:href="data:x,<script>alert(1)</script>">', "[x](\x01javascript:alert(1))",
]  # fmt: skip
TAG = re.compile(r"<(/?)([a-z0-9]+)([^>]*)>")
KNOWN = {"p", "br", "hr", "h2", "h3", "h4", "strong", "em", "ul", "ol", "li", "blockquote", "a", "code", "pre",
         "table", "thead", "tbody", "tr", "th", "td"}  # fmt: skip


def check_safe(html):
    for _, tag, attributes in TAG.findall(html):
        assert tag in KNOWN
        found = dict(re.findall(r' ([a-z-]+)="([^"]*)"', attributes))
        assert found.keys() <= {"href", "rel"}
        if "href" in found:
            assert re.match(r"(?:https?://|mailto:)", found["href"])
    assert "<" not in TAG.sub("", html)


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_active_survives_an_organiser_s_text(attack):
    check_safe(to_html(f"Before {attack} after\n\n{attack}\n\n> {attack}"))


PIECES = [*ATTACKS, "**", "_", "](", "[", ")", "\n\n", "    ", "&#", "<", ">", "\\"]


@given(st.lists(st.sampled_from(PIECES), max_size=8))
def test_nothing_active_survives_any_mixture_of_attacks(parts):
    check_safe(to_html("".join(parts)))


def test_ordinary_writing_survives():
    html = to_html("# Act\n\n**Now**, _please_: [why](https://example.org/?a=1&b=2)\n\n1. one\n2. two")

    assert html.startswith("<h2>Act</h2>")
    assert '<a href="https://example.org/?a=1&amp;b=2" rel="noopener nofollow">why</a>' in html
    assert "<ol>" in html
