"""Mail providers as readers know them."""

from collections.abc import Mapping

from campaign.views.language import gettext, lazy

NAMES: Mapping[str, str] = {
    "gmail": "Gmail",
    "outlook": "Outlook, Hotmail",
    "yahoo": "Yahoo, AOL",
    "icloud": "iCloud",
    "gmx": "GMX, WEB.DE",
    "t-online": "T-Online",
    "freenet": "freenet",
    "proton": "Proton",
    "tuta": "Tuta",
    "posteo": "Posteo",
    "mailbox": "mailbox.org",
    "mail.ru": "Mail.ru",
    "yandex": "Yandex",
    "orange": "Orange",
    "libero": "Libero",
    "chmail": "ChMail",
}
"""By the names of :mod:`campaign.accounts.mail_providers`; brands are not translated."""

OTHERS = lazy("All others")


def provider_name(name: str) -> str:
    """The brand of a mail provider."""
    return NAMES.get(name) or gettext(OTHERS)
