"""Compile a mail once per kind, language and petition or blast; fill it per recipient.

Templates, CSS inlining and quoted-printable cost milliseconds and happen here, once;
:class:`~campaign.mail.compiled.CompiledMail` does the rest in microseconds.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import css_inline
from markupsafe import Markup

from campaign import i18n
from campaign.errors import MailTemplateError, MailTooLargeError
from campaign.mail import headers, templates
from campaign.mail.compiled import BOUNDARY, CompiledMail
from campaign.mail.dkim import SIGNED
from campaign.mail.kinds import COMMON, DISCREET, KINDS, MailKind, Unsubscribe
from campaign.mail.quoted_printable import encode_literal
from campaign.mail.slots import Slots

MAX_HTML: Final = 100 * 1024
"""Bytes of the HTML part: Gmail clips what is longer."""
MAX_MESSAGE: Final = 200 * 1024
MAX_STYLE: Final = 16 * 1024
MAX_SUBJECT: Final = 250
"""Characters; longer subjects are cut by every client."""

_INLINER = css_inline.CSSInliner(load_remote_stylesheets=False)
_TABLE = re.compile(r"<table(?=[\s>])(?![^>]*\sdir=)")
_STYLE = re.compile(r"<style[^>]*>(.*?)</style>", re.DOTALL)
_OUTSIDE = re.compile(r"<(?:script|form|iframe|link|img|object|embed|base)\b", re.IGNORECASE)
_STYLED = re.compile(r"<style[^>]*>.*?</style>|<[a-z][^>]*\sstyle=[^>]*>", re.DOTALL | re.IGNORECASE)
_LOADING = re.compile(r"@import|url\(", re.IGNORECASE)
"""What makes a style load something; in words that are read it does nothing."""


@dataclass(frozen=True)
class Sender:
    """Who the mail is from and where its site is. ``base_url`` has no slash at the end."""

    address: str
    name: str
    site_name: str
    base_url: str
    link_privacy: str
    postal_address: str = ""


@dataclass(frozen=True)
class ListIdentity:
    """What list mail says about itself (RFC 2919; Feedback-ID as Gmail reads it). Nothing personal.

    ``list_id`` like ``k3v9.lists.example.org``; ``campaign_ids`` up to three ids; ``sender_id`` 5 to 15 characters.
    """

    list_name: str
    list_id: str
    campaign_ids: tuple[str, ...]
    sender_id: str

    def header_lines(self) -> list[bytes]:
        """List-Id and Feedback-ID, unfolded where a fold would break them."""
        for part in (*self.campaign_ids, self.sender_id):
            if not re.fullmatch(r"[A-Za-z0-9._-]{1,40}", part):
                raise MailTemplateError("A Feedback-ID is made of letters, digits, dots and dashes.")
        if len(self.campaign_ids) > 3 or not 5 <= len(self.sender_id) <= 15:
            raise MailTemplateError("A Feedback-ID has up to three ids and a sender id of 5 to 15 characters.")
        if not re.fullmatch(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+", self.list_id):
            raise MailTemplateError("A List-Id is a name in a domain.")
        shown = headers.phrase("List-Id", self.list_name[:80])
        feedback = ":".join([*self.campaign_ids, *[""] * (3 - len(self.campaign_ids)), self.sender_id])
        return [b"List-Id: " + shown + f" <{self.list_id}>\r\n".encode(), headers.unfolded("Feedback-ID", feedback)]


@dataclass
class TemplateCompiler:
    """Compiles mails from a folder of templates.

    ``translations`` gives the gettext catalogue of a language. A composer may be shared by threads.
    """

    folder: Path
    translations: Callable[[str], templates.Translations] = i18n.translations

    def compile(
        self,
        kind: str,
        *,
        locale: str,
        sender: Sender,
        context: Mapping[str, Any],
        slots: Slots | None = None,
        list_identity: ListIdentity | None = None,
        discreet: bool = False,
    ) -> CompiledMail:
        """Compile one mail.

        Args:
            kind: a name in :data:`~campaign.mail.kinds.KINDS`.
            locale: language of the words and numbers.
            sender: From and the site.
            context: exactly the names that the kind documents. ``body_html`` must be sanitised already.
            slots: given when ``context`` holds text in which slots were placed (merge tags).
            list_identity: needed exactly if the kind is list mail.
            discreet: the form that does not tell the petition.

        Raises:
            MailTemplateError: for undefined or unexpected names, links missing in one part, forbidden or too much text.
            MailValueError: for a subject or sender that can't be a header.
        """
        spec = (DISCREET if discreet else KINDS)[kind]
        slots = slots or Slots.create(spec.slots)
        values = self.values(spec, locale, sender, context) | slots.tokens()
        subject, text, html = self._rendered(spec, locale, values)
        _check_subject(subject, slots)
        one_click = spec.unsubscribe is Unsubscribe.ALWAYS or (
            spec.unsubscribe is Unsubscribe.WITH_UPDATES and bool(values["wants_updates"])
        )
        head = _head(spec, locale, sender, subject, list_identity, one_click=one_click)
        body, places, names = _body(slots, text, html)
        compiled = CompiledMail(
            kind=kind,
            locale=locale,
            subject=subject,
            base_url=sender.base_url,
            head=b"".join(head),
            canonical_head=b"".join(headers.relaxed(line) for line in head if headers.name_of(line) in SIGNED),
            head_names=tuple(map(headers.name_of, head)),
            body=body,
            places=places,
            names=names,
            needs_list_unsubscribe=one_click,
        )
        _check_size(compiled, html)
        return compiled

    def _rendered(self, spec: MailKind, locale: str, values: dict[str, Any]) -> tuple[str, str, str]:
        """Subject, text and HTML; the latter two know the subject as ``mail_subject``."""
        env = templates.environment(self.folder, locale=locale, translations=self.translations(locale))
        subject = " ".join(templates.render(env, f"{spec.folder}/subject.txt", values).split())
        values = values | {"mail_subject": subject}
        text = tidy(templates.render(env, f"{spec.folder}/body.txt", values))
        return subject, text, inlined(templates.render(env, f"{spec.folder}/body.html", values), locale)

    def values(self, spec: MailKind, locale: str, sender: Sender, context: Mapping[str, Any]) -> dict[str, Any]:
        """The template-level values: ``context``, checked against the kind, with the names that all kinds share.

        Raises:
            MailTemplateError: for missing or unexpected names, and links to other sites.
        """
        if wrong := set(context) ^ spec.context:
            raise MailTemplateError(f"The mail {spec.name} was given the wrong names: {', '.join(sorted(wrong))}.")
        values = dict(context)
        for name, value in values.items():
            if name.startswith("link_") and not str(value).startswith(f"{sender.base_url}/"):
                raise MailTemplateError(f"The mail {spec.name} was given a link to another site: {name}.")
        if "body_html" in values:
            values["body_html"] = Markup(values["body_html"])  # noqa: S704 - sanitised by nh3 before, and checked below
        common = {
            "site_name": sender.site_name,
            "base_url": sender.base_url,
            "link_privacy": sender.link_privacy,
            "postal_address": sender.postal_address,
            "locale": locale,
            "direction": i18n.direction(locale),
            "is_test": spec.is_test,
            "mail_subject": "",
        }
        assert common.keys() == COMMON  # noqa: S101 - the table in kinds.py documents exactly these
        return values | common


def _check_subject(subject: str, slots: Slots) -> None:
    if not subject or len(subject) > MAX_SUBJECT:
        raise MailTemplateError(f"A subject has 1 to {MAX_SUBJECT} characters.")
    if slots.nonce in subject:
        raise MailTemplateError("A subject is the same for all recipients; it can't hold a name or link.")


def tidy(text: str) -> str:
    """No blanks at line ends, at most one empty line in a row, one line end at the end."""
    # Line by line: a pattern for blanks at line ends takes quadratic time for many blanks elsewhere.
    text = "\n".join(line.rstrip(" \t\r") for line in text.replace("\r\n", "\n").split("\n"))
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n") + "\n"


def inlined(html: str, locale: str) -> str:
    """``html`` with its styles in the elements, and language and direction on every table.

    Raises:
        MailTemplateError: for scripts, forms, frames, images, imports, or too much style.
    """
    if _OUTSIDE.search(html) or any(_LOADING.search(styled) for styled in _STYLED.findall(html)):
        raise MailTemplateError("A mail must not hold scripts, forms, frames, images or imported styles.")
    directed = _TABLE.sub(f'<table lang="{locale}" dir="{i18n.direction(locale)}"', html)
    inlined = _INLINER.inline(directed)
    if sum(len(style.encode()) for style in _STYLE.findall(inlined)) > MAX_STYLE:
        raise MailTemplateError("The styles of a mail must stay under 16 KB.")
    return tidy(re.sub(r"\n[ \t]+", "\n", inlined))


def _head(
    spec: MailKind, locale: str, sender: Sender, subject: str, identity: ListIdentity | None, *, one_click: bool
) -> list[bytes]:
    if (identity is not None) != spec.is_list:
        raise MailTemplateError(f"The mail {spec.name} {'needs' if spec.is_list else 'has no'} list identity.")
    lines = [
        headers.mailbox("From", sender.name, sender.address),
        headers.text("Subject", subject),
        b"MIME-Version: 1.0\r\n",
        f'Content-Type: multipart/alternative; boundary="{BOUNDARY}"\r\n'.encode(),
        headers.unfolded("Content-Language", locale),
    ]
    if not spec.is_discreet:
        # Not personal: it lets a local mailbox and a postmaster tell the kinds apart.
        lines.append(headers.unfolded("X-Countersign-Kind", spec.name))
    if spec.auto_submitted:
        lines.append(b"Auto-Submitted: auto-%b\r\n" % (b"replied" if spec.is_answer else b"generated"))
    if one_click:
        lines.append(b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n")
    if identity is not None:
        lines += identity.header_lines()
    return lines


def _body(slots: Slots, text: str, html: str) -> tuple[tuple[bytes, ...], tuple[int, ...], tuple[str, ...]]:
    """Both parts in quoted-printable, cut at the slots."""
    pieces: list[bytes] = []
    places: list[int] = []
    found: dict[str, set[str]] = {"plain": set(), "html": set()}
    for subtype, part in (("plain", text), ("html", html)):
        # The CRLF before a boundary belongs to it (RFC 2046 section 5.1.1): a part that ends in one needs one more.
        fence = f"\r\n--{BOUNDARY}\r\n" if pieces else f"--{BOUNDARY}\r\n"
        types = f'Content-Type: text/{subtype}; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n'
        before = (fence + types).encode()
        for index, (literal, slot) in enumerate(slots.split(part)):
            encoded = encode_literal(literal, at_line_start=index == 0, before_slot=slot is not None)
            _append(pieces, before + encoded, joined=index == 0)
            before = b""
            if slot is not None:
                places.append(2 * slots.names.index(slot) + (subtype == "html"))
                found[subtype].add(slot)
                pieces.append(b"")
    pieces[-1] += f"\r\n--{BOUNDARY}--\r\n".encode()
    if uneven := found["plain"] ^ found["html"]:
        raise MailTemplateError(f"The text and the HTML part differ in: {', '.join(sorted(uneven))}.")
    # Only names that occur, in their order, so that nothing else need be given to fill the mail.
    names = tuple(name for name in slots.names if name in found["plain"])
    moved = {slots.names.index(name): index for index, name in enumerate(names)}
    return tuple(pieces), tuple(2 * moved[place // 2] + place % 2 for place in places), names


def _append(pieces: list[bytes], piece: bytes, *, joined: bool) -> None:
    """Begin a part: join it to the end of the part before, so that fixed bytes and places alternate."""
    if joined and pieces:
        pieces[-1] += piece
    else:
        pieces.append(piece)


def _check_size(compiled: CompiledMail, html: str) -> None:
    if len(html.encode()) > MAX_HTML:
        raise MailTooLargeError("The HTML part of a mail must stay under 100 KB.")
    if sum(map(len, compiled.body)) + len(compiled.head) > MAX_MESSAGE:
        raise MailTooLargeError("A mail must stay under 200 KB.")
