"""Which tests run in one process: those of a folder that share something costly.

The mark ``xdist_group`` is no help: with pytest 9.2 it silently groups nothing (pytest-xdist issue 1386).
"""

import pytest
from xdist.scheduler import LoadScopeScheduling

FOLDERS = ("tests/hosts/", "tests/journeys/")
"""Folders whose tests share one installation, which takes many seconds to start."""


def scope_of(test: str) -> str:
    """What a test (by its id) is handed to a process with: its folder if that shares something, else itself alone."""
    return next((folder for folder in FOLDERS if test.startswith(folder)), test)


class Scheduling(LoadScopeScheduling):
    """Hands out tests one by one, but a folder that shares something as a whole, and first."""

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)


def make_scheduler(config: pytest.Config, log) -> Scheduling:
    return Scheduling(config, log)
