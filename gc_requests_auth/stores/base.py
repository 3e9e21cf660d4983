"""What a store is: a place where tokens outlive a process, and where processes meet.

A store keeps text under a key for a while. It does not know what the text means, what the key is made
of, or whether the text is believed. What a store raises costs a token request, and never a call.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from random import uniform

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

    def exchange(
        self,
        key: str,  # noqa: ARG002 -- for others
        process: str,  # noqa: ARG002
        text: str,  # noqa: ARG002
        ttl: float,  # noqa: ARG002
    ) -> Sequence[tuple[str, float]] | None:
        """Keep a text for one process, and then read those of the other processes under the same key.

        With these texts the processes that use one token count their requests together. By default None:
        the store can not do this, and each process counts for itself.

        :param key: Letters and digits; neither the token nor its owner can be read from it.
        :param process: Letters and digits; the text replaces what was kept for this process.
        :param ttl: Seconds; the text is worth nothing after that, and may be dropped.
        :returns: The text of each other process, and the seconds since it was kept, by a clock that is
            the same for all processes.
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
