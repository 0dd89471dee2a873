"""The local mailbox: what the local mail server received, read in the browser. Not there with a real mail server."""

import email.policy
import re
from email.message import EmailMessage

from flask import Blueprint, Response, abort, current_app, jsonify, request
from markupsafe import Markup, escape

from campaign.local.mailserver.mailbox import Mailbox
from campaign.views.access import Access, allow
from campaign.views.current import runtime
from campaign.views.headers import FRAMING_POLICY, MAIL_POLICY, keep_private
from campaign.views.rendering import page

pages = Blueprint("mailbox", __name__)

AT_ONCE = 100
"""Mails on one page of the list."""

ADDRESS = re.compile(r"https?://[^\s<>\"]+")


@pages.get("/mailbox")
@allow(Access.MAILBOX)
def index() -> Response:
    """All mails, newest first."""
    mails = _mailbox().messages()
    number = max(request.args.get("page", 1, type=int), 1)
    shown = mails[(number - 1) * AT_ONCE : number * AT_ONCE]
    older = number + 1 if len(mails) > number * AT_ONCE else 0
    return keep_private(page("mailbox.html", mails=shown, older=older))


@pages.get("/mailbox/messages.json")
@allow(Access.MAILBOX)
def messages() -> Response:
    """The same list for programs."""
    return keep_private(
        jsonify(
            [
                {
                    "id": mail.id,
                    "to": mail.to,
                    "from": mail.from_,
                    "subject": mail.subject,
                    "kind": mail.kind,
                    "received_at": mail.received_at.isoformat(),
                }
                for mail in _mailbox().messages()
            ]
        )
    )


@pages.get("/mailbox/<mail_id>.eml")
@allow(Access.MAILBOX)
def eml(mail_id: str) -> Response:
    """One mail, byte for byte as it was received."""
    response = current_app.response_class(_raw(mail_id), mimetype="message/rfc822")
    response.headers["Content-Disposition"] = f'attachment; filename="{mail_id}.eml"'
    return keep_private(response)


@pages.get("/mailbox/<mail_id>")
@allow(Access.MAILBOX)
def read(mail_id: str) -> Response:
    """One mail: as a mail program shows it, as plain text, and its source."""
    raw = _raw(mail_id)
    mail = next((mail for mail in _mailbox().messages() if mail.id == mail_id), None)
    if mail is None:
        abort(404)
    message = _parsed(raw)
    response = page(
        "mail.html",
        mail=mail,
        has_html=message.get_body(("html",)) is not None,
        text_with_links=_with_links(_part(message, "plain")),
        source=raw.decode("utf-8", "replace"),
    )
    response.headers["Content-Security-Policy"] = FRAMING_POLICY
    return keep_private(response)


@pages.get("/mailbox/<mail_id>/html")
@allow(Access.MAILBOX)
def html(mail_id: str) -> Response:
    """The HTML of one mail for the frame on its page; its own policy lets nothing run and nothing load."""
    body = _part(_parsed(_raw(mail_id)), "html")
    # Links leave the frame: a page of ours refuses to be framed.
    framed = re.sub(r"(<head[^>]*>)", r'\1<base target="_blank">', body, count=1, flags=re.IGNORECASE)
    response = current_app.response_class(framed, mimetype="text/html")
    response.headers["Content-Security-Policy"] = MAIL_POLICY
    return keep_private(response)


def _mailbox() -> Mailbox:
    return Mailbox(runtime().settings.mailbox_folder)


def _raw(mail_id: str) -> bytes:
    return _mailbox().raw(mail_id)


def _parsed(raw: bytes) -> EmailMessage:
    return email.message_from_bytes(raw, policy=email.policy.default)


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    content = part.get_payload(decode=True) if part is not None else b""
    if part is None or not isinstance(content, bytes):
        return ""
    try:
        return content.decode(part.get_content_charset("utf-8"), "replace")
    except LookupError:
        # An unknown charset: show what can be decoded.
        return content.decode("utf-8", "replace")


def _with_links(text: str) -> Markup:
    pieces: list[Markup] = []
    end = 0
    for found in ADDRESS.finditer(text):
        pieces += [escape(text[end : found.start()]), Markup('<a href="{0}">{0}</a>').format(found.group())]
        end = found.end()
    return Markup("").join([*pieces, escape(text[end:])])
