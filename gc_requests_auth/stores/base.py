"""What a store is. A store keeps text under a key for some time. Processes share the store.

A store does not know what the text means, what the key is made of, or whether the text is believed. What a
store raises costs a token request, and never a call.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from random import uniform

#: Seconds to wait for another process that requests a token. Then this process requests one as well.
LOCK_WAIT = 25.0


class StoreError(Exception):
    """The store, or its content, can not be used. The log has the text of the error, which holds no value."""


def in_words(error: BaseException) -> str:
    """What may be logged of an error: the text of another library's error may hold a token."""
    if isinstance(error, StoreError):
        return str(error)
    reason = error.strerror if isinstance(error, OSError) else None
    return f"{type(error).__name__}: {reason}" if reason else type(error).__name__


class TokenStore(ABC):
    """A place that several processes share: text under keys, for some time.

    Derive from this class, write the three abstract methods, and let every exception pass. Several threads
    call the methods. The thread that took a lock releases it.
    """

    @abstractmethod
    def get(self, key: str) -> str | None:
        """The value that was set under the key; None if there is none.

        :param key: Letters and digits; the token's owner can not be read from it.
        """

    @abstractmethod
    def set(self, key: str, value: str, ttl: float) -> None:
        """Replace what is kept under the key, whole or not at all.

        :param ttl: Seconds; the value is worth nothing after that, and may be dropped.
        """

    @abstractmethod
    def delete(self, key: str) -> None:
        """Drop the value under the key, if there is one."""

    def lock(self, key: str) -> AbstractContextManager[object]:  # noqa: ARG002 -- for subclasses
        """A lock for this key: of many processes, the process that holds the lock requests the token.

        ``with`` takes the lock, waits while another process holds it, and raises if the store fails. The
        lock is free again when its holder dies. The key is read again once the lock is taken. By default
        the lock is always free: each process requests a token, and the last token stays.
        """
        return nullcontext()

    def exchange(
        self,
        key: str,  # noqa: ARG002 -- for subclasses
        process: str,  # noqa: ARG002
        text: str,  # noqa: ARG002
        ttl: float,  # noqa: ARG002
    ) -> Sequence[tuple[str, float]] | None:
        """Keep a text for one process, and then read the texts of the others under the same key.

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
        return self  # the copy of an auth shares the store, as the auth of another process does


def wait_for_lock(take: Callable[[], bool], look: Callable[[], object]) -> bool:
    """Take a lock; or stop waiting when the value under the key changes, or after `LOCK_WAIT`.

    :param take: Tries to take the lock at once, and says whether it has.
    :param look: The value under the key, or what changes with it.
    :returns: Whether the lock was taken.
    """
    before, until = look(), time.monotonic() + LOCK_WAIT
    while not take():
        if look() != before or time.monotonic() > until:
            return False
        time.sleep(uniform(0.02, 0.08))  # noqa: S311 -- jitter
    return True
