"""Groups of kinds of mail that are composed, or addressed, otherwise than the rest."""

from typing import Final

from campaign.states import MessageKind

LETTERS: Final = frozenset({MessageKind.REPLY_FORWARDED, MessageKind.REPLY_ERASED})
"""The kinds whose ``about_id`` is a letter: :mod:`campaign.signatures.reply_mail`."""

ONE_READER: Final = LETTERS | {MessageKind.MY_SIGNATURES}
"""The kinds whose compiled form is for one reader alone, and is remembered nowhere."""

MOVING: Final = frozenset({MessageKind.ADDRESS_CHECK, MessageKind.ADDRESS_CHANGED})
"""The kinds whose ``about_id`` is a change of address."""

ELSEWHERE: Final = MOVING | LETTERS
"""The kinds that go to another address than the signature has."""

ABOUT_NO_UPDATE: Final = ELSEWHERE | {MessageKind.ADMIN_ALERT}
"""The kinds whose ``about_id`` is no update's."""

NOT_ABOUT_A_PETITION: Final = frozenset({MessageKind.SIGN_IN, MessageKind.ADMIN_ALERT})
