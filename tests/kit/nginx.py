"""A real nginx with the configuration of deploy/nginx/, moved to ports, certificates and a socket of a test's own."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from campaign.local.mailserver.certificates import Authority, Certificate
from tests.kit.engines import ROOT
from tests.kit.skipping import skip_loudly
from tests.kit.waiting import listens, until

CONFIGURATION = ROOT / "deploy" / "nginx" / "countersign.conf"
NAME = "petitions.example.org"


@dataclass(frozen=True)
class Nginx:
    """A running nginx."""

    plain: int
    """Its port without TLS."""
    port: int
    authority: Authority
    log: Path


def program() -> str:
    """The path of nginx, or a loud skip."""
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        skip_loudly("the configuration of nginx: it needs the program nginx (apt-get install nginx-light)")
    return found


@contextmanager
def running(
    folder: Path, socket: Path, *, plain: int, port: int, configuration: Path = CONFIGURATION
) -> Iterator[Nginx]:
    """Start it in the foreground; it is ended by its process id."""
    nginx, authority = program(), Authority.create(folder)
    authority.server_context()
    certificate = folder / f"{Certificate.GOOD}.pem"
    log = folder / "nginx.log"
    text = configuration.read_text()
    text = re.sub(r"^ *listen \[::\].*\n", "", text, flags=re.MULTILINE)
    for before, after in (
        ("listen 80;", f"listen 127.0.0.1:{plain};"),
        ("listen 443 ", f"listen 127.0.0.1:{port} "),
        ("unix:/run/countersign/web.sock", f"unix:{socket}"),
        (f"/etc/letsencrypt/live/{NAME}/fullchain.pem", str(certificate)),
        (f"/etc/letsencrypt/live/{NAME}/privkey.pem", str(certificate)),
        ("/srv/countersign/", f"{ROOT}/"),
    ):
        assert before in text, before
        text = text.replace(before, after)
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;\n" if os.geteuid() == 0 else ""
    path = folder / "nginx.conf"
    head = f"{user}daemon off;\npid {folder}/nginx.pid;\nerror_log {log} warn;\nevents {{}}\n"
    path.write_text(f"{head}http {{\n{temporary}{text}}}\n")
    process = subprocess.Popen([nginx, "-c", str(path), "-e", str(log)])
    try:
        until(lambda: listens(port) or process.poll() is not None, seconds=30)
        assert process.poll() is None, log.read_text()
        yield Nginx(plain, port, authority, log)
    finally:
        process.terminate()
        process.wait(timeout=30)
