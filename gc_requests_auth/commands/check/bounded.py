"""No step hangs: name resolution knows no time-out, and those of a socket are per read."""

from __future__ import annotations

from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TypeVar

Result = TypeVar("Result")


class TooLongError(Exception):
    """It took longer than that, and was left behind."""


def within(seconds: float, work: Callable[[], Result]) -> Result:
    """What `work` returns or raises, if it does so in time.

    In a thread of its own, which ends with the process at the latest: a resolver that waits for its
    servers can be neither told when to stop nor interrupted by Ctrl-C.

    :raises TooLongError: after so many seconds.
    """
    outcome: SimpleQueue[tuple[Result | None, BaseException | None]] = SimpleQueue()

    def run() -> None:
        try:
            outcome.put((work(), None))
        except BaseException as problem:
            outcome.put((None, problem))

    Thread(target=run, daemon=True).start()
    try:
        result, problem = outcome.get(timeout=seconds)
    except Empty:
        raise TooLongError from None
    if problem is not None:
        raise problem
    return result  # type: ignore[return-value]  # None only if `work` returned that
