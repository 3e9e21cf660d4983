"""Forks: which process this is, and what a child of a fork must not share with its parent."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any
from weakref import ref

#: Forks between the first import and this process, as far as they have been noticed.
forks = 0

#: Held where a fork in the midst would leave the child with something half done that no thread of
#: its own will ever finish: Python's import locks are not reset in a child.
no_fork = threading.RLock()

_pid = os.getpid()
_resets: dict[ref[Any], Callable[[Any], object]] = {}
_locks: dict[int, threading.RLock] = {}


def process() -> int:
    """The number of this process, another one in each child. What was made under another is stale.

    Python's own hooks see `os.fork` alone; uWSGI forks in C. So the process id is compared as well,
    which takes some 0.2 us at most.
    """
    if os.getpid() != _pid:
        _start_afresh(os.getpid())
    return forks


def at_fork(reset: Callable[[], object]) -> None:
    """Have this method of an object called in each child, as long as the object lives.

    At once where Python's hooks are called, and else by the next call of :func:`process`.
    """
    method: Any = reset
    # Not a WeakMethod: its callback is Python code, which fails at the end of an interpreter.
    _resets[ref(method.__self__, _resets.pop)] = method.__func__


def _start_afresh(pid: int) -> None:
    global forks, no_fork, _pid  # noqa: PLW0603 -- a process is global
    # After a fork in C, several threads may notice it at once. setdefault() is atomic: no lock that
    # was made before the fork can be relied on.
    with _locks.setdefault(pid, threading.RLock()):
        if pid == _pid:
            return
        forks += 1
        no_fork = threading.RLock()  # a thread that is not here may hold the old one
        for reference, reset in list(_resets.items()):
            thing = reference()
            if thing is not None:  # pragma: no branch -- by the garbage collector of another thread
                reset(thing)
        _pid = pid


if hasattr(os, "register_at_fork"):  # pragma: no branch -- Windows knows no fork
    os.register_at_fork(
        # The lock of the moment, which is another one in each child.
        before=lambda: no_fork.acquire(),  # noqa: PLW0108
        after_in_parent=lambda: no_fork.release(),  # noqa: PLW0108
        after_in_child=process,
    )
