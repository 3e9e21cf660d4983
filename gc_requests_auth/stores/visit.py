"""A visit to a store: in a thread of its own, so that nobody waits for it longer than he will."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, suppress
from queue import SimpleQueue
from threading import Event
from typing import Any, Generic, TypeVar

from ..util import forks
from ..util.threads import in_background
from .signed import UnsoundError
from .store import StoreError

T = TypeVar("T")


class Visit:
    """One step after another in one thread: a lock may belong to the thread that took it.

    Once a step takes too long, the others are left out; the thread goes home by itself when it can.
    """

    def __init__(self) -> None:
        #: The first thing that went wrong, in words that hold no value of the store.
        self.problem: str | None = None
        self._steps: SimpleQueue[_Step[Any] | None] = SimpleQueue()
        self._held = ExitStack()
        self._gone = Event()
        self._forks = forks.forks
        self._lost = False
        # Without a thread, unbounded: at the end of a script, whose other threads may run for days.
        self._unaccompanied = not in_background(self._work)

    @property
    def is_stuck(self) -> bool:
        """Whether it still waits for a store that did not answer in time."""
        return self._lost and not self._gone.is_set() and self._forks == forks.forks

    def do(self, work: Callable[[], T], within: float) -> T | None:
        """What `work` returns; None if it fails, or takes longer than so many seconds."""
        if self._lost:
            return None
        step = _Step(work)
        if self._unaccompanied:
            step.take()
        else:
            self._steps.put(step)
        if not step.ended.wait(within):
            self._lost = True
            self.problem = self.problem or f"it does not answer within {within:.1f} s"
            return None
        self.problem = self.problem or step.problem
        return step.result

    def hold(self, lock: Callable[[], AbstractContextManager[object]], within: float) -> None:
        """Enter a lock, and stay in it to the end of the visit."""
        self.do(lambda: self._held.enter_context(lock()), within)

    def end(self, within: float) -> None:
        """Leave the lock, and go."""
        self.do(self._held.close, within)
        self._steps.put(None)

    def _work(self) -> None:
        for step in iter(self._steps.get, None):
            step.take()
        with suppress(BaseException):  # a step that was waited for no longer
            self._held.close()
        self._gone.set()


class _Step(Generic[T]):
    """Something to do, and what comes of it."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self.ended = Event()
        self.result: T | None = None
        self.problem: str | None = None

    def take(self) -> None:
        try:
            self.result = self._work()
        except BaseException as error:  # of somebody's store
            self.problem = _told(error)
        self.ended.set()


def _told(error: BaseException) -> str:
    """What may be logged of it. The text of others may hold the value that is a token."""
    if isinstance(error, StoreError | UnsoundError):
        return str(error)
    reason = error.strerror if isinstance(error, OSError) else None
    return f"{type(error).__name__}: {reason}" if reason else type(error).__name__
