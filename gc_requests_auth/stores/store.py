"""Where tokens outlive a process: what a store is.

What a value means, how it is named, and whether it is believed, is none of a store's business: it
keeps text under a key for a while. What it raises costs a token request, never a call.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from random import uniform

#: Seconds to wait for another process that is asking for a token; then it is asked for anyway.
TURN = 25.0


class StoreError(Exception):
    """A store can not be used as it is found. Its text is logged, so it holds no value."""


class TokenStore(ABC):
    """A place that several processes share: text under keys, for some time.

    Derive from it and write the three methods; raise whatever fails. All methods of one visit are
    called in one thread, visits in several.
    """

    @abstractmethod
    def get(self, key: str) -> str | None:
        """What is kept under the key, as it was set; None if there is nothing.

        :param key: Letters and digits; the token's owner can not be read from it.
        """

    @abstractmethod
    def set(self, key: str, value: str, ttl: float) -> None:
        """Keep it in place of what was there; whole or not at all.

        :param ttl: Seconds; it is worth nothing after that, and may be dropped.
        """

    @abstractmethod
    def delete(self, key: str) -> None:
        """Drop what is kept under the key, if anything is."""

    def lock(self, key: str) -> AbstractContextManager[object]:  # noqa: ARG002 -- for others
        """Entered to ask for the token of this key, so that of many processes one does.

        It waits while another holds it, raises if that can not be told, and is free again when its
        holder dies. The key is read anew once it is entered. By default, it is always free: every
        process asks for itself, and the last one's token stays.
        """
        return nullcontext()

    def __deepcopy__(self, memo: object) -> TokenStore:
        return self  # the copy of an auth shares the place, as the auth of another process does


def wait_for_turn(take: Callable[[], bool], look: Callable[[], object]) -> bool:
    """Take a lock; or stop waiting for it when another has left something new, or for too long.

    :param look: What is there; when it changes, there is nothing to wait for any more.
    :returns: Whether the lock was taken.
    """
    before, until = look(), time.monotonic() + TURN
    while not take():
        if look() != before or time.monotonic() > until:
            return False
        time.sleep(uniform(0.02, 0.08))  # noqa: S311 -- jitter
    return True
