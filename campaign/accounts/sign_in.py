"""Sign-in by emailed link, and sessions."""

import contextlib
import hashlib
import hmac
import secrets
from dataclasses import asdict, dataclass, field
from datetime import timedelta

from campaign.accounts import audit, queries
from campaign.accounts.accounts import Account, in_clear
from campaign.database.connection import Transaction
from campaign.errors import NotFoundError, StoreUnavailableError, TokenRefusedError
from campaign.runtime import Runtime
from campaign.security.tokens import NONCE, REFUSED, Purpose

LINK_LIFE = timedelta(minutes=15)
PRINTED_LINK_LIFE = timedelta(hours=12)
"""A link that the command line printed: access to the terminal is access to the machine."""

SESSION_LIFE = timedelta(days=7)
IDLE = timedelta(hours=12)
FRESH = timedelta(minutes=30)
"""How long after a sign-in names can be taken out of the site: a browser that was left open must not do."""

KEPT_EVERY = timedelta(seconds=60)
"""How often it is noted that a session is in use."""

SIGN_INS_PER_HOUR = 5
SIGN_INS_PER_NETWORK = 60
"""Sign-in links that may be asked for in an hour; campaign/signatures/admission.py applies both limits."""


@dataclass(frozen=True)
class Note:
    """What was done by a form, for the page that its answer leads to."""

    path: str
    """The page that says it; any other page leaves it."""
    done: str
    number: int = 0


@dataclass(frozen=True)
class Session:
    """An open session: who, and the token that its forms carry against forgery."""

    account: Account
    csrf: str = field(repr=False)
    note: Note | None = None
    """What the next page is to say was done."""
    is_fresh: bool = False
    """True for :data:`FRESH` after the sign-in."""


def sign_in_link(runtime: Runtime, account_id: int, *, life: timedelta = PRINTED_LINK_LIFE) -> str:
    """A one-time address that opens a session, for the command line.

    Raises:
        NotFoundError: no such account, or it is disabled.
    """
    now = runtime.clock()

    def work(tx: Transaction) -> tuple[int, bytes]:
        stored = queries.by_id(tx, account_id)
        if stored is None or stored.disabled_at is not None:
            raise NotFoundError("there is no such account, or it is disabled")
        nonce = secrets.token_bytes(NONCE)
        audit.add(tx, action="account.sign_in_link", subject="account", subject_id=account_id, actor="cli")
        return queries.add_link(tx, account_id, nonce=nonce, expires_at=now + life, message_id=None), nonce

    link_id, nonce = runtime.store.transact(work)
    return link_address(runtime, link_id, nonce)


def link_address(runtime: Runtime, link_id: int, nonce: bytes) -> str:
    """The address behind a stored link."""
    return f"{runtime.settings.base_url}/sign-in/{runtime.tokens.issue(Purpose.SIGN_IN, link_id, nonce)}"


def look_up_link(runtime: Runtime, token: str) -> None:
    """Check a sign-in link without using it up: scanners may fetch the page.

    Raises:
        TokenRefusedError: the link does not work, or has been used.
    """
    runtime.store.transact(lambda tx: _link(runtime, tx, token))


def _link(runtime: Runtime, tx: Transaction, token: str) -> queries.Link:
    claim = runtime.tokens.read(Purpose.SIGN_IN, token)
    link = queries.link(tx, claim.row_id)
    works = (
        link is not None
        and link.used_at is None
        and link.expires_at > runtime.clock()
        and hmac.compare_digest(link.nonce, claim.nonce)
    )
    if link is None or not works:
        raise TokenRefusedError(REFUSED)
    return link


def sign_in(runtime: Runtime, token: str) -> str:
    """Open a session with a one-time link; returns the value of its cookie.

    Raises:
        TokenRefusedError: the link does not work, was used, or its account is disabled.
    """
    value, now = secrets.token_urlsafe(32), runtime.clock()

    def work(tx: Transaction) -> None:
        link = _link(runtime, tx, token)
        stored = queries.by_id(tx, link.account_id)
        if stored is None or stored.disabled_at is not None:
            raise TokenRefusedError(REFUSED)
        queries.use_link(tx, link.id, now=now)
        queries.add_session(
            tx,
            key=_session_key(value),
            account_id=stored.id,
            csrf=secrets.token_bytes(32),
            now=now,
            expires_at=now + SESSION_LIFE,
        )
        audit.add(tx, action="account.sign_in", subject="account", subject_id=stored.id, account_id=stored.id)

    runtime.store.transact(work)
    return value


def _session_key(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode()).digest()


def session(runtime: Runtime, cookie: str | None) -> Session | None:
    """The session behind a cookie; None if there is none, it ended, or its account is disabled."""
    if not cookie or len(cookie) > 100:
        return None
    now, key = runtime.clock(), _session_key(cookie)
    found = runtime.store.transact(lambda tx: queries.session(tx, key, now=now, idle_since=now - IDLE))
    if found is None:
        return None
    account, csrf, seen_at, noted, begun_at = found
    if now - seen_at > KEPT_EVERY:
        # A database that takes no writes still opens the monitor, which says so.
        with contextlib.suppress(StoreUnavailableError):
            runtime.store.transact(lambda tx: queries.keep_session(tx, key, now=now))
    note = None if noted is None else Note(**noted)
    return Session(in_clear(runtime, account), csrf.hex(), note, is_fresh=now - begun_at < FRESH)


def leave_note(runtime: Runtime, cookie: str, note: Note | None) -> None:
    """Keep for the next page of a session what was done; None takes it back, since it was said."""
    content = None if note is None else asdict(note)
    runtime.store.transact(lambda tx: queries.set_note(tx, _session_key(cookie), content))


def was_open(runtime: Runtime, cookie: str | None) -> bool:
    """True if a cookie is that of a session, open or ended by itself within the last days."""
    if not cookie or len(cookie) > 100:
        return False
    return runtime.store.transact(lambda tx: queries.has_account(tx, _session_key(cookie)))


def sign_out(runtime: Runtime, cookie: str) -> None:
    """End a session; repeating it is harmless."""
    runtime.store.transact(lambda tx: queries.end_session(tx, _session_key(cookie)))
