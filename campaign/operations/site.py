"""Site settings and switches, as admins change them: checked, in the audit log, and in force within seconds."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from campaign import variables
from campaign.accounts import audit
from campaign.accounts.accounts import Account
from campaign.database.connection import Transaction
from campaign.errors import ConflictError, InvalidInputError, WrongValueError
from campaign.operations.lanes import CLI, MAX_REASON
from campaign.outbox import lanes
from campaign.outbox.lanes import LaneState
from campaign.petitions import markdown
from campaign.runtime import Runtime
from campaign.settings import VARIABLES
from campaign.site import queries
from campaign.site.colours import ENOUGH, WHITE, contrast, is_colour
from campaign.site.current import ACCENT, IMPRINTS, LIVE, LOGO, NAMES, Site, Switch, SwitchName, site_of
from campaign.site.values import parsed
from campaign.states import Lane

MAX_LENGTH: Mapping[str, int] = {"site_name": 60, "postal_address": 300} | dict.fromkeys(IMPRINTS, 20_000)
"""Characters."""

MAX_LOGO = 200 * 1024
"""Bytes."""

_PICTURES: Mapping[str, Callable[[bytes], bool]] = {
    "png": lambda head: head.startswith(b"\x89PNG\r\n\x1a\n"),
    "jpg": lambda head: head.startswith(b"\xff\xd8\xff"),
    "webp": lambda head: head.startswith(b"RIFF") and head[8:12] == b"WEBP",
}
"""How the content of each kind of picture begins; its name says nothing."""


class LowContrastError(InvalidInputError):
    """Raised when white text can't be read on a colour; ``ratio`` is the contrast that was reached."""

    def __init__(self, ratio: float) -> None:
        super().__init__({ACCENT: "low_contrast"})
        self.ratio = ratio


@dataclass(frozen=True)
class Value:
    """A site setting: what is in force, and where it comes from."""

    name: str
    text: str
    source: str
    """``admin``: set at /admin/site; ``environment``: by its variable; ``default``: nothing was set."""
    variable: str
    """The environment variable of the default; empty if there is none."""


def values(site: Site, runtime: Runtime) -> dict[str, Value]:
    """All site settings by name."""
    return {name: _value(site, runtime, name) for name in NAMES}


def _value(site: Site, runtime: Runtime, name: str) -> Value:
    variable = VARIABLES[name].name if name in LIVE else ""
    if name in site.given:
        return Value(name, site.given[name], "admin", variable)
    if name not in LIVE:
        return Value(name, "", "default", "")
    text = variables.as_text(getattr(runtime.settings, name))
    filled_in = runtime.settings.mail_from if name == "contact" else VARIABLES[name].default
    return Value(name, text, "default" if text == filled_in else "environment", variable)


def save(runtime: Runtime, typed: Mapping[str, str], *, by: Account | None) -> tuple[str, ...]:
    """Set several values, or none of them; what is empty, or is the default, has its default again.

    Args:
        runtime: the runtime.
        typed: texts by name.
        by: who; None for the command line.

    Returns:
        The names of those that changed.

    Raises:
        InvalidInputError: with a code for each name; LowContrastError for a colour alone.
    """
    cleaned = {name: _cleaned(name, text) for name, text in typed.items()}
    problems: dict[str, str] = {}
    for name, text in cleaned.items():
        problems |= _problem(name, text) if text else {}
    if problems == {ACCENT: "low_contrast"}:
        raise LowContrastError(contrast(cleaned[ACCENT], WHITE))
    if problems:
        raise InvalidInputError(problems)
    wanted = {name: "" if text == _default(runtime, name) else text for name, text in cleaned.items()}
    return _store(runtime, wanted, by)


def _default(runtime: Runtime, name: str) -> str:
    return variables.as_text(getattr(runtime.settings, name)) if name in LIVE else ""


def _cleaned(name: str, text: str) -> str:
    if name in IMPRINTS:
        return text.replace("\r\n", "\n").strip()
    plain = " ".join(text.split())
    if name == ACCENT:
        return plain.lower()
    return plain


def _problem(name: str, text: str) -> dict[str, str]:
    code = "unknown"
    if name in NAMES and name != LOGO:
        code = "too_long" if len(text) > MAX_LENGTH.get(name, 300) else _code(name, text)
    return {name: code} if code else {}


def _code(name: str, text: str) -> str:
    """What is wrong with a text; empty if nothing is."""
    if name in IMPRINTS:
        return "text" if markdown.problems(text) else ""
    if not text.isprintable():
        return "invalid"
    if name == ACCENT:
        if not is_colour(text):
            return "invalid"
        return "low_contrast" if contrast(text, WHITE) < ENOUGH else ""
    try:
        if name in LIVE:
            parsed(name, text)
    except WrongValueError:
        return "invalid"
    return ""


def reset(runtime: Runtime, name: str, *, by: Account | None) -> bool:
    """Give one value its default again; False if it had it already.

    Raises:
        InvalidInputError: there is no such setting.
    """
    if name not in NAMES:
        raise InvalidInputError({name: "unknown"})
    return bool(_store(runtime, {name: ""}, by))


