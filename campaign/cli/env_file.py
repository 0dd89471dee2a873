"""Files of environment variables, read by the rules that systemd has for ``EnvironmentFile=``.

The same file then serves the units and the commands typed in a shell. The rules are those of systemd.exec(5); what
systemd would skip with a warning is an error here, for it would be missed.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from campaign.errors import SettingsError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LINE_END = re.compile(r"\r\n|\n|\r")
_BLANKS = " \t"
_ESCAPED_IN_QUOTES = '"\\`$'
_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,=?&~*-]*")


def read(path: Path) -> dict[str, str]:
    """The variables of a file; of two with one name the last counts.

    Raises:
        SettingsError: it can't be read, or a line is no assignment. Values are never repeated.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SettingsError([f"the file {path} can't be read: it is missing; `countersign setup` writes it"]) from None
    except OSError as error:
        raise SettingsError([f"the file {path} can't be read: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise SettingsError([f"the file {path} can't be read: it is not UTF-8"]) from None
    found, problems = {}, []
    for number, line in _lines(text):
        name, is_assignment, raw = line.partition("=")
        name = name.rstrip(_BLANKS)
        if not is_assignment or not _NAME.fullmatch(name):
            hint = "; leave out the word export" if name.startswith("export ") else ""
            problems.append(f"{path}, line {number}: must be NAME=value{hint}")
            continue
        value = _value(raw.lstrip(_BLANKS))
        if value is None:
            problems.append(f"{path}, line {number}: {name} has a quotation mark that is not closed")
        elif "\0" in value:
            problems.append(f"{path}, line {number}: {name} has a character that no variable can have")
        else:
            found[name] = value
    if problems:
        raise SettingsError(problems)
    return found


def assignment(name: str, value: str) -> str:
    """One line that :func:`read` and systemd take for this value, which has no line end."""
    if _PLAIN.fullmatch(value):
        return f"{name}={value}"
    escaped = "".join(f"\\{sign}" if sign in _ESCAPED_IN_QUOTES else sign for sign in value)
    return f'{name}="{escaped}"'


def with_values(text: str, values: Mapping[str, str]) -> str:
    """The text of a file with other values for some variables; comments and all other lines stay as they are.

    A variable keeps its place; one that is not there comes at the end.
    """
    lines, left = _LINE_END.split(text.rstrip("\r\n")) if text.strip() else [], dict(values)
    places = {}
    for number, line in _lines(text):
        places[line.partition("=")[0].rstrip(_BLANKS)] = (number - 1, line.count("\n") + 1)
    for name, (at, length) in sorted(places.items(), key=lambda place: -place[1][0]):
        if name in left:
            lines[at : at + length] = [assignment(name, left.pop(name))]
    return "".join(f"{line}\n" for line in [*lines, *(assignment(name, value) for name, value in left.items())])


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Assignments with the number of their first line; a backslash or an open quotation mark continues a line."""
    lines = iter(enumerate(_LINE_END.split(text), 1))
    for number, first in lines:
        line = first.lstrip(_BLANKS)
        if not line or line[0] in "#;":
            continue
        while _continues(line):
            following = next(lines, None)
            if following is None:
                break
            line += "\n" + following[1]
        yield number, line


def _continues(line: str) -> bool:
    value = line.partition("=")[2].lstrip(_BLANKS)
    if value[:1] in {'"', "'"}:
        return _end_of_quotes(value) is None
    return (len(line) - len(line.rstrip("\\"))) % 2 == 1


def _end_of_quotes(value: str) -> int | None:
    """Where the quotation mark that ``value`` begins with is closed."""
    at = 1
    while at < len(value):
        if value[at] == "\\" and value[0] == '"':
            at += 2
            continue
        if value[at] == value[0]:
            return at
        at += 1
    return None


def _value(raw: str) -> str | None:
    """The value as systemd takes it; None if a quotation mark is not closed."""
    if raw[:1] not in {'"', "'"}:
        plain = re.sub(r"\\(\n|.)", lambda found: "" if found[1] == "\n" else found[1], raw, flags=re.DOTALL)
        return plain.rstrip(_BLANKS)
    end = _end_of_quotes(raw)
    if end is None:
        return None
    inner, rest = raw[1:end], raw[end + 1 :].strip(_BLANKS)
    if raw[0] == '"':
        inner = re.sub(r"\\(\n|.)", _unescaped, inner, flags=re.DOTALL)
    # What is written behind a closing quotation mark belongs to the value.
    following = _value(rest) if rest else ""
    return None if following is None else inner + following


def _unescaped(found: re.Match[str]) -> str:
    if found[1] == "\n":
        return ""
    return found[1] if found[1] in _ESCAPED_IN_QUOTES else found[0]
