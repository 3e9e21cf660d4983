"""What a store is: a place where tokens outlive a process, and where processes meet.

A store keeps text under a key for a while. It does not know what the text means, what the key is made
of, or whether the text is believed. What a store raises costs a token request, and never a call.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from random import uniform

from .permits import PermitAnswer, PermitRequest

#: Seconds to wait for another process that asks for a token; then the token is asked for anyway.
LOCK_WAIT = 25.0


class StoreError(Exception):
    """A store can not be used as it is found. Its text is logged, so it holds no value."""


def in_words(error: BaseException) -> str:
    """What may be logged of an error. The text of others' errors may hold the value of a token."""
    if isinstance(error, StoreError):
        return str(error)
    reason = error.strerror if isinstance(error, OSError) else None
    return f"{type(error).__name__}: {reason}" if reason else type(error).__name__


class TokenStore(ABC):
    """A place that several processes share: text under keys, for some time.

    Derive from it and write the three abstract methods; raise whatever fails. The methods are called
    from several threads. A lock is left in the thread that has entered it.
    """

    @abstractmethod
    def get(self, key: str) -> str | None:
        """What is kept under the key, as it was set; None if there is nothing.

        :param key: Letters and digits; the token's owner can not be read from it.
        """

    @abstractmethod
    def set(self, key: str, value: str, ttl: float) -> None:
        """Keep the value in place of what was there; whole or not at all.

        :param ttl: Seconds; the value is worth nothing after that, and may be dropped.
        """

    @abstractmethod
    def delete(self, key: str) -> None:
        """Drop what is kept under the key, if anything is."""

    def lock(self, key: str) -> AbstractContextManager[object]:  # noqa: ARG002 -- for others
        """Entered to ask for the token of this key, so that of many processes one does.

        It waits while another holds it, raises if that can not be told, and is free again when its
        holder dies. The key is read anew once the lock is entered. By default the lock is always free:
        every process asks for itself, and the last one's token stays.
        """
        return nullcontext()

    def take_permits(self, key: str, request: PermitRequest) -> PermitAnswer | None:  # noqa: ARG002
        """Count the requests of all processes that use one token, and say how many may be sent.

        By default None, which says that the store can not do this: each process then counts for
        itself. A store that can keep text while it keeps others out has little to write: read the
        records of the key, call `permits.answer_to` with them and with a clock that all processes
        share, and keep the records that it returns.

        :param key: Letters and digits; neither the token nor its owner can be read from it.
        """
        return None

    def __deepcopy__(self, memo: object) -> TokenStore:
        return self  # the copy of an auth shares the place, as the auth of another process does


def wait_for_lock(take: Callable[[], bool], look: Callable[[], object]) -> bool:
    """Take a lock; or stop waiting when another has left something new, or after `LOCK_WAIT`.

    :param look: What is there; when it changes, there is nothing to wait for any more.
    :returns: Whether the lock was taken.
    """
    before, until = look(), time.monotonic() + LOCK_WAIT
    while not take():
        if look() != before or time.monotonic() > until:
            return False
        time.sleep(uniform(0.02, 0.08))  # noqa: S311 -- jitter
    return True
