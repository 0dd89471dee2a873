"""``countersign bounces``: read returned mail by hand, as a pipe of the mail server, or all the time."""

import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import NoReturn

import click

from campaign.cli.opening import open_runtime, until_interrupted
from campaign.errors import CountersignError
from campaign.feedback import applying, return_mailbox
from campaign.feedback.lmtp import serve_lmtp
from campaign.feedback.mailboxes import Receipt, receive, summary
from campaign.feedback.returned import MAX_MAIL
from campaign.runtime import Runtime
from campaign.variables import InvalidError, return_mailbox_url

EVERY = 15.0
"""Seconds between two looks at a mailbox with --watch."""

HELP = """Read bounces, complaints and replies from a return mailbox, and apply them.

URL is imaps://user:password@host/Folder, maildir:/path, lmtp://127.0.0.1:2424, lmtp:///path/socket, or - for one email
on standard input, as a mail server pipes it. Without URL it is RETURN_MAILBOX_URL. A running bulk worker does the same
by itself for RETURN_MAILBOX_URL.

Mail to a return address of ours is deleted from the mailbox once it is stored; all other mail stays, marked as seen.

Exit status: 0 read; 1 the mailbox can't be read; 2 used wrongly. With -: 0 stored, or waits in quarantine; 67 the mail
is to no return address of ours and no report; 75 it can't be stored now (the database is away, a setting is
wrong), the mail server should try again.
"""


@click.command(
    short_help="Read bounces, complaints and replies",
    help=HELP,
    epilog="Examples: countersign bounces --watch; countersign bounces - < mail.eml. "
    "Example: countersign bounces maildir:/var/mail/returned",
)
@click.argument("url", required=False, default="")
@click.option("--watch", is_flag=True, help="Keep reading until SIGTERM or Ctrl-C.")
@click.option("--recipient", default="", help="With -: the recipient the mail server delivers to (RCPT TO).")
@click.option("--sender", help="With -: the envelope's sender; empty for a bounce. Default: the header Return-Path.")
@click.pass_context
def bounces(context: click.Context, *, url: str, watch: bool, recipient: str, sender: str | None) -> None:
    """See :data:`HELP`."""
    if url == "-":
        if watch:
            raise click.UsageError("--watch is for mailboxes; - takes one email.")
        context.exit(_pipe(recipient, sender))
    if recipient or sender is not None:
        raise click.UsageError("--recipient and --sender are for an email on standard input: write - for the URL.")
    with open_runtime() as runtime:
        chosen = _checked(url or runtime.settings.return_mailbox_url)
        if return_mailbox.is_lmtp(chosen):
            _serve(runtime, chosen)
        else:
            _read(runtime, chosen, watch=watch)


def _checked(url: str) -> str:
    if not url:
        raise click.UsageError("Name a mailbox, or set RETURN_MAILBOX_URL (docs/operations.md, Return mailbox).")
    try:
        return return_mailbox_url(url)
    except InvalidError as error:
        raise click.BadParameter(str(error), param_hint="URL") from None


def _pipe(recipient: str, sender: str | None) -> int:
    raw = sys.stdin.buffer.read(MAX_MAIL + 1)
    # The mail server may write to the end before it looks at the status.
    while sys.stdin.buffer.read(MAX_MAIL):
        pass
    try:
        with open_runtime() as runtime:
            receipt, is_ours = receive(runtime, raw, recipient=recipient, sender=sender)
            if receipt is Receipt.STORED:
                applying.apply(runtime)
    except CountersignError as error:
        # A wrong setting too: the mail server keeps the mail until it is mended.
        click.echo(str(error), err=True)
        return os.EX_TEMPFAIL
    return os.EX_NOUSER if receipt is Receipt.FOREIGN and not is_ours else 0


def _serve(runtime: Runtime, url: str) -> None:
    with serve_lmtp(runtime, url), until_interrupted():
        click.echo(f"Listening at {url}. Stop with Ctrl-C.", err=True)
        _again_and_again(lambda: applying.apply(runtime), every=1.0)


def _read(runtime: Runtime, url: str, *, watch: bool) -> None:
    if not watch:
        click.echo(_once(runtime, url))
        return
    with until_interrupted():
        _again_and_again(lambda: click.echo(_once(runtime, url)), every=EVERY)


def _once(runtime: Runtime, url: str) -> str:
    total: Counter[Receipt] = Counter()
    while receipts := return_mailbox.read_mailbox(runtime, url):
        total += receipts
        applying.apply(runtime)
    return summary(total)


def _again_and_again(work: Callable[[], object], *, every: float) -> NoReturn:
    """Work until interrupted; a mailbox or a database that does not answer is asked again."""
    while True:
        try:
            work()
        except CountersignError as error:
            click.echo(str(error), err=True)
        time.sleep(every)
