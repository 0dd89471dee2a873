"""Payloads in the shape that each provider documents, with invented people."""

from tests.feedback.providers.kit import SOMEONE, Sent


def ses_mail(sent: Sent, **changes: object) -> dict[str, object]:
    return {
        "timestamp": "2026-11-22T09:59:30.000Z",
        "messageId": "0100019ab3c4d5e6-7f8a9b0c-1d2e-4f5a-8b9c-0d1e2f3a4b5c-000000",
        "source": sent.return_address,
        "sourceArn": "arn:aws:ses:eu-central-1:123456789012:identity/example.org",
        "sendingAccountId": "123456789012",
        "destination": [SOMEONE],
        "headersTruncated": False,
        "headers": [{"name": "From", "value": "Petitions <petitions@example.org>"}, {"name": "To", "value": SOMEONE}],
        "commonHeaders": {"from": ["Petitions <petitions@example.org>"], "to": [SOMEONE], "messageId": "0100019a"},
    } | changes


def ses_bounce(sent: Sent, kind: str = "Permanent", subtype: str = "General", **recipient: object) -> dict[str, object]:
    told = {"emailAddress": SOMEONE, "action": "failed"} | recipient
    return {
        "eventType": "Bounce",
        "bounce": {
            "feedbackId": "0100019ab3c4d5e6-59b61c11-9236-11e6-8f96-7be8aexample-000000",
            "bounceType": kind,
            "bounceSubType": subtype,
            "bouncedRecipients": [told],
            "timestamp": "2026-11-22T09:59:40.000Z",
            "reportingMTA": "dsn; a1-23.smtp-out.amazonses.com",
        },
        "mail": ses_mail(sent),
    }


def ses(sent: Sent, word: str, place: str, *, field: str = "eventType", **details: object) -> dict[str, object]:
    return {field: word, "mail": ses_mail(sent), place: {"timestamp": "2026-11-22T09:59:41.000Z"} | details}


def sendgrid(sent: Sent, word: str = "bounce", *, number: int = 1, **more: object) -> dict[str, object]:
    return {
        "email": SOMEONE,
        "timestamp": 1795341580,
        "smtp-id": "<14c5d75ce93.dfd.64b469@ismtpd-555>",
        "countersign": sent.name,
        "event": word,
        "sg_event_id": f"Ym91bmNlLTAtNTg3MzY0-{number}",
        "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
    } | more


def sendgrid_bounce(sent: Sent, **more: object) -> dict[str, object]:
    told = {"type": "bounce", "status": "5.1.1", "reason": f"550 5.1.1 The account {SOMEONE} does not exist"}
    return sendgrid(sent, "bounce", **(told | more))


def mailgun(sent: Sent, word: str = "failed", *, number: int = 1, **more: object) -> dict[str, object]:
    return {
        "event": word,
        "id": f"W3X4JOhFT-OZidZGKKr9iA-{number}",
        "timestamp": 1795341580.123,
        "log-level": "info",
        "recipient": SOMEONE,
        "recipient-domain": "example.net",
        "envelope": {"sender": "bounce+1a2b3c@mg.example.org", "targets": SOMEONE, "transport": "smtp"},
        "message": {
            "headers": {"from": "petitions@example.org", "to": SOMEONE, "message-id": sent.message_id.strip("<>")},
            "size": 2048,
        },
        "user-variables": {},
        "flags": {"is-test-mode": False},
    } | more


def mailgun_bounce(sent: Sent, **more: object) -> dict[str, object]:
    told = {
        "severity": "permanent",
        "reason": "bounce",
        "delivery-status": {
            "code": 550,
            "enhanced-code": "5.1.1",
            "message": f"5.1.1 <{SOMEONE}>: no such user here",
            "description": "",
            "attempt-no": 1,
            "mx-host": "mx.example.net",
        },
    }
    return mailgun(sent, "failed", **(told | more))


def postmark(sent: Sent, word: str, **more: object) -> dict[str, object]:
    return {
        "RecordType": word,
        "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483",
        "Recipient": SOMEONE,
        "MessageStream": "outbound",
        "ServerID": 23,
        "Tag": "",
        "Metadata": {"countersign": sent.name},
    } | more


def postmark_bounce(sent: Sent, **more: object) -> dict[str, object]:
    told = {
        "ID": 4323372036854775807,
        "Type": "HardBounce",
        "TypeCode": 1,
        "Name": "Hard bounce",
        "Description": "The server was unable to deliver your message (ex: unknown user, mailbox not found).",
        "Details": f"action: failed\r\nsmtp;550 5.1.1 The email account {SOMEONE} does not exist.",
        "Email": SOMEONE,
        "From": "petitions@example.org",
        "BouncedAt": "2026-11-22T09:59:40.1234567Z",
        "DumpAvailable": True,
        "Inactive": True,
        "CanActivate": True,
        "Subject": "Please confirm",
    }
    return postmark(sent, "Bounce", **(told | more))


def brevo(sent: Sent, word: str = "hard_bounce", **more: object) -> dict[str, object]:
    return {
        "id": 26224,
        "date": "2026-11-22 10:59:40",
        "ts": 1795341580,
        "ts_event": 1795341580,
        "ts_epoch": 1795341580123,
        "email": SOMEONE,
        "event": word,
        "subject": "Please confirm",
        "message-id": sent.message_id,
        "sending_ip": "192.0.2.9",
        "tag": "",
    } | more


def brevo_bounce(sent: Sent, **more: object) -> dict[str, object]:
    return brevo(sent, **({"reason": f"550 5.1.1 {SOMEONE} recipient rejected, no such user"} | more))


def postal_message(sent: Sent, **changes: object) -> dict[str, object]:
    return {
        "id": 12345,
        "token": "vCdLwgHuYRsV",
        "direction": "outgoing",
        "message_id": sent.message_id.strip("<>"),
        "to": SOMEONE,
        "from": sent.return_address,
        "subject": "Please confirm",
        "timestamp": 1795341570.12994,
        "spam_status": "NotSpam",
        "tag": None,
    } | changes


def postal(
    sent: Sent, word: str, status: str, *, output: str = "", details: str = "", **more: object
) -> dict[str, object]:
    return {
        "event": word,
        "timestamp": 1795341580.76994,
        "uuid": f"a65de36f-c61b-4a7e-9d3f-1e8f1ed16f1c-{word}",
        "payload": {
            "status": status,
            "details": details,
            "output": output,
            "time": 0.22,
            "sent_with_ssl": True,
            "timestamp": 1795341580.12994,
            "message": postal_message(sent),
        },
    } | more


def postal_bounce(sent: Sent) -> dict[str, object]:
    return postal(
        sent, "MessageDeliveryFailed", "HardFail", output=f"550 5.1.1 <{SOMEONE}>: Recipient address rejected\n",
        details="Permanent SMTP delivery error when sending to mx.example.net (192.0.2.25)",
    )  # fmt: skip
