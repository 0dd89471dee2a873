"""Is a worker of a host at work? Looked up by the rows that workers keep of themselves."""

from dataclasses import dataclass

from campaign.operations.health import WORKER_SEEN
from campaign.outbox import workers
from campaign.runtime import Runtime
from campaign.states import Lane


@dataclass(frozen=True)
class Presence:
    """Whether a worker does its work, and one sentence about it."""

    is_well: bool
    sentence: str


def of_host(runtime: Runtime, host: str, lane: Lane) -> Presence:
    """Whether a worker of a host and lane was seen lately, and can keep its journal.

    Raises:
        StoreUnavailableError: the database does not answer.
    """
    now = runtime.clock()
    seen = runtime.store.transact(lambda tx: workers.alive(tx, since=now - WORKER_SEEN))
    mine = [worker for worker in seen if worker.host == host and worker.lane is lane]
    seconds = WORKER_SEEN.total_seconds()
    if not mine:
        return Presence(False, f"No worker of the {lane} lane on {host} was seen in the last {seconds:.0f} seconds.")
    if all(worker.folder_problem for worker in mine):
        return Presence(False, f"The worker of the {lane} lane on {host} can't use its data folder {mine[0].folder}.")
    age = min((now - worker.seen_at).total_seconds() for worker in mine)
    return Presence(True, f"The worker of the {lane} lane on {host} was seen {max(age, 0):.0f} seconds ago.")
