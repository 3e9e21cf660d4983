"""A thread that talks to a store, so that nobody waits for the store longer than he will."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, suppress
from queue import SimpleQueue
from threading import Event
from typing import Any, Generic, TypeVar

from ..util import forks
from ..util.forks import in_background
from .base import StoreError
from .signed import UnsoundError

T = TypeVar("T")


class Worker:
    """Runs one thing after another in one thread, since a lock may belong to the thread that took it.

    Once something takes too long, nothing more is run; the thread ends by itself when the store lets
    it. Where no thread can be started, at the end of a script for one, the caller waits for the store.
    """

    def __init__(self) -> None:
        #: The first thing that went wrong, in words that hold no value of the store.
        self.problem: str | None = None
        self._work: SimpleQueue[_Work[Any] | None] = SimpleQueue()
        self._locks = ExitStack()
        self._ended = Event()
        self._forks = forks.process()
        self._gave_up = False
        self._has_thread = in_background(self._loop)

    @property
    def is_stuck(self) -> bool:
        """Whether its thread still waits for a store that did not answer in time."""
        return self._gave_up and not self._ended.is_set() and self._forks == forks.process()

    def run(self, function: Callable[[], T], within: float) -> T | None:
        """What `function` returns; None if it fails, or takes longer than so many seconds."""
        if self._gave_up:
            return None
        work = _Work(function)
        if self._has_thread:
            self._work.put(work)
        else:
            work.run()
        if not work.done.wait(within):
            self._gave_up = True
            self.problem = self.problem or f"it does not answer within {within:.1f} s"
            return None
        self.problem = self.problem or work.problem
        return work.result

    def enter(self, lock: Callable[[], AbstractContextManager[object]], within: float) -> None:
        """Enter a lock, and stay in it until the end."""
        self.run(lambda: self._locks.enter_context(lock()), within)

    def end(self, within: float) -> None:
        """Leave the lock, and end the thread."""
        self.run(self._locks.close, within)
        self._work.put(None)

    def _loop(self) -> None:
        for work in iter(self._work.get, None):
            work.run()
        with suppress(BaseException):  # where nobody waits any more for the lock to be left
            self._locks.close()
        self._ended.set()


class _Work(Generic[T]):
    """Something to run, and what comes of it."""

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self.done = Event()
        self.result: T | None = None
        self.problem: str | None = None

    def run(self) -> None:
        try:
            self.result = self._function()
        except BaseException as error:  # of somebody's store
            self.problem = in_words(error)
        self.done.set()


def in_words(error: BaseException) -> str:
    """What may be logged of an error. The text of others' errors may hold the value of a token."""
    if isinstance(error, StoreError | UnsoundError):
        return str(error)
    reason = error.strerror if isinstance(error, OSError) else None
    return f"{type(error).__name__}: {reason}" if reason else type(error).__name__
