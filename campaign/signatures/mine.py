"""My signatures: what the owner of a mailbox signed, on open and closed petitions."""

from campaign.accounts import addresses
from campaign.database.connection import Transaction
from campaign.outbox import suppressions
from campaign.petitions import petitions
from campaign.petitions.petitions import Opened
from campaign.runtime import Runtime
from campaign.signatures import mine_queries, queries
from campaign.signatures.admission_queries import Place
from campaign.signatures.mine_queries import Mine
from campaign.signatures.queries import Signature


def places(published: list[Opened], canonical: str) -> list[Place]:
    """Where signatures of a mailbox may be: its blind index on each petition whose key is there."""
    return [(opened.petition.id, opened.key.index(canonical)) for opened in published if opened.key is not None]


def list_at(runtime: Runtime, tx: Transaction, canonical: str) -> list[tuple[Opened, Mine]]:
    """The signatures of a mailbox with their petitions, the newest first."""
    published = petitions.published(runtime, tx)
    by_id = {opened.petition.id: opened for opened in published}
    found = mine_queries.at(tx, places(published, canonical))[: mine_queries.LISTED]
    return [(by_id[one.petition_id], one) for one in found]


def _typed(opened: Opened, row: Signature) -> str | None:
    return queries.open_field(opened.key, row.id, "address", row.address) if opened.key is not None else None


def canonical_of(runtime: Runtime, opened: Opened, row: Signature) -> str | None:
    """The canonical address of a signature; None once it is erased.

    Raises:
        RuleError: the rules have changed since it was typed.
    """
    typed = _typed(opened, row)
    return None if typed is None else addresses.canonical(typed, gmail_rules=runtime.settings.gmail_rules)


def stop_everything(runtime: Runtime, tx: Transaction, canonical: str) -> None:
    """Stop all mail to a mailbox that is not asked for: no signature of it wants updates, and none is sent later."""
    mine_queries.stop_updates(tx, places(petitions.published(runtime, tx), canonical), now=runtime.clock(), keep=0)
    suppressions.add(
        tx, runtime.secrets.address_key(canonical), reason="unsubscribe", petition_id=None, message_id=None
    )


def allow_updates(runtime: Runtime, tx: Transaction, opened: Opened, row: Signature) -> None:
    """An explicit yes to updates ends an earlier "no more mail"; never what followed a complaint or a bounce.

    A yes to one petition is none to the others: "no more mail" of a release before this one left their wishes as they
    were, so they end here.
    """
    typed = _typed(opened, row)
    if typed is None:
        return
    # At Gmail the suppression may be from a time when the setting was another.
    spellings = {addresses.canonical(typed, gmail_rules=rules) for rules in (True, False)}
    keys = [runtime.secrets.address_key(spelling) for spelling in sorted(spellings)]
    now = runtime.clock()
    if suppressions.lift_unsubscribe(tx, keys, petition_id=row.petition_id, now=now):
        canonical = addresses.canonical(typed, gmail_rules=runtime.settings.gmail_rules)
        mine_queries.stop_updates(tx, places(petitions.published(runtime, tx), canonical), now=now, keep=row.id)
