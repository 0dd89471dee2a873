"""Addresses that our mail server can write to."""

from campaign.accounts.addresses import Address, RuleError
from campaign.outbox import relays
from campaign.runtime import Runtime


def check_reachable(runtime: Runtime, address: Address) -> Address:
    """The address, unless the mail server is known to take only ASCII before the @ (no SMTPUTF8, RFC 6531).

    Nothing is asked for an ASCII address, and while nothing is known of the server every address is accepted.

    Raises:
        RuleError: ``not_ascii``.
        StoreUnavailableError: the database does not answer.
    """
    if not address.is_ascii and relays.lacks_smtputf8(runtime):
        raise RuleError("not_ascii")
    return address
