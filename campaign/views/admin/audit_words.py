"""The audit log in words: what each action is called, and what its details say."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from markupsafe import Markup, escape

from campaign import i18n
from campaign.accounts import accounts
from campaign.accounts.audit import Entry
from campaign.blasts import reports as blast_reports
from campaign.petitions import petitions
from campaign.runtime import Runtime
from campaign.site.current import IMPRINTS, SwitchName
from campaign.views.admin import words
from campaign.views.admin.site import LABELS
from campaign.views.admin.switch_words import SWITCHES
from campaign.views.desk.words import REMOVALS
from campaign.views.language import gettext, language, lazy
from campaign.views.rendering import number

ACTIONS: Mapping[str, str] = {
    "account.create": lazy("Created an account"),
    "account.disable": lazy("Disabled an account"),
    "account.enable": lazy("Enabled an account"),
    "account.set_role": lazy("Changed the role of an account"),
    "account.sign_in": lazy("Signed in"),
    "account.sign_in_link": lazy("Created a sign-in link"),
    "blast.cancel": lazy("Cancelled an update"),
    "blast.pause": lazy("Paused an update"),
    "blast.resume": lazy("Resumed an update"),
    "blast.schedule": lazy("Scheduled an update"),
    "blast.send_missing": lazy("Sent an update again to those who did not get it"),
    "blast.unschedule": lazy("Unscheduled an update"),
    "feedback.drop_many": lazy("Deleted many items in quarantine"),
    "feedback.drop": lazy("Deleted what was in quarantine"),
    "feedback.look": lazy("Opened an item in quarantine"),
    "instance.restored": lazy("Restored the site from a backup"),
    "keys.add": lazy("Added an encryption key"),
    "keys.retire": lazy("Retired an encryption key"),
    "lane.pause": lazy("Paused a lane"),
    "lane.resume": lazy("Resumed a lane"),
    "message.accept_many": lazy("Marked many emails as delivered"),
    "message.cancel_many": lazy("Cancelled many emails"),
    "message.retry_many": lazy("Queued many emails for another try"),
    "message.accept": lazy("Marked emails as delivered"),
    "message.cancel": lazy("Cancelled emails"),
    "message.retry": lazy("Queued emails for another try"),
    "milestone.approve": lazy("Approved the announcement of a milestone"),
    "milestone.decline": lazy("Declined the announcement of a milestone"),
    "milestone.take_back": lazy("Withdrew the approval of a milestone"),
    "network.lift": lazy("Lifted the shield of a network"),
    "petition.closed": lazy("Closed a petition"),
    "petition.create": lazy("Created a petition"),
    "petition.destroy_key": lazy("Destroyed the key of a petition: its personal data can’t be read again"),
    "petition.edit_text": lazy("Edited the text of a petition"),
    "petition.export": lazy("Downloaded the signatures of a petition"),
    "petition.live": lazy("Opened a petition for signing"),
    "petition.pack": lazy("Asked for a hand-over pack"),
    "petition.pack_delete": lazy("Deleted a hand-over pack"),
    "petition.pack_download": lazy("Downloaded a hand-over pack"),
    "petition.seed": lazy("Filled a petition with test data"),
    "petition.set": lazy("Changed the settings of a petition"),
    "petition.set_discreet": lazy("Changed whether emails of a petition are discreet"),
    "petition.set_reply_to": lazy("Changed the address for replies"),
    "petition.share": lazy("Added an organiser to a petition"),
    "petition.unshare": lazy("Removed an organiser from a petition"),
    "signature.hide_name": lazy("Hid the name of a signature"),
    "signature.hide_names": lazy("Hid the names of many signatures"),
    "signature.remove_many": lazy("Removed many signatures"),
    "signature.restore_many": lazy("Restored many signatures"),
    "signature.show_names": lazy("Showed the names of many signatures again"),
    "signature.remove": lazy("Removed a signature"),
    "signature.restore": lazy("Restored a signature"),
    "site.set": lazy("Changed a site setting"),
    "site.switch": lazy("Stopped or resumed a function of the site"),
    "suppression.add": lazy("Blocked an address"),
    "suppression.lift": lazy("Lifted a suppression"),
    "suppression.lift_group": lazy("Lifted suppressions with the same cause"),
    "suppression.search": lazy("Searched for suppressions of an address"),
}
"""What each action is called, as a sentence without its subject. A test compares them with the source."""


@dataclass(frozen=True)
class Fact:
    """One detail of an entry in words."""

    name: str
    value: Markup


@dataclass(frozen=True)
class Told:
    """An entry as the page shows it."""

    entry: Entry
    who: str
    what: str
    subject: str
    """The name of what it concerns: the subject of an update, the name of an account; empty if it has none."""
    petition: str
    """The title of the petition; empty if it concerns none."""
    facts: tuple[Fact, ...]


def action(code: str) -> str:
    """An action in words; one of another release is said to be unknown, for its code is in the raw values."""
    return gettext(ACTIONS[code]) if code in ACTIONS else gettext("Another action")


def tell(runtime: Runtime, entries: tuple[Entry, ...]) -> list[Told]:
    """Put a page of entries into words: names for ids, local times, values in words."""
    people = accounts.names(runtime, _accounts_of(entries))
    subjects = blast_reports.subjects(runtime, sorted(_subjects_of(entries, "blast")), language())
    petition_ids = {entry.petition_id for entry in entries if entry.petition_id is not None}
    titles = petitions.titles(runtime, petition_ids, language())
    return [_told(entry, people, subjects, titles) for entry in entries]


def _accounts_of(entries: tuple[Entry, ...]) -> set[int]:
    members = {entry.detail.get("member") for entry in entries}
    found = {entry.account_id for entry in entries} | members
    return {one for one in found if isinstance(one, int)} | _subjects_of(entries, "account")


def _subjects_of(entries: tuple[Entry, ...], subject: str) -> set[int]:
    return {entry.subject_id for entry in entries if entry.subject == subject and entry.subject_id is not None}


def _told(entry: Entry, people: Mapping[int, str], subjects: Mapping[int, str], titles: Mapping[int, str]) -> Told:
    if entry.account_id is not None:
        who = people.get(entry.account_id) or gettext("a deleted account")
    else:
        who = gettext("the command line") if entry.actor == "cli" else gettext("Countersign itself")
    named = {"account": people, "blast": subjects}.get(entry.subject, {})
    subject = named.get(entry.subject_id or 0, "")
    facts = [_fact(name, value, people) for name, value in entry.detail.items()]
    return Told(
        entry,
        who,
        action(entry.action),
        "" if entry.subject == "account" and entry.subject_id == entry.account_id else subject,
        titles.get(entry.petition_id or 0, ""),
        tuple(fact for fact in facts if fact is not None),
    )


def _number(value: object) -> Markup:
    return escape(number(value)) if isinstance(value, int) and not isinstance(value, bool) else Markup("")


def _many(value: object) -> Markup:
    return _number(len(value)) if isinstance(value, list) else _number(value)


def _truth(value: object) -> Markup:
    return escape(gettext("yes") if value else gettext("no"))


def _moment(value: object) -> Markup:
    try:
        return words.local(datetime.fromisoformat(str(value)))
    except ValueError:
        return Markup("")


def _reason(value: object) -> Markup:
    code = str(value or "")
    return escape(gettext(REMOVALS[code])) if code in REMOVALS else words.reason(code)


def _plain(value: object) -> Markup:
    return Markup("<bdi>{}</bdi>").format(value) if value else Markup("")


def _coded(kind: str) -> Callable[[object], Markup]:
    return lambda value: escape(words.word(kind, value)) if value else Markup("")


def _setting(value: object) -> Markup:
    label = LABELS[str(value)][0] if str(value) in LABELS else _OTHER_SETTINGS.get(str(value), "")
    return escape(gettext(label)) if label else Markup("")


def _switch(value: object) -> Markup:
    known = str(value) in set(SwitchName)
    return escape(gettext(SWITCHES[SwitchName(str(value))].title)) if known else Markup("")


def _set_to(value: object) -> Markup:
    code = str(value)
    return escape(gettext(_SWITCHED[code])) if code in _SWITCHED else _plain(value)


def _language(value: object) -> Markup:
    return escape(i18n.LANGUAGE_NAMES.get(str(value), str(value)))


_SWITCHED: Mapping[str, str] = {"stopped": lazy("stopped"), "running": lazy("running")}

_OTHER_SETTINGS: Mapping[str, str] = {"logo": lazy("Logo")} | dict.fromkeys(IMPRINTS, lazy("Imprint"))
"""Settings of the site that have a form of their own."""

_FACTS: Mapping[str, tuple[str, Callable[[Any], Markup]]] = {
    "accepted": (lazy("Accepted"), _number),
    "after": (lazy("New value"), _set_to),
    "before": (lazy("Old value"), _set_to),
    "blasts": (lazy("Updates held"), _many),
    "bounced": (lazy("Bounced"), _number),
    "complained": (lazy("Marked as spam"), _number),
    "confirmed": (lazy("Confirmed"), _number),
    "discreet": (lazy("Discreet"), _truth),
    "found": (lazy("Found"), _many),
    "hidden": (lazy("With a row for each hidden name"), _truth),
    "key": (lazy("Key"), _plain),
    "kind": (lazy("Kind"), _coded("kind")),
    "lane": (lazy("Lane"), _coded("lane")),
    "lanes": (lazy("Lanes paused"), _many),
    "locale": (lazy("Language"), _language),
    "messages": (lazy("Emails"), _number),
    "network": (lazy("Network"), _plain),
    "number": (lazy("Number of items"), _number),
    "petitions": (lazy("Petitions"), _many),
    "phase": (lazy("Phase"), _coded("phase")),
    "problem": (lazy("Problem"), _coded("problem")),
    "reason": (lazy("Reason"), _reason),
    "rejected": (lazy("Rejected"), _number),
    "role": (lazy("New role"), _coded("role")),
    "send_at": (lazy("Sending starts"), _moment),
    "set": (lazy("Address set"), _truth),
    "setting": (lazy("Setting"), _setting),
    "signatures": (lazy("Signatures"), _number),
    "skipped": (lazy("Left as they were"), _number),
    "state": (lazy("State"), _coded("state")),
    "stopped": (lazy("Stopped before its end"), _truth),
    "switch": (lazy("Function"), _switch),
    "threshold": (lazy("Milestone"), _number),
    "was": (lazy("State before"), _coded("state")),
}
"""Names of details and how their values are put into words; others are among the raw values alone."""


def _fact(name: str, value: object, people: Mapping[int, str]) -> Fact | None:
    if name == "member" and isinstance(value, int):
        return Fact(gettext("Account"), _plain(people.get(value) or gettext("a deleted account")))
    if name not in _FACTS or value is None:
        return None
    label, worded = _FACTS[name]
    said = worded(value)
    return Fact(gettext(label), said) if said else None
