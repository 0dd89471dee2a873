"""Many threads that do the same at the same moment."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


def at_once(times: int, act: Callable[[int], object]) -> list[object]:
    """Call ``act`` with 0, 1, 2 … from as many threads together; returns the results, or the errors raised."""
    line = threading.Barrier(times)

    def run(number: int) -> object:
        line.wait(timeout=120)
        try:
            return act(number)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            return error

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(run, range(times)))
