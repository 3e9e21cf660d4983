"""Many threads that begin at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


def at_once(count: int, work: Callable[[], object]) -> tuple[float, int]:
    """Seconds from their start to the last one's end; and in how many of them the work failed.

    :param work: Returns what is true, or has failed; so it has if it raises.
    """
    failed: list[str] = []
    begin = threading.Barrier(count + 1)

    def one() -> None:
        begin.wait()
        try:
            if not work():
                failed.append("")
        except Exception as error:  # of a neighbour: any
            failed.append(str(error))

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    begin.wait()
    start = time.perf_counter()
    for thread in threads:
        thread.join()
    return time.perf_counter() - start, len(failed)
