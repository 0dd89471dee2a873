"""Links of organisers' texts: what a target means, and addresses in a text that become links.

The rule :func:`work_on_links` is part of the Markdown parser. What it can't mend it leaves as words and notes.
"""

import re
from collections.abc import Collection, Iterator
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from markdown_it.common.normalize_url import normalizeLink
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

from campaign.accounts.top_level_domains import TOP_LEVEL_DOMAINS

SCHEMES: Final = {"http", "https", "mailto", "tel"}

MAILTO: Final = "mailto:"
TEL: Final = "tel:"

_HOST_LIKE: Final = re.compile(r"(?:[\w-]{1,63}\.){1,10}([\w-]{2,63})(?::[0-9]{1,5})?(?:[/?#]\S*)?")
_ADDRESS: Final = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}@(?:[\w-]{1,63}\.){1,10}[\w-]{2,63}")
_PHONE: Final = re.compile(r"\+?[0-9(][0-9 ()./-]{2,30}")
_COMMON: Final = frozenset({"com", "net", "org"})
"""Domains of which a bare host name in a sentence is one; behind others a path must follow."""

_IN_TEXT: Final = re.compile(
    r"(?<![\w@./:+-])(?:"
    r"(?P<url>https?://[^\s<>\"“”«»]{1,2000})"
    r"|(?P<address>(?:mailto:)?[\w][\w.+-]{0,63}@(?:[\w-]{1,63}\.){1,10}[\w-]{2,63})"
    r"|(?P<host>(?:www\.(?:[\w-]{1,63}\.){1,9}|(?:[a-z0-9-]{1,63}\.){1,10})[a-z]{2,63}(?![\w@.-]*@)(?:[/?#][^\s<>\"“”«»]{0,2000})?)"
    r")",
    re.IGNORECASE,
)
"""Addresses that readers expect to be links (compare the extended autolinks of GitHub Flavored Markdown)."""

_BEFORE_PATH: Final = re.compile(r"(?:[a-z]+://)?[^/?#]*", re.IGNORECASE)
_TRAILING: Final = "?!.,:;*_~'’‘…،؛؟۔])}"
_OPENING: Final = {")": "(", "]": "[", "}": "{"}

_TAGS: Final = (
    "a abbr address article aside b big blockquote body br button center cite code col dd del details div dl dt em "
    "embed figure font footer form frame h1 h2 h3 h4 h5 h6 head header hr html i iframe img input ins kbd label li "
    "link main mark meta nav object ol p picture pre q s script section select small span strike strong style sub "
    "summary sup svg table tbody td textarea tfoot th thead title tr tt u ul video"
).replace(" ", "|")
_HTML_TAG: Final = re.compile(rf"</?(?:{_TAGS})(?:\s[^<>]*)?/?>|<!--", re.IGNORECASE)
_BROKEN_LINK: Final = re.compile(r"\]\([^\s()]{0,80}")

Note = tuple[str, tuple[int, int], str]
"""A mistake: its code, the lines of its block (from 0, the second exclusive), and the words to look for there."""

OWN_LINKS: Final = "own_links"
OPEN_LINKS: Final = "open_links"
NOTES: Final = "notes"


def resolve(target: str, own_links: Collection[str] = (), open_links: Collection[str] = ()) -> str | None:
    """Where a link leads; None if it would lead nowhere.

    Hosts, addresses and phone numbers without a scheme get theirs.

    Args:
        target: as written, or percent-encoded.
        own_links: targets of our own that are no addresses yet (slots of a mail).
        open_links: those among them that a query or fragment may follow.
    """
    if target in own_links or any(re.fullmatch(rf"{re.escape(link)}[?&#]\S*", target) for link in open_links):
        return target
    if any(link in target for link in own_links):
        return None
    plain = unquote(target).strip()
    if _is_host(plain):
        # A host can't be percent-encoded; normalised it is in its ASCII form.
        return normalizeLink(f"https://{plain}")
    if _ADDRESS.fullmatch(plain):
        return MAILTO + target.strip()
    if _PHONE.fullmatch(plain):
        return TEL + _dialled(plain)
    return _with_scheme(target.strip())


def _with_scheme(target: str) -> str | None:
    if target.startswith("//"):
        target = f"https:{target}"
    try:
        parts = urlsplit(target)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        return None
    if parts.scheme in {"http", "https"}:
        return target if re.fullmatch(r"[\w.:-]+", host) and ".." not in host else None
    return _without_host(target, parts)


def _without_host(target: str, parts: SplitResult) -> str | None:
    if parts.scheme == "mailto":
        return target if _ADDRESS.fullmatch(unquote(parts.path)) else None
    if parts.scheme == "tel" and _PHONE.fullmatch(number := unquote(parts.path).partition(";")[0]):
        return TEL + _dialled(number)
    return None


def _dialled(number: str) -> str:
    """A phone number without what only readers need (RFC 3966 section 5.1.1)."""
    return re.sub(r"[^0-9+]", "", number.replace("(0)", "") if number.startswith("+") else number)


