"""A header by which a provider's webhooks name the message they are about.

Some providers put a return address and a Message-ID of their own in the place of ours, and echo in their webhooks only
what a header of theirs said. It gets the opaque part of our Message-ID, which tells others nothing. It goes in front of
the signed mail and is not covered by DKIM; other relays never get it.
"""

import re
from collections.abc import Mapping
from typing import Final

HEADERS: Final[Mapping[str, bytes]] = {
    # https://postmarkapp.com/support/article/1125-custom-metadata-faq
    "postmark": b"X-PM-Metadata-countersign: %s\r\n",
    # https://www.twilio.com/docs/sendgrid/for-developers/sending-email/unique-arguments
    "sendgrid": b'X-SMTPAPI: {"unique_args": {"countersign": "%s"}}\r\n',
    # https://documentation.mailgun.com/docs/mailgun/user-manual/sending-messages/send-attach-data
    "mailgun": b'X-Mailgun-Variables: {"countersign": "%s"}\r\n',
    # https://developers.brevo.com/docs/smtp-integration
    "brevo": b"X-Mailin-custom: countersign:%s\r\n",
    # https://docs.aws.amazon.com/ses/latest/dg/event-publishing-send-email.html
    "ses": b"X-SES-MESSAGE-TAGS: countersign=%s\r\n",
}
"""Headers by the provider named in SMTP_URL."""

_MESSAGE_ID: Final = re.compile(rb"^Message-ID: <([0-9a-f]{16,64})@", re.IGNORECASE | re.MULTILINE)
_END: Final = b"\r\n\r\n"


def with_name(data: bytes, provider: str | None) -> bytes:
    """A mail with the header for its relay in front; as it is without a provider, or without a Message-ID of ours."""
    if provider is None:
        return data
    found = _MESSAGE_ID.search(data, 0, max(data.find(_END), 0))
    return data if found is None else HEADERS[provider] % found[1] + data
