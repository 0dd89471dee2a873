"""A Dovecot of a test's own: IMAP with TLS at two ports of this machine, mailboxes in a folder of its own."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from campaign.local.mailserver.certificates import Authority, Certificate
from tests.kit.postfix import free_port
from tests.kit.skipping import skip_loudly
from tests.kit.waiting import listens, until

PASSWORD = "söcret:/@"
"""Of every user; with what must be written in percent signs in a URL, and what LOGIN can't take."""

CONFIGURATION = """\
base_dir = FOLDER/run
state_dir = FOLDER/run
log_path = FOLDER/log
protocols = imap
listen = 127.0.0.1
ssl = required
ssl_cert = <FOLDER/CERTIFICATE.pem
ssl_key = <FOLDER/CERTIFICATE.pem
mail_location = maildir:FOLDER/mail/%u
auth_mechanisms = plain login
passdb {
  driver = static
  args = password=PASSWORD
}
userdb {
  driver = static
  args = uid=65534 gid=65534 home=FOLDER/mail/%u
}
service imap-login {
  inet_listener imap {
    port = STARTTLS
  }
  inet_listener imaps {
    port = IMAPS
    ssl = yes
  }
}
service stats {
  unix_listener stats-reader {
    mode = 0666
  }
  unix_listener stats-writer {
    mode = 0666
  }
}
"""


@dataclass
class Dovecot:
    """A running Dovecot."""

    folder: Path
    imaps: int
    starttls: int
    ca_file: Path

    def deliver(self, user: str, raw: bytes, name: str) -> None:
        """Put a new mail into a user's INBOX."""
        mailbox = self.folder / "mail" / user
        for part in (mailbox, *(mailbox / each for each in ("new", "cur", "tmp"))):
            part.mkdir(exist_ok=True)
            os.chown(part, 65534, 65534)
        written = mailbox / "tmp" / name
        written.write_bytes(raw)
        os.chown(written, 65534, 65534)
        written.rename(mailbox / "new" / name)

    def flags(self, user: str) -> list[str]:
        """The flags of each mail in a user's INBOX, as Maildir writes them."""
        mailbox = self.folder / "mail" / user
        old = [path.name.rpartition(":2,")[2] for path in (mailbox / "cur").iterdir()]
        return sorted([*old, *("new" for _ in (mailbox / "new").iterdir())])


@contextmanager
def running(certificate: Certificate = Certificate.GOOD) -> Iterator[Dovecot]:
    """Start a Dovecot; it is ended by its process id."""
    if shutil.which("dovecot") is None or os.geteuid() != 0:
        skip_loudly("a real IMAP server: it needs the program dovecot (apt-get install dovecot-imapd) and root")
    with tempfile.TemporaryDirectory(prefix="countersign-dovecot-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        for part in ("run", "mail"):
            (folder / part).mkdir()
        os.chown(folder / "mail", 65534, 65534)
        authority = Authority.create(folder)
        authority.server_context(certificate)
        made = Dovecot(folder, free_port(), free_port(), authority.ca_file)
        text = CONFIGURATION.replace("CERTIFICATE", certificate).replace("PASSWORD", PASSWORD)
        text = text.replace("STARTTLS", str(made.starttls)).replace("IMAPS", str(made.imaps)).replace("FOLDER", name)
        (folder / "dovecot.conf").write_text(text)
        # In the foreground: it is a child of the tests, and ended as such.
        process = subprocess.Popen(["dovecot", "-F", "-c", str(folder / "dovecot.conf")])
        try:
            until(lambda: listens(made.imaps) and listens(made.starttls))
            yield made
        finally:
            process.terminate()
            process.wait(timeout=60)
