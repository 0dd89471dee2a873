"""What a message is called outside: its Message-ID, and a signed return address (VERP).

A bounce tells by its address which message it is about, and can't be forged. Both come from one keyed hash of the
row's id, so that they are the same on each attempt; they share no byte of it, so that who sees a Message-ID in a quoted
mail can't make up its return address. The Message-ID tells others nothing, but we can read the row's id from it:
providers that put their own return address in the place of ours name the message by it.

The address that replies go to (Reply-To) is shown by whatever shows the mail, forwarded copies too. It has a hash of
its own, so that no bounce can be forged with it.
"""

import hmac
import re
from dataclasses import dataclass

from campaign.runtime import Runtime
from campaign.security.encryption import Mac

ROW = 6
"""Bytes of a message's id."""
TAG = 10
"""Bytes of the hash in a Message-ID; behind it the row's id, masked by a hash of this."""
MAC, MAC_AT = 10, 16
"""Bytes of the hash in a return address, and where they begin."""

_SHAPE = re.compile(rf"(?<![0-9a-z-])b-([0-9a-f]{{{2 * ROW}}})-([0-9a-f]{{{2 * MAC}}})@", re.IGNORECASE)
_REPLY = re.compile(_SHAPE.pattern.replace("b-", "r-", 1), re.IGNORECASE)
_NAME = re.compile(rf"(?<![0-9a-z-])([0-9a-f]{{{2 * (TAG + ROW)}}})(?![0-9a-z-])", re.IGNORECASE)


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
        digest = self.mac(b"message.%d" % message_id)
        tag = digest[:TAG]
        return (
            f"<{tag.hex()}{message_id ^ self._mask(tag):012x}@{self.mail_domain}>",
            f"b-{message_id:012x}-{digest[MAC_AT : MAC_AT + MAC].hex()}@{self.return_domain}",
        )

    def reply_address(self, message_id: int) -> str:
        """Where replies to a message go: proves the message, but is no return address."""
        return f"r-{message_id:012x}-{self._reply_mac(message_id).hex()}@{self.return_domain}"

    def replied(self, address: str) -> int | None:
        """The message that a mail to this address answers; None if it is no reply address that we signed."""
        found = _REPLY.match(address.strip())
        return None if found is None else self._signed_reply(found)

    def replied_in(self, text: str) -> list[int]:
        """The messages whose signed reply addresses are in a text, such as the value of a header."""
        found = (self._signed_reply(match) for match in _REPLY.finditer(text))
        return list(dict.fromkeys(message_id for message_id in found if message_id is not None))

    def message_of(self, address: str) -> int | None:
        """The message a return address belongs to; None if we did not sign it."""
        found = _SHAPE.match(address.strip())
        return None if found is None else self._signed(found)

    def messages_in(self, text: str) -> list[int]:
        """The messages whose signed return addresses are in a text, such as the value of a header."""
        found = (self._signed(match) for match in _SHAPE.finditer(text))
        return list(dict.fromkeys(message_id for message_id in found if message_id is not None))

    def message_named(self, text: str) -> int | None:
        """The message that a Message-ID names, or the first of several; None if none of them is ours."""
        for match in _NAME.finditer(text):
            name = bytes.fromhex(match[1])
            message_id = int.from_bytes(name[TAG:], "big") ^ self._mask(name[:TAG])
            if hmac.compare_digest(name[:TAG], self.mac(b"message.%d" % message_id)[:TAG]):
                return message_id
        return None

    def _signed(self, found: re.Match[str]) -> int | None:
        message_id = int(found[1], 16)
        signature = self.mac(b"message.%d" % message_id)[MAC_AT : MAC_AT + MAC]
        return message_id if hmac.compare_digest(bytes.fromhex(found[2]), signature) else None

    def _signed_reply(self, found: re.Match[str]) -> int | None:
        message_id = int(found[1], 16)
        return message_id if hmac.compare_digest(bytes.fromhex(found[2]), self._reply_mac(message_id)) else None

    def _reply_mac(self, message_id: int) -> bytes:
        return self.mac(b"reply.%d" % message_id)[:MAC]

    def _mask(self, tag: bytes) -> int:
        """What hides the id of a row in a Message-ID; only we can make it."""
        return int.from_bytes(self.mac(b"mask." + tag)[:ROW], "big")