def set_logo(runtime: Runtime, content: bytes, *, by: Account | None) -> str:
    """Store a picture as the logo; returns the name of its file.

    Raises:
        InvalidInputError: ``{"logo": …}``: ``missing``, ``too_large``, or ``no_picture``, which is not PNG, JPEG, WebP.
    """
    if not content:
        raise InvalidInputError({LOGO: "missing"})
    if len(content) > MAX_LOGO:
        raise InvalidInputError({LOGO: "too_large"})
    kind = next((kind for kind, is_one in _PICTURES.items() if is_one(content[:16])), None)
    if kind is None:
        raise InvalidInputError({LOGO: "no_picture"})
    name = f"{hashlib.sha256(content).hexdigest()[:20]}.{kind}"
    _store(runtime, {LOGO: name}, by, more=lambda tx: queries.put_file(tx, name, content))
    return name


def _store(
    runtime: Runtime,
    wanted: Mapping[str, str],
    by: Account | None,
    *,
    more: Callable[[Transaction], None] | None = None,
) -> tuple[str, ...]:
    now = runtime.clock()

    def work(tx: Transaction) -> tuple[str, ...]:
        queries.lock(tx)
        known = queries.everything(tx)
        changed = []
        for name, text in wanted.items():
            before = known[name].value if name in known else ""
            if text == before:
                continue
            changed.append(name)
            if text:
                queries.put(tx, name, text, by=_name(by), now=now)
            else:
                queries.drop(tx, name)
                if name == LOGO:
                    queries.drop_files(tx)
            _audit(tx, "site.set", by, {"setting": name, "before": before, "after": text})
        if more is not None:
            more(tx)
        return tuple(changed)

    changed = runtime.store.transact(work)
    runtime.cache.drop(("site",))
    return changed


def switches(runtime: Runtime) -> dict[SwitchName, Switch]:
    """The switches that are on, read now."""
    return runtime.store.transact(switches_on)


def switches_on(tx: Transaction) -> dict[SwitchName, Switch]:
    """The switches that are on: the rows, and the pause of both lanes, which is the switch of sending."""
    rows = queries.everything(tx)
    found = {
        name: Switch(name, rows[name.row].changed_at, rows[name.row].value, rows[name.row].changed_by)
        for name in SwitchName
        if name.row in rows
    }
    last = _paused(lanes.all_lanes(tx))
    if last is not None and last.paused_at is not None:
        found[SwitchName.SENDING] = Switch(
            SwitchName.SENDING, last.paused_at, last.paused_reason or "", last.paused_by or ""
        )
    return found


def _paused(states: list[LaneState]) -> LaneState | None:
    """The lane that was paused last, if both are."""
    paused = [state for state in states if state.paused_at is not None]
    return max(paused, key=lambda state: (state.paused_at, state.lane)) if len(paused) == len(Lane) else None


def switch(runtime: Runtime, name: SwitchName, *, stop: bool, reason: str, by: Account | None) -> None:
    """Stop something for the whole site, or let it go on.

    Args:
        runtime: the runtime.
        name: what.
        stop: True to stop it.
        reason: a sentence for the audit log; shown on the monitor while it is stopped.
        by: who; None for the command line.

    Raises:
        InvalidInputError: ``{"why": …}``: no reason, or one that is too long.
        ConflictError: it is so already.
    """
    said = " ".join(reason.split())
    if not said or len(said) > MAX_REASON:
        raise InvalidInputError({"why": "too_long" if said else "missing"})
    now = runtime.clock()

    def work(tx: Transaction) -> None:
        queries.lock(tx)
        before = switches_on(tx).get(name)
        if (before is not None) == stop:
            raise ConflictError(f"{name} is {'stopped' if stop else 'on'} already")
        if name is SwitchName.SENDING:
            for lane in Lane:
                if stop:
                    lanes.pause(tx, lane, by=_name(by), reason=said, now=now)
                else:
                    lanes.resume(tx, lane)
        elif stop:
            queries.put(tx, name.row, said, by=_name(by), now=now)
        else:
            queries.drop(tx, name.row)
        detail = {"switch": str(name), "before": _word(not stop), "after": _word(stop), "reason": said}
        _audit(tx, "site.switch", by, detail)

    runtime.store.transact(work)
    runtime.cache.drop(("site",))


def _word(stopped: bool) -> str:  # noqa: FBT001 - private
    return "stopped" if stopped else "running"


def _name(by: Account | None) -> str:
    return CLI if by is None else f"account {by.id}"


def _audit(tx: Transaction, action: str, by: Account | None, detail: Mapping[str, object]) -> None:
    audit.add(
        tx,
        action=action,
        subject="site",
        subject_id=None,
        account_id=by.id if by else None,
        actor="cli",
        detail=detail,
    )


def current(runtime: Runtime) -> Site:
    """What is in force, read now."""
    runtime.cache.drop(("site",))
    return site_of(runtime)
