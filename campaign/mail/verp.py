"""What a message is called outside: its Message-ID, and a signed return address (VERP).

A bounce tells by its address which message it is about, and can't be forged. Both come from one keyed hash of the
row's id, so that they are the same on each attempt and tell nothing; they share no byte of it.
"""

import hmac
import re
from dataclasses import dataclass

from campaign.runtime import Runtime
from campaign.security.encryption import Mac

ROW = 6
"""Bytes of a message's id."""
ID = 16
"""Bytes of the hash in a Message-ID."""
MAC = 10
"""Bytes of the hash in a return address."""

_SHAPE = re.compile(rf"b-([0-9a-f]{{{2 * ROW}}})-([0-9a-f]{{{2 * MAC}}})@", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Names:
    """Names messages for one installation.

    ``mail_domain`` is that of From and Message-ID, ``return_domain`` that of the envelope sender.
    """

    mac: Mac
    mail_domain: str
    return_domain: str

    @classmethod
    def by(cls, runtime: Runtime) -> "Names":
        """The names that an installation gives."""
        settings = runtime.settings
        return cls(Mac(runtime.secrets.message_id), settings.mail_domain, settings.return_domain)

    def of(self, message_id: int) -> tuple[str, str]:
        """The Message-ID with its angle brackets, and the MAIL FROM.

        Hexadecimal in lower case, for some servers fold the local part.
        """
        digest = self.mac(b"message.%d" % message_id).hex()
        return (
            f"<{digest[: 2 * ID]}@{self.mail_domain}>",
            f"b-{message_id:012x}-{digest[2 * ID : 2 * (ID + MAC)]}@{self.return_domain}",
        )

    def message_of(self, address: str) -> int | None:
        """The message a return address belongs to; None if we did not sign it."""
        found = _SHAPE.match(address.strip())
        if found is None:
            return None
        message_id = int(found[1], 16)
        signature = self.mac(b"message.%d" % message_id)[ID : ID + MAC]
        return message_id if hmac.compare_digest(bytes.fromhex(found[2]), signature) else None
