"""A Postfix of a test's own: its configuration, queue and ports lie apart from any other on the machine."""

import os
import shutil
import signal
import smtplib
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.kit.skipping import skip_loudly
from tests.kit.waiting import until

MASTER = """\
127.0.0.1:PORT inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 1 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

MAIN = """\
compatibility_level = 3.6
queue_directory = FOLDER/queue
data_directory = FOLDER/data
maillog_file = FOLDER/log
maillog_file_prefixes = FOLDER
mail_owner = postfix
setgid_group = postdrop
myhostname = relay.example
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
alias_maps =
delay_warning_time = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 1s
queue_run_delay = 1s
smtp_tls_security_level = none
"""


@dataclass
class Postfix:
    """A running Postfix."""

    folder: Path
    port: int

    @property
    def log(self) -> str:
        """What it has logged."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def submit(self, sender: str, recipient: str, *, notify: str) -> None:
        """Send a mail with a wish for reports (RFC 3461), which our own client never has."""
        with smtplib.SMTP("127.0.0.1", self.port, timeout=20) as client:
            client.sendmail(sender, [recipient], "Subject: x\r\n\r\nx\r\n", rcpt_options=[f"NOTIFY={notify}"])


def free_port() -> int:
    """A port that nothing listens at now."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


@contextmanager
def running(main: str, *, master: Callable[[Path], str] = lambda _: "") -> Iterator[Postfix]:
    """Start a Postfix with more lines of main.cf, in which FOLDER is its folder; it is ended by its process id.

    ``master`` makes more lines of master.cf, given that folder.
    """
    if shutil.which("postfix") is None or os.geteuid() != 0:
        skip_loudly("returned mail of a real Postfix: it needs the program postfix (apt-get install postfix) and root")
    # Its processes have users of their own, which may not look into pytest's folders.
    with tempfile.TemporaryDirectory(prefix="countersign-postfix-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        for part in ("queue", "data", "config"):
            (folder / part).mkdir()
        shutil.chown(folder / "data", "postfix")
        made = Postfix(folder, free_port())
        (folder / "config" / "main.cf").write_text(f"{MAIN}{main}".replace("FOLDER", name))
        (folder / "config" / "master.cf").write_text(MASTER.replace("PORT", str(made.port)) + master(folder))
        subprocess.run(["postfix", "-c", str(folder / "config"), "start"], check=True, capture_output=True, timeout=60)
        process = int((folder / "queue" / "pid" / "master.pid").read_text())
        try:
            yield made
        finally:
            os.kill(process, signal.SIGTERM)
            until(lambda: not psutil.pid_exists(process) or psutil.Process(process).status() == psutil.STATUS_ZOMBIE)
