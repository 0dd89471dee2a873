"""A mail server far away and with a limit: ``python -m benchmarks.far_sink <latency> <most>`` prints its port.

Each answer comes ``latency`` seconds late, and no more than ``most`` messages a second are taken: what a relay looks
like to its clients, with next to no work for this machine's processors.
"""

import asyncio
import sys

from campaign.local.mailserver import running as mailserver_running
from campaign.local.mailserver.protocol import Answer, Rules, SmtpProtocol, Transaction


class FarRules(Rules):
    """Takes everything, each message in its turn."""

    def __init__(self, *, most: float) -> None:
        self._step = 1 / most
        self._free_at = 0.0

    def message(self, transaction: Transaction, data: bytes) -> Answer:
        """Take one message; its answer waits for its turn."""
        self._free_at = max(asyncio.get_running_loop().time(), self._free_at) + self._step
        return b"250 2.0.0 Ok\r\n"

    @property
    def turn(self) -> float:
        """When the message taken last has its turn."""
        return self._free_at


class FarDialogue(SmtpProtocol):
    """Answers late, in order."""

    def __init__(self, rules: FarRules, *, latency: float) -> None:
        super().__init__(rules)
        self._far = rules
        self._latency = latency
        self._last = 0.0

    def _say(self, answer: Answer) -> None:
        loop = asyncio.get_running_loop()
        turn = self._far.turn if answer == b"250 2.0.0 Ok\r\n" else 0.0
        self._last = max(self._last, loop.time() + self._latency, turn)
        loop.call_at(self._last, super()._say, answer)


async def main(latency: float, most: float) -> None:
    """Serve until the process ends."""
    rules = FarRules(most=most)
    server = await mailserver_running.listen(lambda: FarDialogue(rules, latency=latency), host="127.0.0.1", port=0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]), float(sys.argv[2])))
