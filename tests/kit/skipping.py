"""Skipping loudly: what this machine can't test is said in the last lines of a run."""

from typing import NoReturn

import pytest

MARK = "NOT TESTED: "
"""How the reason of a loud skip begins."""


def skip_loudly(why: str) -> NoReturn:
    """Skip the running test and have its reason said at the end."""
    pytest.skip(f"{MARK}{why}")


def say_what_was_skipped(reporter: pytest.TerminalReporter) -> None:
    """Name each reason of a loud skip once."""
    texts = [str(report.longrepr) for report in reporter.stats.get("skipped", [])]
    reasons = sorted({text.partition(MARK)[2].rstrip("')") for text in texts if MARK in text})
    if reasons:
        reporter.section("SOME TESTS WERE SKIPPED", red=True, bold=True)
    for reason in reasons:
        reporter.line(reason)
