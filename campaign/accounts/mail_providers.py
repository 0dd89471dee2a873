"""Mail providers: which company serves an address, by its domain, as far as many share it.

Only providers with many readers have a name. All other domains are "other": a small domain may tell
who its reader is.
"""

from typing import Final

OTHER: Final = "other"

_DOMAINS: Final = {
    "gmail": "gmail.com googlemail.com",
    "outlook": """outlook.com outlook.de outlook.fr outlook.it outlook.es outlook.at outlook.in outlook.jp outlook.co
        outlook.ie outlook.pt hotmail.com hotmail.de hotmail.fr hotmail.it hotmail.es hotmail.co.uk hotmail.ch
        hotmail.se hotmail.nl hotmail.be hotmail.at hotmail.no hotmail.dk live.com live.de live.at live.nl live.fr
        live.it live.ca live.se live.dk live.no live.be live.co.uk msn.com""",
    "yahoo": """yahoo.com yahoo.de yahoo.fr yahoo.it yahoo.es yahoo.co.uk yahoo.co.in yahoo.in yahoo.com.pk yahoo.ca
        yahoo.com.au yahoo.at yahoo.se yahoo.ch yahoo.nl yahoo.gr yahoo.pl yahoo.ie yahoo.no yahoo.dk yahoo.ro
        yahoo.com.br yahoo.com.mx yahoo.com.ar yahoo.com.tr ymail.com rocketmail.com aol.com aol.de aol.fr aol.it
        aol.co.uk aim.com""",
    "icloud": "icloud.com me.com mac.com",
    "gmx": "gmx.de gmx.net gmx.at gmx.ch gmx.com gmx.org gmx.eu gmx.info web.de",
    "t-online": "t-online.de magenta.de",
    "freenet": "freenet.de",
    "proton": "proton.me protonmail.com protonmail.ch pm.me",
    "tuta": "tuta.com tutanota.com tutanota.de tutamail.com tuta.io",
    "posteo": "posteo.de posteo.net posteo.org",
    "mailbox": "mailbox.org",
    "mail.ru": "mail.ru bk.ru list.ru inbox.ru internet.ru",
    "yandex": "yandex.ru yandex.com ya.ru yandex.by yandex.kz",
    "orange": "orange.fr wanadoo.fr",
    "libero": "libero.it",
    "chmail": "chmail.ir",
}

PROVIDERS: Final = (*_DOMAINS, OTHER)
"""The names, as they are stored."""

_BY_DOMAIN: Final = {domain: name for name, domains in _DOMAINS.items() for domain in domains.split()}


def provider_of(address: str) -> str:
    """The provider of an address, or of a domain; one of :data:`PROVIDERS`."""
    return _BY_DOMAIN.get(address.rpartition("@")[2].lower(), OTHER)
