"""A mail server that knows when it took what: rates are judged by its clock."""

import time

from campaign.local.mailserver import running as mailserver_running
from campaign.local.mailserver.faults import FaultRules
from campaign.local.mailserver.protocol import Answer, Transaction
from campaign.local.mailserver.script import Script


class StampingRules(FaultRules):
    """Takes what the script lets through, and notes when (seconds of the monotonic clock)."""

    def __init__(self, script: Script | None = None) -> None:
        super().__init__(script or Script())
        self.taken_at: list[float] = []

    def message(self, transaction: Transaction, data: bytes) -> Answer:
        before = len(self.received)
        answer = super().message(transaction, data)
        if len(self.received) > before:
            self.taken_at.append(time.monotonic())
        return answer


class StampingServer(mailserver_running.ServerThread):
    """A mail server in a thread that knows when it took what."""

    rules: StampingRules

    def __init__(self, script: Script | None = None, *, host: str = "127.0.0.1") -> None:
        super().__init__(StampingRules(script), host=host)
