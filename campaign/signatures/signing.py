"""The sign form: its stamp, and the rules for what is typed in it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from campaign.accounts import addresses
from campaign.accounts.addresses import RuleError, clean_name, clean_reason, person_key
from campaign.accounts.countries import CODES
from campaign.accounts.reachable import check_reachable
from campaign.errors import InvalidInputError, TokenRefusedError
from campaign.runtime import Runtime
from campaign.security.encryption import DataKey
from campaign.security.tokens import Purpose
from campaign.settings import LANGUAGES

STAMP_LIFE = timedelta(hours=24)
MAILBOX_SEATS = 2
"""People who may sign one petition with one mailbox."""


@dataclass(frozen=True)
class SignForm:
    """What a supporter typed and ticked."""

    name: str = field(repr=False)
    email: str = field(repr=False)
    country: str
    reason: str = field(default="", repr=False)
    show_name: bool = False
    wants_updates: bool = False
    locale: str = "en"
    forget: bool = False
    """Remove name, address and reason once the signature is counted and thanked for."""


def form_stamp(runtime: Runtime, slug: str, text_version_id: int) -> str:
    """A signed stamp for the form of a petition: which text was shown, and in which minute.

    No finer, so that the page of a quiet petition stays the same for a minute and browsers need not fetch it again.
    """
    minute = int(runtime.clock().timestamp()) // 60 * 60
    return runtime.tokens.sign_text(Purpose.STAMP, f"{slug} {text_version_id} {minute}")


def read_stamp(runtime: Runtime, slug: str, stamp: str) -> int:
    """The text version a form was shown with.

    Raises:
        InvalidInputError: ``{"stamp": "expired"}``: missing, altered, of another petition or older than a day;
            pressing again helps.
    """
    try:
        petition, version, shown = runtime.tokens.read_text(Purpose.STAMP, stamp).split(" ")
        age = runtime.clock().timestamp() - int(shown)
    except (TokenRefusedError, ValueError):
        raise InvalidInputError({"stamp": "expired"}) from None
    if petition != slug or not -60 <= age <= STAMP_LIFE.total_seconds():
        raise InvalidInputError({"stamp": "expired"})
    return int(version)


@dataclass(frozen=True)
class Checked:
    """A form that passed its rules."""

    name: str = field(repr=False)
    address: addresses.Address
    country: str
    reason: str = field(repr=False)
    show_name: bool
    wants_updates: bool
    locale: str
    forget: bool


def check(runtime: Runtime, form: SignForm) -> Checked:
    """Apply the rules to every field.

    Raises:
        InvalidInputError: a code per field: name (missing, too_long, looks_like_link, not_a_name), email (missing,
            invalid, role, not_ascii), country (missing, unknown), reason (too_long, looks_like_link),
            forget (not_with_others).
    """
    problems: dict[str, str] = {}

    def rule(name: str, apply: Callable[[], object]) -> object:
        try:
            return apply()
        except RuleError as broken:
            problems[name] = broken.code
            return None

    name = rule("name", lambda: clean_name(form.name))
    reason = rule("reason", lambda: clean_reason(form.reason))
    address = rule("email", lambda: _address(runtime, form.email))
    if not form.country:
        problems["country"] = "missing"
    elif form.country not in CODES:
        problems["country"] = "unknown"
    if form.forget and (form.show_name or form.wants_updates):
        # Neither is possible without what is removed.
        problems["forget"] = "not_with_others"
    if problems or not isinstance(address, addresses.Address):
        raise InvalidInputError(problems)
    return Checked(
        name=str(name),
        address=address,
        country=form.country,
        reason=str(reason),
        show_name=form.show_name,
        wants_updates=form.wants_updates,
        locale=form.locale if form.locale in LANGUAGES else LANGUAGES[0],
        forget=form.forget,
    )


def _address(runtime: Runtime, typed: str) -> addresses.Address:
    return check_reachable(runtime, addresses.parse(typed, gmail_rules=runtime.settings.gmail_rules))


def person_index(key: DataKey, canonical: str, name: str) -> bytes:
    """The blind index of one person: a canonical mailbox and a name, whatever the spelling."""
    return key.index(f"{canonical}\n{person_key(name)}")
