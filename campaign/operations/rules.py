"""What an admin may do with messages that did not get through; the moves are those of the state table."""

from collections.abc import Mapping
from enum import StrEnum

from campaign.states import MESSAGE_MOVES, MessageState

WORKERS_OWN = frozenset({MessageState.CLAIMED, MessageState.SUBMITTING})
"""A worker holds such a message; only the worker moves it."""


class Action(StrEnum):
    """A button of the monitor."""

    RETRY = "retry"
    """Send once more. An uncertain message may then arrive twice."""
    ACCEPT = "accept"
    """Take an uncertain message as arrived."""
    CANCEL = "cancel"
    """Never send."""


TARGETS: Mapping[Action, MessageState] = {
    Action.RETRY: MessageState.PLANNED,
    Action.ACCEPT: MessageState.ACCEPTED,
    Action.CANCEL: MessageState.CANCELLED,
}


def sources(press: Action) -> frozenset[MessageState]:
    """The states from which an admin may make this move."""
    target = TARGETS[press]
    return frozenset(state for state, moves in MESSAGE_MOVES.items() if target in moves) - WORKERS_OWN


def presses(state: MessageState, *, deferred: bool = False) -> tuple[Action, ...]:
    """The buttons that a message has.

    Args:
        state: where it is.
        deferred: it is planned for later, so that "retry" means "now".
    """
    return tuple(press for press in Action if state in sources(press) or (press is Action.RETRY and deferred))
