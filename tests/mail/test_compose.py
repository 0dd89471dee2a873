"""Compiling: documented names only, no slot lost, nothing forbidden, everything in every language."""

import re
from collections.abc import Callable
from email.header import decode_header, make_header
from pathlib import Path
from typing import Any

import pytest
from babel.support import NullTranslations
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import meta, nodes

from campaign.errors import MailTemplateError, MailValueError
from campaign.mail import headers
from campaign.mail import templates as mail_templates
from campaign.mail.compose import ListIdentity, TemplateCompiler
from campaign.mail.kinds import COMMON, DISCREET, KINDS, Lane
from campaign.mail.slots import Slots
from campaign.settings import LANGUAGES
from campaign.variables import ROOT
from tests.mail import kit

FOLDER = ROOT / "templates" / "email"


def composer(tmp_path: Path, **changed: str) -> Callable[..., Any]:
    """A composer whose sign-in mail has other words."""
    texts = {
        "subject": "Hi",
        "text": "{{ link_sign_in }} {{ valid_minutes }}",
        "html": '<a href="{{ link_sign_in }}">x</a>',
    }
    texts |= changed
    folder = tmp_path / "sign_in"
    folder.mkdir()
    for name, file in (("subject", "subject.txt"), ("text", "body.txt"), ("html", "body.html")):
        (folder / file).write_text(texts[name])
    made = TemplateCompiler(tmp_path, translations=lambda _: NullTranslations())
    return lambda **more: made.compile(
        "sign_in", **({"locale": "en", "sender": kit.SENDER, "context": {"valid_minutes": 5}} | more)
    )


