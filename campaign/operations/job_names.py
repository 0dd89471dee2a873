"""Periodic jobs in words, for the monitor and its sentences."""

from collections.abc import Mapping

from campaign import i18n


def lazy(message: str) -> str:
    """Mark a message for translation where it is written; :func:`job_name` translates it."""
    return message


NAMES: Mapping[str, str] = {
    "acts.carry_out": lazy("Carry out bulk actions"),
    "acts.forget": lazy("Forget old bulk actions"),
    "signatures.count": lazy("Count signatures"),
    "blasts.start_due": lazy("Start updates that are due"),
    "feedback.apply": lazy("Apply bounces and complaints"),
    "feedback.purge": lazy("Delete old bounces"),
    "feedback.read_mailbox": lazy("Read the return mailbox"),
    "handover.make_packs": lazy("Make hand-over packs"),
    "mail.recover_leases": lazy("Settle what dead workers left"),
    "lanes.watch_health": lazy("Watch the lanes"),
    "throughput.record": lazy("Note the rates"),
    "queues.count": lazy("Count long queues"),
    "signatures.expire": lazy("Expire unconfirmed signatures"),
    "signatures.forget": lazy("Forget counted signers who chose it"),
    "signatures.measure_funnel": lazy("Measure confirmations by provider"),
    "signatures.remind": lazy("Remind"),
    "personal_data.erase_expired": lazy("Erase what is old"),
    "signatures.recount": lazy("Recount"),
    "signatures.rekey": lazy("Match old Gmail addresses"),
    "records.purge_expired": lazy("Forget limits"),
}
"""Words by the names of tasks/app.py; a test compares the two."""


def job_name(name: str, locale: str) -> str:
    """A job in words; a name of another release is shown as it is."""
    known = NAMES.get(name)
    return name if known is None else i18n.translations(locale).gettext(known)