def _is_host(text: str) -> bool:
    found = _HOST_LIKE.fullmatch(text)
    if found is None or re.match(r"[0-9.]+$", text):
        return False
    last = found[1].lower()
    return text.lower().startswith("www.") or last in TOP_LEVEL_DOMAINS or last.startswith("xn--") or not last.isascii()


def work_on_links(state: StateCore) -> None:
    """Give links their addresses, make links of addresses in the text, and note what can't be one.

    ``state.env`` may hold :data:`OWN_LINKS` and :data:`OPEN_LINKS`, as for :func:`resolve`, and a list
    :data:`NOTES` that takes each :data:`Note`.
    """
    own, open_ = state.env.get(OWN_LINKS, ()), state.env.get(OPEN_LINKS, ())
    notes: list[Note] = state.env.get(NOTES, [])
    for block in state.tokens:
        if block.type == "inline":
            first, end = block.map or [0, 1]
            lines = (first, end)
            notes += [(code, lines, words) for code, words in _mistakes(block.children or [], own, open_)]
            block.children = list(_linked(block.children or [], own, open_))


def _mistakes(tokens: list[Token], own: Collection[str], open_: Collection[str]) -> Iterator[tuple[str, str]]:
    for token in tokens:
        if token.type == "link_open":
            target = str(token.attrs.get("href", ""))
            if resolve(target, own, open_) is None:
                yield "dead_link", unquote(target)
        elif token.type == "text":
            for found in _HTML_TAG.finditer(token.content):
                yield "html_tag", found[0]
            for found in _BROKEN_LINK.finditer(token.content):
                yield "dead_link", found[0].removeprefix("](") or "]("
            for link in own:
                barred = "/" if link in open_ else "/?&#"
                for found in re.finditer(rf"{re.escape(link)}[{barred}][\w%]\S{{0,40}}", token.content):
                    yield "dead_link", found[0]


def _linked(tokens: list[Token], own: Collection[str], open_: Collection[str]) -> Iterator[Token]:
    within = dead = False
    run: list[Token] = []
    for token in tokens:
        if token.type in {"text", "text_special"} and not within:
            run.append(token)
            continue
        yield from _with_links(run, own, open_)
        run = []
        if token.type == "link_open":
            within = True
            where = resolve(str(token.attrs.get("href", "")), own, open_)
            dead = where is None
            token.attrs = {"href": where or ""}
        elif token.type == "link_close":
            within = False
        if not (dead and token.type in {"link_open", "link_close"}):
            yield token
    yield from _with_links(run, own, open_)


def _with_links(run: list[Token], own: Collection[str], open_: Collection[str]) -> Iterator[Token]:
    """Neighbouring pieces of text with the links in them; a backslash before its punctuation prevents a link."""
    text, begin = "".join(token.content for token in run), 0
    escaped = set()
    for token in run:
        if token.info == "escape":
            escaped.add(begin)
        begin += len(token.content)
    begin = 0
    for start, end, target in sorted([*_addresses(text, escaped), *_own(text, own, open_)]):
        if start < begin:
            continue
        if start > begin:
            yield _text(text[begin:start])
        opening = Token("link_open", "a", 1, attrs={"href": target}, markup="linkify", info="auto")
        yield from (opening, _text(text[start:end]), Token("link_close", "a", -1, markup="linkify", info="auto"))
        begin = end
    if begin < len(text):
        yield _text(text[begin:])


def _text(content: str) -> Token:
    return Token("text", "", 0, content=content)


def _own(text: str, own: Collection[str], open_: Collection[str]) -> Iterator[tuple[int, int, str]]:
    for link in own:
        tail = r"(?:[?&#][^\s<>]*[\w/=-])?" if link in open_ else ""
        for found in re.finditer(re.escape(link) + tail, text):
            yield found.start(), found.end(), found[0]


def _addresses(text: str, escaped: Collection[int]) -> Iterator[tuple[int, int, str]]:
    if "." not in text and "://" not in text:
        return
    for found in _IN_TEXT.finditer(text):
        words = _trimmed(found[0])
        if found["host"] is not None and not _is_meant(words):
            continue
        # The path may hold escaped underscores; what makes it an address may not.
        host_end = found.start() + len(_BEFORE_PATH.match(words)[0])  # type: ignore[index]  # it matches anything
        if escaped and any(at in escaped for at in range(found.start() - 1, host_end)):
            continue
        target = resolve(words)
        if target is not None:
            yield found.start(), found.start() + len(words), normalizeLink(target)


def _is_meant(words: str) -> bool:
    """True if a host name without a scheme is hardly the end of one sentence and the beginning of another."""
    host, _, path = words.partition("/")
    if words.lower().startswith("www."):
        return True
    last = host.partition("?")[0].partition("#")[0].rpartition(".")[2]
    return last in _COMMON or (bool(path) and last in TOP_LEVEL_DOMAINS)


def _trimmed(words: str) -> str:
    """An address without the punctuation of its sentence; a closing bracket stays if it was opened within."""
    end = len(words)
    surplus = {close: words.count(close) - words.count(open_) for close, open_ in _OPENING.items()}
    while end and words[end - 1] in _TRAILING:
        last = words[end - 1]
        if last in surplus:
            if surplus[last] <= 0:
                break
            surplus[last] -= 1
        end -= 1
    return words[:end]
