"""Threads for work that no call waits for; and whose call stack something runs on."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import BuiltinFunctionType
from typing import NamedTuple

#: Seconds that a fork waits for our threads. Python 3.12 warns of a fork while other threads run, and
#: many test suites make that an error. A child is also better off without half-done work. But a login
#: service that hangs must not hold up a fork. The end of an interpreter waits as long: a thread that is
#: cut off may leave a lock in a store behind.
FORK_WAITS = 0.5

#: Seconds; a long nap ends with the thread that is waited for.
LONG_NAP, SHORT_NAP = 0.02, 0.001


class _Worker(threading.Thread):
    """A thread of ours: a daemon, so that it never keeps a process from ending."""

    def __init__(self, work: Callable[[], None]) -> None:
        super().__init__(target=work, name="gc_requests_auth", daemon=True)
        #: Whether a fork has waited for this thread in vain; the next fork does not wait again.
        self.hangs = False


def in_background(work: Callable[[], None]) -> bool:
    """Do the work in a thread of its own; False if no thread can be started.

    That is so at the exit of an interpreter (Python 3.12), or where there are too many threads.
    """
    if sys.is_finalizing():  # Python 3.11 would wait for ever for a thread that is never run
        return False
    try:
        _Worker(work).start()
    except RuntimeError:
        return False
    return True


class CallStack(NamedTuple):
    """Whose call stack something runs on."""

    thread: int
    #: The greenlet of gevent or eventlet, of which many may share a thread; None for the thread's own.
    greenlet: object

    @classmethod
    def here(cls) -> CallStack:
        """The one that runs now."""
        # Not by a ContextVar: a greenlet or a thread may be started with a copy of another's context.
        current = getattr(sys.modules.get("greenlet"), "getcurrent", None)
        greenlet = current() if current is not None else None
        is_the_threads_own = getattr(greenlet, "parent", None) is None
        return cls(threading.get_ident(), None if is_the_threads_own else greenlet)


def sleep_lets_others_run() -> bool:
    """Whether `time.sleep` is that of an event loop (gevent, eventlet): it runs other greenlets."""
    return not isinstance(time.sleep, BuiltinFunctionType)


#: The libraries that `precede_at_forks` was called for, in order.
_preceded: list[str] = []


def precede_at_forks(other: str) -> None:
    """Have a fork wait for our threads before the library `other` prepares for the fork.

    To be called when `other` has been imported: of the functions registered, the last is called
    first. A library (filelock) may hold its locks through a fork. A thread of ours may need such a
    lock to come to its end, so that waiting for the thread only afterwards would be in vain.
    """
    if other not in _preceded and hasattr(os, "register_at_fork"):
        _preceded.append(other)
        os.register_at_fork(before=partial(_before_fork, other))


def _before_fork(of: str) -> None:
    if of != _preceded[-1]:
        return  # the call for the last library has waited
    _wait_for_workers()


def _wait_for_workers() -> None:
    """Wait for our threads, for all of them together no longer than `FORK_WAITS`."""
    left = FORK_WAITS  # minus the naps: by a clock that a test has frozen, this would never end
    while workers := [
        thread
        for thread in threading.enumerate()
        if isinstance(thread, _Worker)
        and not thread.hangs
        and thread is not threading.current_thread()
    ]:
        for worker in workers:
            while left > 0 and _is_there(worker):
                if worker.is_alive():
                    worker.join(LONG_NAP)
                    left -= LONG_NAP if worker.is_alive() else 0.0
                else:
                    left -= _short_nap()
            worker.hangs = left <= 0
        left -= _short_nap()  # also for a thread that is not quite started yet


def _short_nap() -> float:
    time.sleep(SHORT_NAP)
    return SHORT_NAP


def _is_there(worker: _Worker) -> bool:
    """Whether the system still has the thread: on Python 3.12, join() may come too early."""
    return worker.is_alive() or Path(f"/proc/self/task/{worker.native_id}").exists()


atexit.register(_wait_for_workers)

# A thread of ours may be waiting for `forks.no_fork`, which a fork holds: wait for the thread first.
precede_at_forks("forks")
