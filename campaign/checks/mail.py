"""Checks of our own side of mail: the DKIM keys; and a test mail through each relay if that is asked for."""

from datetime import UTC, datetime
from secrets import token_hex
from typing import Final

from campaign.checks.findings import Finding, Level, fine, unknown
from campaign.checks.relays import all_relays
from campaign.delivery.composer import load_signer
from campaign.errors import SessionFailedError, SettingsError
from campaign.mail import headers
from campaign.mail.addresses import wire_address
from campaign.mail.dkim import DkimKey
from campaign.settings import Settings
from campaign.smtp.settings import SmtpSettings
from campaign.smtp.smtp import SmtpTransport
from campaign.smtp.transport import Envelope, Outcome, Result

WHY_DKIM: Final = "Gmail, Yahoo and Outlook reject unsigned bulk email or put it in the spam folder."


def dkim_keys(settings: Settings) -> tuple[DkimKey, ...]:
    """The keys that sign mail; none if no file is named.

    Raises:
        SettingsError: one can't be used.
    """
    signer = load_signer(settings)
    return () if signer is None else signer.keys


def check_keys(settings: Settings) -> Finding:
    """Whether the DKIM keys can be used."""
    name = "dkim.key"
    try:
        keys = dkim_keys(settings)
    except SettingsError as error:
        return Finding(
            name,
            Level.STOP,
            f"{error.problems[0][0].upper()}{error.problems[0][1:]}.",
            WHY_DKIM,
            "Name a file in COUNTERSIGN_DKIM_KEY_FILE (and COUNTERSIGN_DKIM_ED25519_KEY_FILE) that our user may read; "
            "`openssl genrsa -out dkim.pem 2048` makes one.",
        )
    if not keys:
        return Finding(name, Level.LOOK, "Mail is not signed.", WHY_DKIM, "Set COUNTERSIGN_DKIM_KEY_FILE.")
    return fine(name, f"Mail is signed with {' and '.join(key.algorithm for key in keys)}.")


def send_all(settings: Settings, address: str) -> list[Finding]:
    """Send a test mail through each relay, and tell what the server answered.

    Raises:
        MailValueError: the address can't be mailed.
    """
    recipient = wire_address(address)
    if not settings.smtp_url:
        return [unknown("send", "SMTP_URL is empty, and the local mail server of `countersign up` does not run")]
    try:
        relays, signer = all_relays(settings), load_signer(settings)
    except SettingsError:
        return [unknown("send", "the settings for email must be corrected first")]
    found = []
    for relay in relays:
        data = _message(settings, recipient.address, relay)
        envelope = Envelope(
            id=1,
            mail_from=f"doctor@{settings.return_domain}",
            rcpt_to=recipient.address,
            data=data if signer is None else signer.sign(data),
            utf8=recipient.utf8,
        )
        found.append(_send(relay, envelope))
    return found


def _message(settings: Settings, address: str, relay: SmtpSettings) -> bytes:
    lines = (
        headers.mailbox("From", settings.site_name, settings.mail_from),
        headers.mailbox("To", None, address),
        headers.text("Subject", f"Test of {settings.host}"),
        headers.date(datetime.now(UTC)),
        headers.message_id(f"<doctor.{token_hex(8)}@{settings.mail_domain}>"),
        b"MIME-Version: 1.0\r\n",
        b"Content-Type: text/plain; charset=utf-8\r\n",
        b"Auto-Submitted: auto-generated\r\n",
    )
    text = (
        f"This is a test email from `countersign doctor --send`, through {relay.host}, port {relay.port}.\r\n"
        "If it is in the spam folder, compare DKIM, SPF and DMARC in its headers with what the command says.\r\n"
    )
    return b"".join(lines) + b"\r\n" + text.encode()


def _send(relay: SmtpSettings, envelope: Envelope) -> Finding:
    name, place = f"send.{relay.host}:{relay.port}", f"{relay.host}:{relay.port}"
    outcomes: list[Outcome] = []
    transport = SmtpTransport(relay)
    try:
        transport.deliver([envelope], on_submit=lambda _: None, on_outcome=outcomes.append)
    except SessionFailedError as error:
        return Finding(name, Level.STOP, f"No test email: {place} gives no session ({error.reason}).")
    finally:
        transport.close()
    told = outcomes[0]
    answer = f"{told.code or ''} {told.text}".strip() or "nothing"
    if told.result is Result.ACCEPTED:
        return fine(name, f"{place} took the test email and answered: {answer}")
    return Finding(
        name,
        Level.STOP,
        f"{place} did not take the test email ({told.result}, {told.phase}) and answered: {answer}",
        "Mail to signers would most likely meet the same answer.",
        "See what its documentation says of this answer, and whether it lets us send as COUNTERSIGN_MAIL_FROM.",
    )
