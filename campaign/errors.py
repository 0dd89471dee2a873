"""The exception tree. Every expected error descends from :class:`CountersignError`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Cause:
    """Why PostgreSQL or Redis is of no use now, in words for an admin that hold no value of a setting and no data."""

    code: str
    """A SQLSTATE such as ``28P01``, a refusal of Redis such as ``READONLY``, or a word such as ``refused``."""
    sentence: str
    """One or two English sentences: what is wrong, with the name of the variable, and what to do."""
    lasting: bool
    """True if trying again can't help until an admin changes something."""


class CountersignError(Exception):
    """Base of all errors of this product; ``str(error)`` is a sentence for people that holds no personal data."""


class SettingsError(CountersignError):
    """Raised at start when settings are missing or wrong; carries every problem at once."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("The settings need attention:\n" + "\n".join(f"  - {problem}" for problem in problems))


class NotFoundError(CountersignError):
    """Raised when a petition, signature, message or other row does not exist."""


class RequestGoneError(CountersignError):
    """Raised when a request for a signature is not there: never made, for another petition, or deleted after a day."""


class NetworkBusyError(CountersignError):
    """Raised when all that a network may be sent in the next hours is promised; the form takes no more for now."""


class NetworkShieldedError(NetworkBusyError):
    """Raised when hardly any email to a network is answered: the form is to be proven, or to wait."""


class TokenRefusedError(CountersignError):
    """Raised for a token that is altered, for another purpose, revoked or expired: one error, no oracle."""


class PageLockedError(CountersignError):
    """Raised when an own page opens only with a fresh code (discreet mode): the link alone is not enough."""

    def __init__(self, *, slug: str, locale: str) -> None:
        self.slug = slug
        self.locale = locale
        super().__init__("this page opens with a code")


class InvalidInputError(CountersignError):
    """Raised for invalid input; carries a message code per field, which the page words in its language."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(problems)
        super().__init__("; ".join(f"{name}: {code}" for name, code in self.problems.items()))


class ConflictError(CountersignError):
    """Raised when the state of a row forbids a move, e.g. publishing a closed petition."""


class ForbiddenError(CountersignError):
    """Raised when an account may not do what it asks for."""


class AlreadySignedError(ConflictError):
    """Raised at confirmation when the same person, or two others with this mailbox, have confirmed meanwhile."""


class StoreUnavailableError(CountersignError):
    """Raised when PostgreSQL does not do its work; nothing was stored; the caller may try again.

    ``cause`` says why, where that is known (:func:`campaign.database.causes.cause_of`); it is for admins, and pages
    for others do not show it.
    """

    def __init__(self, message: str = "", *, cause: Cause | None = None) -> None:
        self.cause = cause
        super().__init__(message or (cause.sentence if cause else "the database does not answer"))


class WrongValueError(CountersignError):
    """Raised when the value of one setting is wrong; the text says what it must be, and does not repeat it."""


class SigningPausedError(CountersignError):
    """Raised when nothing can be signed now, for an admin has paused signing on the whole site."""


class EngineError(CountersignError):
    """Raised when an embedded server (PostgreSQL, Redis, mail) can't be started; says what to do."""


class MailValueError(InvalidInputError):
    """Raised when a value must not go into a mail (control characters, a foreign link, a broken address).

    ``problems`` names the field and a message code; the value itself is not repeated, as it may be personal.
    """


class MailTemplateError(CountersignError):
    """Raised when a mail can't be compiled: a name is undefined, a link is missing, or the result is too large."""


class MailTooLargeError(MailTemplateError):
    """Raised when a mail is larger than mail programs show."""


class JournalFailedError(CountersignError):
    """Raised when the journal can't note a message before the wire: it must not be sent by this process now."""


class SessionFailedError(CountersignError):
    """Raised when the mail server gave us no usable session, so that no recipient is to blame.

    Carries ``phase`` (connect, banner, ehlo, starttls, auth, or a later one in which it fell silent), the reply
    ``code`` and ``enhanced`` status if there was one, ``silent`` if a deadline passed, and ``permanent``: True means
    that trying again will not help until an operator changes something. ``relay`` is host:port, once it is known.
    """

    def __init__(
        self,
        reason: str,
        *,
        phase: str,
        permanent: bool,
        code: int | None = None,
        enhanced: str | None = None,
        silent: bool = False,
    ) -> None:
        self.phase = phase
        self.permanent = permanent
        self.code = code
        self.enhanced = enhanced
        self.silent = silent
        self.reason = reason
        self.relay = ""
        super().__init__(f"The mail server gave no session ({phase}): {reason}")
