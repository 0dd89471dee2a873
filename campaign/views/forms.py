"""Reading what people type, and wording what is wrong with it in their language."""

from collections.abc import Mapping

from flask import request

from campaign.errors import InvalidInputError
from campaign.signatures.signing import SignForm
from campaign.views.form_text import UNREADABLE
from campaign.views.language import gettext, lazy

UNREADABLE_WORDS = lazy("Some letters arrived unreadable and are shown as �. Please type them again.")

WORDS: Mapping[str, Mapping[str, str]] = {
    "name": {
        "missing": lazy("Enter your name."),
        "too_long": lazy("Enter a name of 200 characters or fewer."),
        "looks_like_link": lazy(
            "Leave out “%(word)s”: it looks like a web address. If it isn’t one, put a space after the full stop."
        ),
        "looks_like_email": lazy("Leave out “%(word)s”: a name can’t contain an email address."),
        "not_a_name": lazy("Enter your name in letters."),
        "unreadable": UNREADABLE_WORDS,
        "taken": lazy("Someone else with this email address has signed under this name."),
    },
    "email": {
        "missing": lazy("Enter your email address."),
        "invalid": lazy("Enter an email address like name@example.org."),
        "role": lazy("Use your personal email address; this looks like a shared or role address."),
        "not_ascii": lazy(
            "Enter another email address: we can’t send to addresses with such letters before the @ yet."
        ),
    },
    "new_email": {
        "missing": lazy("Enter the new email address."),
        "invalid": lazy("Enter an email address like name@example.org."),
        "role": lazy("Use your personal address; this looks like a shared or role address."),
        "not_ascii": lazy(
            "Enter another email address: our mail server can’t yet write to letters like these before the @."
        ),
    },
    "country": {
        "missing": lazy("Choose your country."),
        "unknown": lazy("Choose a country from the list."),
    },
    "reason": {
        "unreadable": UNREADABLE_WORDS,
        "too_long": lazy("Shorten your reason to 500 characters or fewer."),
        "looks_like_link": lazy(
            "Leave out “%(word)s”: it looks like a web address. If it isn’t one, put a space after the full stop."
        ),
        "looks_like_email": lazy("Leave out “%(word)s”: everyone can read your reason."),
    },
    "forget": {
        "not_with_others": lazy(
            "We can’t show your name or send updates once we’ve forgotten you. Untick this, or untick the others."
        ),
    },
    "stamp": {
        "expired": lazy(
            "This page was open for a long time. Your entries are still here: please press the button again."
        ),
    },
    "code": {
        "missing": lazy("Enter the six digits from the email."),
        "wrong": lazy("This code isn’t right. Enter the six digits from our newest email."),
    },
    "why": {
        "missing": lazy("Enter a reason."),
        "looks_like_email": lazy("Leave out the email address: the audit log holds none."),
        "too_long": lazy("Use 200 characters or fewer."),
    },
}
"""What the page says for a problem code of a field."""

NETWORK_BUSY = lazy(
    "Many people near you are signing right now, and we can send no more emails to your network today. Nothing you "
    "typed is lost. Please try again tomorrow, or from another network."
)
"""All that a network may be sent in the next hours is promised; the same words whether or not an address is known."""

OTHERWISE = lazy("Please check this field.")
"""For a code that has no words of its own."""

EMPTY = SignForm(name="", email="", country="", reason="", show_name=False, wants_updates=False, locale="en")
"""The form as it is first shown: nothing filled in, nothing ticked."""


def typed(name: str) -> str:
    """One field as it was typed; empty if it was not sent."""
    return request.form.get(name, "")


def typed_all(name: str) -> list[str]:
    """All values of a field that may be sent more than once."""
    return request.form.getlist(name)


def asked(name: str) -> str:
    """One value of the address; empty if it is not there."""
    return request.args.get(name, "")


def sign_form(sent: Mapping[str, str], locale: str) -> SignForm:
    """The sign form as it was typed, of the fields that were sent."""
    return SignForm(
        name=sent.get("name", ""),
        email=sent.get("email", ""),
        country=sent.get("country", ""),
        reason=sent.get("reason", ""),
        show_name="show_name" in sent,
        wants_updates="wants_updates" in sent,
        locale=locale,
        forget="forget" in sent,
    )


def check_readable(form: SignForm) -> None:
    """Check that every letter of a form could be read.

    Raises:
        InvalidInputError: ``unreadable`` for each field with bytes that are no text.
    """
    typed_texts = {"name": form.name, "reason": form.reason}
    if problems := {name: "unreadable" for name, text in typed_texts.items() if UNREADABLE in text}:
        raise InvalidInputError(problems)


class Problems(dict[str, str]):
    """A sentence for each field that has a problem; empty for every other field."""

    def __missing__(self, name: str) -> str:
        return ""


NO_PROBLEMS = Problems()


def worded(problems: Mapping[str, str]) -> Problems:
    """A sentence for each field with a problem, in the order of the page."""
    order = [*WORDS, *problems]
    found = sorted(problems.items(), key=lambda item: order.index(item[0]))
    return Problems(
        {
            name: gettext(WORDS.get(name, {}).get(code, OTHERWISE), word=getattr(code, "word", ""))
            for name, code in found
        }
    )


def from_elsewhere(own_origins: frozenset[str]) -> bool:
    """True if a browser says that another site made it send this form.

    Replaces a session token on pages that set no cookie: Sec-Fetch-Site where the browser sends it, else Origin.
    A program that sends neither is no victim of another site.
    """
    return is_foreign(request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin"), own_origins)


def is_foreign(site: str | None, origin: str | None, own_origins: frozenset[str]) -> bool:
    """The rule of :func:`from_elsewhere` for the values of the two headers."""
    if site is not None:
        return site not in {"same-origin", "none"}
    return origin is not None and origin not in own_origins


def is_forged(site: str | None, origin: str | None, own_origins: frozenset[str]) -> bool:
    """True if another site surely sent a form whose address is a token.

    A page that sends no referrer gives its own forms the Origin "null" (Fetch section 3.2), and so do browsers inside
    other programs: without Sec-Fetch-Site that says nothing.
    """
    return is_foreign(site, None if origin == "null" else origin, own_origins)
