"""Slips in the domain of a mail address: what was probably meant. A hint only; nothing is refused for it."""

from functools import lru_cache
from typing import Final

from campaign.accounts.top_level_domains import TOP_LEVEL_DOMAINS

LARGE_DOMAINS: Final = tuple(
    """
    gmail.com yahoo.com hotmail.com outlook.com icloud.com aol.com live.com msn.com googlemail.com gmx.de web.de
    gmx.net t-online.de freenet.de outlook.de hotmail.de yahoo.de posteo.de mailbox.org arcor.de proton.me
    protonmail.com tutanota.com mail.ru yandex.ru rambler.ru bk.ru list.ru yahoo.co.uk hotmail.co.uk
    btinternet.com yahoo.fr hotmail.fr orange.fr wanadoo.fr laposte.net libero.it hotmail.it yahoo.co.in
    rediffmail.com yahoo.com.pk comcast.net verizon.net me.com qq.com 163.com naver.com zoho.com fastmail.com
    chmail.ir yahoo.ca yahoo.com.au
    """.split()  # noqa: SIM905 - as a list it would be fifty lines
)
"""The largest mail domains, in the order in which they are suggested."""

REAL_DOMAINS: Final = frozenset(
    """
    mail.com ymail.com rocketmail.com email.com gmx.at gmx.ch gmx.com gmx.org gmx.eu gmx.us gmx.fr gmx.info live.de
    live.at live.nl live.fr live.it live.ca live.se live.dk live.no live.be live.co.uk outlook.fr outlook.it outlook.at
    outlook.es outlook.in outlook.pt outlook.jp outlook.co outlook.ie hotmail.es hotmail.ch hotmail.se hotmail.nl
    hotmail.be hotmail.at hotmail.no hotmail.dk yahoo.it yahoo.es yahoo.in yahoo.at yahoo.se yahoo.ch yahoo.nl yahoo.gr
    yahoo.pl yahoo.ie yahoo.no yahoo.dk yahoo.ro yahoo.co.jp yahoo.com.br yahoo.com.mx yahoo.com.ar yahoo.com.tr
    yahoo.com.cn yahoo.cn inbox.ru internet.ru ya.ru mail.de email.de email.it mail.ir mail.af mail.pk mail.bg mail.ee
    mac.com pm.me protonmail.ch proton.ch tuta.com tuta.io tutamail.com tutanota.de posteo.net posteo.org posteo.at
    posteo.eu posteo.me mailbox.com yandex.com yandex.by yandex.kz yandex.ua yandex.com.tr zoho.eu zoho.in fastmail.fm
    126.com 139.com 189.cn yeah.net sina.com qq.cn foxmail.com aim.com aol.de aol.fr aol.it aol.co.uk att.net cox.net
    love.com wow.com games.com sky.com virgin.net free.fr sfr.fr neuf.fr web.com wb.de ma.com web.dk web.nl maile.com
    mailo.com mail.ch mail.fr mail.co.uk bluewin.ch a1.net aon.at chello.at ok.de online.de t-online.com hey.com
    duck.com gmal.de hushmail.com me.de ne.com list.com
    """.split()  # noqa: SIM905 - as a list it would be twelve times as long
)
"""Real domains that look like one of them; never taken for a slip."""

_ENDINGS: Final = {
    "con": "com",
    "cmo": "com",
    "ocm": "com",
    "comm": "com",
    "vom": "com",
    "xom": "com",
    "cpm": "com",
    "clm": "com",
    "om": "com",
    "cm": "com",
    "co": "com",
    "coom": "com",
    "c": "com",
    "come": "com",
    "cim": "com",
    "dom": "com",
    "d": "de",
    "dd": "de",
    "ded": "de",
    "dee": "de",
    "ed": "de",
    "ne": "net",
    "nett": "net",
    "ent": "net",
    "nte": "net",
    "r": "ru",
    "ur": "ru",
    "ruu": "ru",
}

_BRANDS: Final = frozenset(domain.partition(".")[0] for domain in LARGE_DOMAINS)

_COM_ALONE: Final = frozenset({"gmail", "googlemail", "icloud"})
"""Providers with mailboxes at .com and nowhere else, so that any other ending is a slip."""


def suggest(address: str) -> str | None:
    """The address with the domain that was probably meant, if its own is a near miss of a large mail domain.

    Args:
        address: a checked address.

    Returns:
        None if the domain is a large or a known real one, or is near to none.
    """
    local, at, domain = address.rpartition("@")
    meant = _meant(domain.lower()) if at and local and len(domain) <= 64 else None
    return None if meant is None else f"{local}@{meant}"


@lru_cache(maxsize=1024)
def _meant(domain: str) -> str | None:
    if domain in LARGE_DOMAINS or domain in REAL_DOMAINS or domain.count(".") > 3:
        return None
    stem, _, ending = domain.rpartition(".")
    mended = f"{stem}.{_ENDINGS.get(ending, ending)}"
    if mended in LARGE_DOMAINS or (mended in REAL_DOMAINS and ending not in TOP_LEVEL_DOMAINS):
        return mended
    best = min(LARGE_DOMAINS, key=lambda known: _distance(mended, known))
    near = best if _distance(mended, best) <= _tolerance(best, mended) else None
    brand = domain.partition(".")[0]
    if brand in _COM_ALONE:
        return near or f"{brand}.com"
    # The name is right and the ending exists: yahoo.co.id and hotmail.gr are other people's countries.
    return None if brand in _BRANDS and ending in TOP_LEVEL_DOMAINS else near


def _tolerance(known: str, typed: str) -> int:
    """Slips that a domain may have: none in the shortest, whose neighbours are other people's."""
    stem = known.partition(".")[0]
    if len(stem) < 4:
        return 0
    if stem[0] != typed[:1] and len(stem) < 6 and typed[1:2] != stem[0]:
        return 0
    return 1 if len(stem) < 7 else 2


def _distance(one: str, other: str) -> int:
    """Changes from one text to another: letters added, left out, replaced, or two neighbours exchanged.

    The restricted Damerau-Levenshtein distance.
    """
    if abs(len(one) - len(other)) > 2:
        return 3
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        earlier, before, row = before, row, [i]
        for j, wanted in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, earlier[j - 2] + 1)
            row.append(cost)
    return row[-1]
