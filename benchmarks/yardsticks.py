"""What ours is measured against: postfix's smtp-source and smtp-sink, bare signing, and the obvious stack."""

import resource
import shutil
import smtplib
import subprocess
import sys
import time
from email.message import EmailMessage
from email.policy import SMTP

import dkim
import jinja2
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from benchmarks.installation import Installation
from campaign.database.connection import Transaction
from campaign.local.servers import ports
from campaign.runtime import Runtime


def tool(name: str) -> str | None:
    """One of postfix's tools, from PATH or where Debian puts it."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/lib/postfix/sbin")


def smtp_source(number: int, *, size: int) -> tuple[float, float] | None:
    """Postfix's own load generator into its own sink: messages a second, and the processor time of both per message.

    The time is in microseconds, ``size`` in bytes: as large as ours are. None without the tools.
    """
    source, sink = tool("smtp-source"), tool("smtp-sink")
    if source is None or sink is None:
        return None
    port = ports.find_free("127.0.0.1")
    # As root, smtp-sink asks for a user to become.
    server = subprocess.Popen([sink, "-u", "nobody", f"127.0.0.1:{port}", "100"], stderr=subprocess.DEVNULL)
    before = children_seconds()
    try:
        time.sleep(0.3)
        begin = time.perf_counter()
        subprocess.run(
            [source, "-s", "4", "-d", "-l", str(size), "-m", str(number), "-f", "a@example.org", "-t", "b@example.org",
             f"127.0.0.1:{port}"],
            check=True,
        )  # fmt: skip
        rate = number / (time.perf_counter() - begin)
    finally:
        server.terminate()
        server.wait()
    return rate, (children_seconds() - before) / number * 1e6


def children_seconds() -> float:
    """Processor time of the ended children of this process."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


_SIGN = """
import sys, time
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
key = rsa.generate_private_key(65537, 2048)
print("ready", flush=True)
sys.stdin.readline()
end, number = time.perf_counter() + float(sys.argv[1]), 0
while time.perf_counter() < end:
    key.sign(b"x" * 900, padding.PKCS1v15(), hashes.SHA256())
    number += 1
print(number)
"""


def bare_signing(seconds: float = 2.0, *, processes: int = 2) -> float:
    """RSA-2048 signatures a second, in two processes that do nothing else."""
    signers = [
        subprocess.Popen([sys.executable, "-c", _SIGN, str(seconds)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         text=True)
        for _ in range(processes)
    ]  # fmt: skip
    for signer in signers:
        assert signer.stdout is not None
        signer.stdout.readline()
    for signer in signers:
        assert signer.stdin is not None
        signer.stdin.write("go\n")
        signer.stdin.flush()
    return sum(int(signer.communicate()[0]) for signer in signers) / seconds


_TEXT = "Dear {{ name }},\n\n{% for line in lines %}{{ line }}\n{% endfor %}\n{{ link }}\n"
_HTML = "<p>Dear {{ name }},</p>{% for line in lines %}<p>{{ line }}</p>{% endfor %}<a href='{{ link }}'>{{ link }}</a>"


def obvious_stack(runtime: Runtime, made: Installation, *, number: int) -> float:
    """Messages a second of Jinja2, EmailMessage, dkimpy, smtplib and a row with a commit each."""
    env = jinja2.Environment(autoescape=True)
    key = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    port = int(made.settings.smtp_url.rpartition(":")[2])
    lines = ["We were heard: the river will be protected, and this is thanks to all of you."] * 16
    begin = time.perf_counter()
    for row in range(number):
        values = {"name": f"Signer {row}", "lines": lines, "link": f"https://petitions.example.org/me/{row}"}
        message = EmailMessage(policy=SMTP)
        message["From"] = "petitions@example.org"
        message["To"] = f"s{row}@example.net"
        message["Subject"] = "News about the river"
        message.set_content(env.from_string(_TEXT).render(values))
        message.add_alternative(env.from_string(_HTML).render(values), subtype="html")
        raw = bytes(message)
        signed = dkim.sign(raw, b"s1", b"example.org", key) + raw
        with smtplib.SMTP("127.0.0.1", port) as client:
            client.sendmail("petitions@example.org", [f"s{row}@example.net"], signed)
        runtime.store.transact(_note)
    return number / (time.perf_counter() - begin)


def _note(tx: Transaction) -> None:
    tx.connection.exec_driver_sql("create table if not exists obvious (id serial primary key, at timestamptz)")
    tx.connection.exec_driver_sql("insert into obvious (at) values (now())")
