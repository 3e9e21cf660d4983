"""A thread for work that no call is to wait for; and no trace of it at exit, or in a fork."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress

#: Seconds that a fork waits for such threads. Python 3.12 warns of a fork among threads, which is an
#: error in many a test suite, and a child is better off without their half-done work; yet a login
#: service that hangs must not hold up a fork.
FORK_WAITS = 0.5


class _Worker(threading.Thread):
    """A daemon, so that it never keeps a process from its end."""

    def __init__(self, work: Callable[[], None]) -> None:
        super().__init__(target=work, name="gc_requests_auth", daemon=True)

    def run(self) -> None:
        # Of a vault, say, that wants to end the script: it ends this thread.
        with suppress(SystemExit, KeyboardInterrupt):
            super().run()


def in_background(work: Callable[[], None]) -> bool:
    """Start it in a thread of its own; False where none can be started.

    At the exit of an interpreter, for one (Python 3.12), or where there are too many.
    """
    try:
        _Worker(work).start()
    except RuntimeError:
        return False
    return True


def _before_fork() -> None:
    until = time.monotonic() + FORK_WAITS
    for thread in threading.enumerate():
        if isinstance(thread, _Worker) and thread is not threading.current_thread():
            thread.join(max(0.0, until - time.monotonic()))


if hasattr(os, "register_at_fork"):  # pragma: no branch -- Windows knows no fork
    # Called before process.undivided is held, which such a thread may need: the last come first.
    os.register_at_fork(before=_before_fork)
