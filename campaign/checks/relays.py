"""Checks of the mail servers of SMTP_URL: connect, TLS, sign in; and a test mail through each if that is asked for."""

from typing import Final

from campaign.checks.findings import Finding, Level, fine, unknown
from campaign.errors import SessionFailedError, SettingsError
from campaign.settings import Settings
from campaign.smtp.probe import probe
from campaign.smtp.settings import Security, SmtpSettings
from campaign.smtp.transport import Phase

TIMEOUT: Final = 15.0
"""Seconds for one mail server."""

REMEDIES: Final = {
    Phase.CONNECT: "Correct host and port in SMTP_URL, start the mail server, or open the way to it (many providers of "
    "hosts block port 25: use 587 or 465).",
    Phase.BANNER: "Look at the log of the mail server; port 465 is for smtps://, port 587 for smtp+starttls://.",
    Phase.EHLO: "Set COUNTERSIGN_EHLO_NAME to a host name that the mail server takes.",
    Phase.STARTTLS: "Use the host name of its certificate in SMTP_URL, name an own authority in "
    "COUNTERSIGN_SMTP_CA_FILE, or write smtps:// if its port begins with TLS.",
    Phase.AUTH: "Correct user and password in SMTP_URL; special characters are percent-encoded, @ as %40.",
}


def all_relays(settings: Settings) -> list[SmtpSettings]:
    """The relays of SMTP_URL.

    Raises:
        SettingsError: one can't be used; says why.
    """
    return [
        SmtpSettings.from_url(url, ehlo_name=settings.ehlo_name, ca_file=settings.smtp_ca_file)
        for url in settings.smtp_url.split()
    ]


def check_urls(settings: Settings) -> list[Finding]:
    """Whether SMTP_URL can be read and serves both lanes; opens no connection."""
    name, why = "smtp.url", "No email can be sent, so no signature can be confirmed."
    try:
        for lane in ("urgent", "bulk"):
            for relay in SmtpSettings.all_from(
                settings.smtp_url, ehlo_name=settings.ehlo_name, lane=lane, ca_file=settings.smtp_ca_file
            ):
                if relay.security is not Security.NONE:
                    relay.tls_context()
    except SettingsError as error:
        return [Finding(name, Level.STOP, f"{problem}.", why) for problem in error.problems]
    return [fine(name, "SMTP_URL can be read, and names a mail server for each lane.")]


def check(relay: SmtpSettings) -> Finding:
    """Open a session with one relay and end it; no mail is sent."""
    place = f"{relay.host}:{relay.port}"
    try:
        greeting = probe(relay, seconds=TIMEOUT)
    except SessionFailedError as error:
        words = f"{error.reason} ({error.phase}{f', {error.code}' if error.code else ''})"
        return Finding(
            f"smtp.{place}",
            Level.STOP,
            f"The mail server {place} gives no session: {words}.",
            "Mail waits until it does: nobody can confirm a signature.",
            REMEDIES.get(Phase(error.phase), ""),
            passes=not error.permanent,
        )
    how = {Security.NONE: "without TLS", Security.STARTTLS: "with STARTTLS", Security.IMPLICIT: "with TLS"}
    signed_in = " and signs us in" if relay.username else ""
    about = "" if "SMTPUTF8" in greeting.capabilities else "; addresses with other letters than ASCII are not taken"
    return fine(f"smtp.{place}", f"The mail server {place} answers {how[relay.security]}{signed_in}{about}.")


def check_all(settings: Settings) -> list[Finding]:
    """Whether each relay can be used; says so of none if SMTP_URL can't be read."""
    if not settings.smtp_url:
        return [unknown("smtp.url", "SMTP_URL is empty, and the local mail server of `countersign up` does not run")]
    found = check_urls(settings)
    return found if found[0].level is Level.STOP else found + [check(relay) for relay in all_relays(settings)]
