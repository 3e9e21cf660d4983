"""Forks and threads.

Which process this is; what a child of a fork must not share with its parent; threads for work that no
call waits for, and that a fork waits for; and the call stack of a thread or a greenlet.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import BuiltinFunctionType
from typing import Any
from weakref import ref

#: The number of forks between the first import and this process, as far as they have been noticed.
fork_count = 0

_pid = os.getpid()
_resets: dict[ref[Any], Callable[[Any], object]] = {}
_locks: dict[int, threading.RLock] = {}


def process() -> int:
    """The number of this process, which differs in each child.

    An object made under another number is stale.

    Python's own hooks see `os.fork` alone, and uWSGI forks in C. So the process id is compared as well,
    which takes some 0.2 us at most.
    """
    if os.getpid() != _pid:
        _start_afresh(os.getpid())
    return fork_count


def at_fork(reset: Callable[[], object]) -> None:
    """Have this method of an object called in each child, as long as the object lives.

    The child calls it at once where Python's hooks are called, and else in its next :func:`process`.
    """
    method: Any = reset
    # Not a WeakMethod: its callback is Python code, which fails at the end of an interpreter.
    _resets[ref(method.__self__, _resets.pop)] = method.__func__


def _start_afresh(pid: int) -> None:
    global fork_count, _pid  # noqa: PLW0603 -- a process is global
    # After a fork in C, several threads may notice it at once. setdefault() is atomic: no lock that
    # was made before the fork can be relied on.
    with _locks.setdefault(pid, threading.RLock()):
        if pid == _pid:
            return
        fork_count += 1
        _threads.clear()
        # Not items(): a list of pairs can start the garbage collector, which removes entries meanwhile.
        for reference in list(_resets):
            thing, reset = reference(), _resets.get(reference)
            if thing is not None and reset is not None:  # pragma: no branch -- collected meanwhile
                reset(thing)
        _pid = pid


class ThreadLock:
    """A re-entrant lock between the threads of a process: ``with lock():``.

    The lock is free in each child of a fork, also where a thread of the parent held it. That thread is
    not in the child, and would never release the lock. So the lock of :mod:`threading` is only given
    away after :func:`process`.
    """

    # Not a context manager: Ctrl-C between the lines of its methods would leave the lock held. Python
    # enters its own locks in one step.

    def __init__(self) -> None:
        self._make()
        at_fork(self._make)

    def __call__(self) -> threading.RLock:
        """The lock of this process."""
        process()
        return self._lock

    def _make(self) -> None:
        # Re-entrant, since a signal handler may call us in the thread that holds the lock.
        self._lock = threading.RLock()


#: While a thread holds this lock, no fork starts. A fork in the middle of the work would leave the child
#: with work that is half done, and no thread in the child would finish the work. An import is such work:
#: Python does not reset its import locks in a child.
no_fork = ThreadLock()

if hasattr(os, "register_at_fork"):  # pragma: no branch -- Windows knows no fork
    os.register_at_fork(
        before=lambda: no_fork().acquire(),
        after_in_parent=lambda: no_fork().release(),
        after_in_child=process,
    )


#: Seconds that a fork waits for our threads. Python 3.12 warns of a fork while other threads run, and
#: a child should inherit no work that is half done. But a login service that hangs must not hold up a
#: fork. The end of an interpreter waits as long: a thread that is cut off may leave a lock in a store.
FORK_WAITS = 0.5

#: Seconds from one look at those threads to the next.
NAP = 0.005


class BackgroundThread(threading.Thread):
    """A thread of ours. It is a daemon, which never keeps a process from ending."""

    def __init__(self, work: Callable[[], None]) -> None:
        super().__init__(target=work, name="gc_requests_auth", daemon=True)
        #: Whether a fork has waited for this thread in vain; the next fork does not wait again.
        self.hangs = False

    def is_there(self) -> bool:
        """Whether the thread is to start, runs, or has ended and is still known to the system.

        Python 3.12 counts the threads of the system when it warns.
        """
        if self.native_id is None or self.is_alive():
            return True
        # A greenlet in place of a thread has the number of a thread that goes on.
        return not sleep_lets_others_run() and Path(f"/proc/self/task/{self.native_id}").exists()


#: The threads that may be there. `threading.enumerate` forgets a thread before the system does.
_threads: set[BackgroundThread] = set()


def in_background(work: Callable[[], None]) -> bool:
    """Do the work in a thread of its own. Returns False if no thread can be started.

    At the exit of an interpreter (Python 3.12) none can, nor where there are too many threads.
    """
    if sys.is_finalizing():  # Python 3.11 would wait for ever for a thread that is never run
        return False
    process()
    thread = BackgroundThread(work)
    _threads.difference_update([one for one in list(_threads) if not one.is_there()])
    _threads.add(thread)
    try:
        thread.start()
    except RuntimeError:
        _threads.discard(thread)
        return False
    return True


@cache
def precede_at_forks(library: str) -> None:  # noqa: ARG001 -- once for each
    """Have a fork wait for our threads before this library prepares for the fork.

    Call this function when the library has been imported: Python calls the function first that was
    registered last. A library (filelock) may hold its locks through a fork. A thread of ours may need
    such a lock to come to its end. A fork that waits for the thread after that waits in vain.
    """
    if hasattr(os, "register_at_fork"):  # pragma: no branch -- Windows knows no fork
        os.register_at_fork(before=wait_for_threads)


def wait_for_threads() -> None:
    """Wait until our threads have ended, `FORK_WAITS` at most for all of them together."""
    process()  # the threads of a parent are not here
    this = threading.current_thread()
    threads = [one for one in list(_threads) if one is not this and not one.hangs]
    naps = FORK_WAITS // NAP  # counted: with a frozen clock, this loop would never end
    while naps > 0 and any(one.is_there() for one in threads):
        time.sleep(NAP)
        naps -= 1
    for one in threads:
        one.hangs = one.is_there()


atexit.register(wait_for_threads)

# A fork holds `no_fork`, and a thread of ours may need that lock to come to its end.
precede_at_forks("forks")


def call_stack() -> tuple[int, object]:
    """The call stack of the caller: the thread, and the greenlet, None for the thread's own.

    gevent and eventlet run many greenlets in one thread.
    """
    # Not by a ContextVar: a greenlet or a thread may be started with a copy of another's context.
    current = getattr(sys.modules.get("greenlet"), "getcurrent", None)
    greenlet = current() if current is not None else None
    is_the_threads_own = getattr(greenlet, "parent", None) is None
    return threading.get_ident(), None if is_the_threads_own else greenlet


def sleep_lets_others_run() -> bool:
    """Whether `time.sleep` is that of an event loop (gevent, eventlet): it runs other greenlets."""
    return not isinstance(time.sleep, BuiltinFunctionType)
