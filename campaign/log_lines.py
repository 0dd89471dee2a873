"""Logs as JSON, one object a line, if COUNTERSIGN_LOG_FORMAT says so; as text each program has its own format.

A line holds what a log of text holds, never more: row ids and reasons, no address and no name.
"""

import json
import logging
import platform
import re
import sys
import threading
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final

log = logging.getLogger(__name__)

JSON: Final = "json"

_SPEC: Final = re.compile(r"%(?:%|[-#0 +]*[0-9]*(?:\.[0-9]+)?[a-zA-Z])")
_NAMED: Final = re.compile(r"(account|blast|lane|message|petition|reply|request|worker) $")
"""What comes just before a value that is an id, or the name of a lane, in the messages of this code base."""

_STANDARD: Final = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName", "color_message"}
_WORDY: Final = ("alembic.runtime.migration",)
"""Loggers that tell nothing of use at the level "info"."""

_HOST: Final = platform.node()


class JsonFormatter(logging.Formatter):
    """One record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """The record with its time in UTC, its level in small letters, and the ids that its message names."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "host": _HOST,
            "process": record.process,
            "thread": record.threadName,
        }
        for name, value in {**ids_of(record), **_extra(record)}.items():
            line.setdefault(name, value)
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def ids_of(record: logging.LogRecord) -> dict[str, int | str]:
    """The ids in the arguments of a record, found by the word before each: ``message %d`` gives ``message_id``."""
    if not isinstance(record.args, tuple) or not isinstance(record.msg, str):
        return {}
    found: dict[str, int | str] = {}
    specs = [spec for spec in _SPEC.finditer(record.msg) if spec[0] != "%%"]
    for spec, value in zip(specs, record.args, strict=False):
        word = _NAMED.search(record.msg[: spec.start()])
        if word is None:
            continue
        if word[1] == "lane":
            found["lane"] = str(value)
        elif isinstance(value, int):
            found[f"{word[1]}_id"] = value
    return found


def _extra(record: logging.LogRecord) -> dict[str, int | str]:
    given = vars(record)
    return {name: given[name] for name in given.keys() - _STANDARD if isinstance(given[name], int | str)}


def asks_for_json(log_format: str) -> bool:
    """True if a setting, or a variable that was not checked yet, asks for JSON."""
    return log_format.strip().lower() == JSON


def is_json() -> bool:
    """True if this process logs JSON."""
    return any(isinstance(handler.formatter, JsonFormatter) for handler in logging.getLogger().handlers)


def configure(*, level: str = "info") -> None:
    """Let this process log JSON to standard error, uncaught errors and Python's warnings too. Harmless if repeated."""
    root = logging.getLogger()
    if not is_json():
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(JsonFormatter())
        root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _WORDY:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    sys.excepthook = _tell_error
    threading.excepthook = _tell_thread


def _tell_error(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    log.critical("this process ended with an error", exc_info=(kind, error, trace))


def _tell_thread(found: threading.ExceptHookArgs) -> None:
    if found.exc_value is None or issubclass(found.exc_type, SystemExit):
        return
    log.critical("a thread ended with an error", exc_info=(found.exc_type, found.exc_value, found.exc_traceback))


def dict_config(*, level: str) -> dict[str, Any]:
    """The configuration of granian's loggers, in the words of logging.config: JSON through the root."""
    return {
        "formatters": {"json": {"()": JsonFormatter}},
        "handlers": {"json": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}},
        "loggers": {
            "_granian": {"handlers": [], "propagate": True},
            "granian.access": {"handlers": [], "level": "ERROR"},
        },
        "root": {"handlers": ["json"], "level": level.upper()},
    }


def say(sentence: str, *, level: int = logging.WARNING) -> bool:
    """Log a sentence that is meant for an admin if this process logs JSON; False if it is to be printed."""
    if not is_json():
        return False
    log.log(level, "%s", sentence)
    return True