@pytest.mark.parametrize("locale", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_compiles_in_every_language_with_the_slots_it_documents(kind: str, locale: str) -> None:
    compiled = kit.compile_mail(kind, locale)

    # Organisers greet by name in their own words or not at all.
    assert KINDS[kind].slots - compiled.slots <= ({"name"} if KINDS[kind].folder == "update" else set())
    assert compiled.slots <= KINDS[kind].slots
    assert compiled.needs_list_unsubscribe is (KINDS[kind].lane is Lane.BULK or kind == "thank_you")


@pytest.mark.parametrize("kind", KINDS)
def test_the_templates_use_every_name_that_their_kind_documents(kind: str) -> None:
    spec = KINDS[kind]
    env = mail_templates.environment(FOLDER, locale="en", translations=NullTranslations())
    used: set[str] = set()
    for file in [*(FOLDER / spec.folder).iterdir(), *FOLDER.glob("_layout.*")]:
        used |= meta.find_undeclared_variables(env.parse(file.read_text()))

    macros = {"gettext", "ngettext", "address", "button", "isolate", "progress"}
    assert used - macros <= spec.context | spec.slots | COMMON
    assert (spec.context | spec.slots) - {"name"} <= used


def test_every_folder_of_templates_is_a_kind_and_has_its_three_files() -> None:
    found = [folder for folder in FOLDER.rglob("*") if folder.is_dir() and folder.name != "discreet"]
    folders = {str(folder.relative_to(FOLDER)): {file.name for file in folder.iterdir()} for folder in found}

    kinds = (*KINDS.values(), *DISCREET.values())
    assert folders == {kind.folder: {"subject.txt", "body.txt", "body.html"} for kind in kinds}


@pytest.mark.parametrize("file", sorted(FOLDER.rglob("*.*")), ids=lambda file: str(file.relative_to(FOLDER)))
def test_all_words_of_the_templates_can_be_translated(file: Path) -> None:
    env = mail_templates.environment(FOLDER, locale="en", translations=NullTranslations())
    tree = env.parse(file.read_text())
    text = "".join(
        part.data
        for output in tree.find_all(nodes.Output)
        for part in output.nodes
        if isinstance(part, nodes.TemplateData)
    )
    words = re.sub(r"<style.*?</style>|<[^>]*>", " ", text, flags=re.DOTALL)

    assert not re.search(r"[A-Za-z]{2,}", words), words


@pytest.mark.parametrize("change", [{"valid_minutes": 5, "more": 1}, {}])
def test_names_that_are_missing_or_not_documented_fail(change: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(MailTemplateError):
        composer(tmp_path)(context=change)


@pytest.mark.parametrize(
    "templates",
    [
        {"text": "{{ nonsense }} {{ link_sign_in }}"},
        {"text": "{{ link_sign_in|upper }}"},
        {"text": "no link"},
        {"html": "no link"},
        {"subject": "{{ link_sign_in }}"},
        {"subject": " "},
        {"subject": "x" * 300},
        {"html": '<a href="{{ link_sign_in }}"><script>x</script></a>'},
        {"html": '<a href="{{ link_sign_in }}"><img src="https://x.test/pixel"></a>'},
        {"html": '<form><a href="{{ link_sign_in }}">x</a></form>'},
        {"html": '<style>@import "file:///etc/passwd";</style><a href="{{ link_sign_in }}">x</a>'},
        {"html": '<link rel="stylesheet" href="file:///etc/passwd"><a href="{{ link_sign_in }}">x</a>'},
        {
            "html": "<style>"
            + ".a{color:red}" * 2000
            + "</style>".replace("<style>", "")
            + "{{ link_sign_in }}"
            + "x" * 110_000
        },
        {"html": "{{ link_sign_in }}" + "<p>word</p>" * 12_000},
        {"text": "{{ link_sign_in"},
    ],
)
def test_a_template_that_must_not_be_mailed_fails_at_compile(templates: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(MailTemplateError):
        composer(tmp_path, **templates)()


def test_links_of_the_context_lead_to_our_own_site() -> None:
    with pytest.raises(MailTemplateError, match="link_petition"):
        kit.compile_mail("mailbox_full", link_petition="https://evil.test/p")


def test_list_mail_needs_its_identity_and_other_mail_has_none() -> None:
    with pytest.raises(MailTemplateError):
        kit.composer.compile(
            "update", locale="en", sender=kit.SENDER, context={n: kit.CONTEXT[n] for n in KINDS["update"].context}
        )
    with pytest.raises(MailTemplateError):
        kit.composer.compile(
            "sign_in", locale="en", sender=kit.SENDER, context={"valid_minutes": 5}, list_identity=kit.IDENTITY
        )


@pytest.mark.parametrize(
    "identity",
    [
        ListIdentity("n", "no domain", ("a",), "countersign"),
        ListIdentity("n", "a.example.org", ("a", "b", "c", "d"), "countersign"),
        ListIdentity("n", "a.example.org", ("a:b",), "countersign"),
        ListIdentity("n", "a.example.org", ("zahra@example.org",), "countersign"),
        ListIdentity("n", "a.example.org", ("a",), "four"),
    ],
)
def test_a_list_identity_holds_nothing_personal_and_nothing_broken(identity: ListIdentity) -> None:
    with pytest.raises(MailTemplateError):
        identity.header_lines()


def test_an_organisers_text_can_hold_slots() -> None:
    slots = Slots.create(KINDS["update"].slots)
    context = {name: kit.CONTEXT[name] for name in KINDS["update"].context} | {
        "body_html": f'<p>Hello {slots["name"]}, <a href="{slots["link_unsubscribe"]}">stop</a></p>',
        "body_text": f"Hello {slots['name']},\n{slots['link_unsubscribe']}",
    }

    compiled = kit.composer.compile(
        "update", locale="en", sender=kit.SENDER, context=context, slots=slots, list_identity=kit.IDENTITY
    )
    message = kit.parse(kit.fill(compiled, values=kit.VALUES | {"name": "<b>Zoë</b>"}))

    assert "Hello <b>Zoë</b>,\r\nhttps://" in kit.part(message, "plain").replace("\n", "\r\n").replace("\r\r", "\r")
    assert "Hello &lt;b&gt;Zoë&lt;/b&gt;, <a" in kit.part(message, "html")


def test_values_of_the_context_are_escaped_in_html_and_kept_in_text() -> None:
    message = kit.parse(kit.fill(kit.compile_mail("confirmation", petition_title="<i>A & B</i>")))

    assert "<i>A & B</i>" in kit.part(message, "plain")
    assert "&lt;i&gt;A &amp; B&lt;/i&gt;" in kit.part(message, "html")
    assert "<i>" not in kit.part(message, "html")


def test_numbers_are_written_as_the_language_writes_them() -> None:
    texts = {
        locale: kit.part(kit.parse(kit.fill(kit.compile_mail("thank_you", locale))), "plain") for locale in LANGUAGES
    }

    assert "1,234" in texts["en"]
    assert "1.234" in texts["de"]
    assert "۱٬۲۳۴" in texts["fa"]


@pytest.mark.parametrize(("count", "words"), [(0, "0 people have"), (1, "1 person has"), (2, "2 people have")])
def test_counts_have_the_right_plural(count: int, words: str) -> None:
    message = kit.parse(kit.fill(kit.compile_mail("thank_you", count=count)))

    assert f"{words} signed" in kit.part(message, "plain")


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters="\u2028\u2029"), max_size=300)


@given(TEXT)
def test_any_subject_is_read_back_as_it_was_and_folded_within_limits(text: str) -> None:
    subject = " ".join(text.split())
    line = headers.text("Subject", subject)

    assert kit.parse(line + b"\r\n")["Subject"] == subject
    assert all(len(part) <= 76 for part in line.split(b"\r\n"))
    assert line.isascii()


@given(TEXT.map(str.strip))
def test_any_sender_name_is_read_back_as_it_was(text: str) -> None:
    name = " ".join(text.split())
    line = headers.mailbox("From", name, "a@example.org")

    assert line.endswith(b" <a@example.org>\r\n" if name else b"From: a@example.org\r\n")
    if b"=?" in line:
        # The structured parser keeps the blank between two encoded words, against RFC 2047 section 6.2.
        words = line.decode("ascii").removeprefix("From: ").partition(" <")[0]
        assert str(make_header(decode_header(words))) == name
    else:
        assert kit.parse(line + b"\r\n")["From"].addresses[0].display_name == name


@pytest.mark.parametrize("value", ["a\r\nBcc: x@y", "a\nb", "a\x00", "ä", "x" * 1000, ""])
def test_f39_an_unfolded_header_takes_one_line_of_ascii(value: str) -> None:
    with pytest.raises(MailValueError):
        headers.unfolded("Feedback-ID", value)


@pytest.mark.parametrize("name", ["A\r\nBcc", "A:", "", "Ä"])
def test_f39_a_header_name_smuggles_nothing(name: str) -> None:
    with pytest.raises(MailValueError):
        headers.unfolded(name, "x")


@pytest.mark.parametrize("value", ["a\r\nBcc: x@y", "a\nb", "a\x00", "a\u2028b", "\ud800"])
def test_f39_neither_subject_nor_sender_name_takes_control_characters(value: str) -> None:
    for write in (lambda: headers.text("Subject", value), lambda: headers.mailbox("From", value, "a@b.test")):
        with pytest.raises(MailValueError):
            write()
